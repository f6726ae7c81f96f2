"""Any URL that serves Forebay's API as target. What became of a request is asked as a client would: by its id."""

import json
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import quote, urlsplit

from gevent.pool import Pool
from geventhttpclient.client import HTTPClient
from geventhttpclient.response import HTTPParseError

from loadtest._authentication import NOTHING, Showing
from loadtest._target import BufferState, CallbackReceiver, Row, TargetError, check_patterns, checked_url
from pipeline.result import Standing
from pipeline.run import RESULT_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from loadtest._target import Monitoring
    from loadtest._workload import Workload
    from pipeline.request import Buffer

_TIMEOUT_S: Final = 30.0
_AT_ONCE: Final = 8
# So many questions a second at most: asking is no part of the load, and must not become one.
_QUESTIONS: Final = 100


class UrlTarget:
    """`api_url` ends before `/v1`. `showing` is what requests show of themselves, which it does not say.

    The API tells how a request ended, not when: its rows of results have no times but those it may add.
    """

    kind: Literal["aws"] = "aws"
    options: "Mapping[str, Any] | None" = None
    callback_receiver: CallbackReceiver | None = None
    monitoring: "Monitoring | None" = None

    def __init__(self, api_url: str, showing: Showing = NOTHING) -> None:
        self.api_url = checked_url(api_url)
        self.showing = showing
        self.outputs: Mapping[str, str] = {}
        self._path = f"{urlsplit(self.api_url).path}/v1/requests/"
        self._client: HTTPClient | None = None
        self._waiting: dict[str, deque[tuple[int, str]]] = {}
        self._ended: dict[str, list[tuple[int, str, dict[str, Any]]]] = {}

    def open(self, workload: "Workload") -> None:
        """Forget former runs.

        Raises:
            TargetError: the workload needs more than an API.
        """
        check_patterns(workload, self)
        self.showing.to(self.api_url)
        self.close()
        self._client = HTTPClient.from_url(
            self.api_url, concurrency=_AT_ONCE, connection_timeout=_TIMEOUT_S, network_timeout=_TIMEOUT_S
        )
        self._waiting.clear()
        self._ended.clear()

    def accepted(self, request_run_id: str, sequence: int, request_id: str) -> None:
        """Remember a request, to ask for it."""
        self._waiting.setdefault(request_run_id, deque()).append((sequence, request_id))

    def renew(self) -> bool:
        """What stands behind a URL keeps what it holds."""
        return False

    def state(self, buffer: "Buffer | None", request_run_id: str) -> BufferState:  # noqa: ARG002
        """How many have ended, after asking for those that wait longest.

        Raises:
            TargetError: the API answers no question.
        """
        waiting = self._waiting.setdefault(request_run_id, deque())
        ended = self._ended.setdefault(request_run_id, [])
        asked = [waiting.popleft() for _ in range(min(_QUESTIONS, len(waiting)))]
        answers = list(Pool(_AT_ONCE).imap(self._ask, [request_id for _, request_id in asked]))
        for (sequence, request_id), answer in zip(asked, answers, strict=True):
            if isinstance(answer, dict):
                ended.append((sequence, request_id, answer))
            else:
                waiting.append((sequence, request_id))
        # One failure may pass; it is asked again.
        failures = [answer for answer in answers if isinstance(answer, TargetError)]
        if failures and len(failures) == len(answers):
            raise failures[0]
        return BufferState(completed=len(ended))

    def results(self, way: str, request_run_id: str) -> "Iterator[Row]":
        """What the answers said."""
        for sequence, request_id, answer in self._ended.get(request_run_id, ()):
            known = {**answer, "buffer": way, "sequence": sequence, "request_id": request_id}
            yield tuple(known.get(column) for column in RESULT_COLUMNS)

    def dead_letters(
        self,
        buffer: "Buffer",  # noqa: ARG002
        request_run_id: str,  # noqa: ARG002
        since: "datetime",  # noqa: ARG002
    ) -> "Iterator[Row]":
        """The API does not tell of any."""
        return iter(())

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _ask(self, request_id: str) -> dict[str, Any] | TargetError | None:
        """The answer, None if there is none yet. An error is an answer too: raised in a pool, it would be logged."""
        assert self._client is not None, "open comes first"
        try:
            id_ = quote(request_id, safe="")
            shown = self.showing.to(self.api_url).headers("GET", f"{self.api_url}/v1/requests/{id_}", {})
            response = self._client.get(self._path + id_, headers=shown)
            body = response.read()
            if response.status_code == 404:
                return None
            answer = json.loads(body) if response.status_code == 200 else None
            if not isinstance(answer, dict):
                return TargetError(f"GET /v1/requests/{{id}} answers {response.status_code}: {body[:200]!r}")
        except (OSError, HTTPParseError, ValueError) as error:
            return TargetError(f"GET /v1/requests/{{id}} fails: {error!r}")
        return None if answer.get("status") == Standing.PENDING else answer
