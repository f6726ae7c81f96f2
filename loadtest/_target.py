"""The target: what a run is aimed at, and how the load test sees what becomes of its requests there."""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, Protocol
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from loadtest._authentication import Showing
    from loadtest._image import LoadImage
    from loadtest._workload import Workload
    from pipeline.request import Buffer
    from pipeline.stack import Stack

# Rows in the order of RESULT_COLUMNS, DEAD_LETTER_COLUMNS and MONITORING_COLUMNS of pipeline.run.
Row = tuple[object, ...]


class TargetError(Exception):
    """A target that does not answer or does not start; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class BufferState:
    """What a buffer and its consumers hold. None where the target cannot tell.

    Counts grow from some start; `backlog` (accepted and not ended, in flight among them), `in_flight`, `concurrency`
    and `oldest_age_s` are of this moment. Where a target is told of `throttles`, `concurrency` and `oldest_age_s` late,
    `metrics_age_s` says how late.
    """

    completed: int | None = None
    dead_lettered: int | None = None
    expired: int | None = None
    backlog: int | None = None
    in_flight: int | None = None
    concurrency: int | None = None
    throttles: int | None = None
    cold_starts: int | None = None
    oldest_age_s: float | None = None
    metrics_age_s: float | None = None

    @classmethod
    def from_json(cls, state: "Mapping[str, Any]") -> "BufferState":
        """Read one buffer of `GET /state` of the embedded AWS; what it does not say is None."""
        return cls(**{field.name: state.get(field.name) for field in fields(cls)})

    def since(self, start: "BufferState") -> "BufferState":
        """The same, with the counts from `start` on."""

        def grown(now: int | None, then: int | None) -> int | None:
            return None if now is None else now - (then or 0)

        return BufferState(
            completed=grown(self.completed, start.completed),
            dead_lettered=grown(self.dead_lettered, start.dead_lettered),
            expired=grown(self.expired, start.expired),
            backlog=self.backlog,
            in_flight=self.in_flight,
            concurrency=self.concurrency,
            throttles=grown(self.throttles, start.throttles),
            cold_starts=grown(self.cold_starts, start.cold_starts),
            oldest_age_s=self.oldest_age_s,
            metrics_age_s=self.metrics_age_s,
        )

    @property
    def ended(self) -> int | None:
        """How many requests have come to an end, one way or another."""
        if self.completed is None:
            return None
        return self.completed + (self.dead_lettered or 0) + (self.expired or 0)


@dataclass(frozen=True, slots=True)
class Monitored:
    """What monitoring told of a turn: rows of MONITORING_COLUMNS, and what it could not tell whole, and why."""

    rows: tuple[Row, ...] = ()
    missing: tuple[str, ...] = ()


class Monitoring(Protocol):
    """Tells of a turn late, so that the whole of it is asked for when it is over."""

    @property
    def source(self) -> str:
        """Whose word it is."""

    @property
    def settles_s(self) -> float:
        """How long after a turn its last figures are waited for."""

    def told(self, way: str, request_run_id: str, ended_at: float) -> Monitored:
        """All of a turn, which ended at that second since the epoch. May raise TargetError."""


class CallbackReceiver(Protocol):
    """Where clients of the load test are called back: a receiver that counts."""

    @property
    def url(self) -> str:
        """What requests name."""

    @property
    def repeated(self) -> int:
        """How many callbacks were of a request that had been called back before."""

    def wait(self, request_id: str, timeout_s: float) -> bytes | None:
        """The body of a request's callback, None if none has come after `timeout_s`."""


class Target(Protocol):
    """Something that serves Forebay's API. All methods but `close` may raise TargetError."""

    @property
    def kind(self) -> Literal["local", "aws", "http"]:
        """What the report calls it."""

    @property
    def api_url(self) -> str:
        """The API's URL, up to before `/v1`."""

    @property
    def outputs(self) -> "Mapping[str, str]":
        """The stack's outputs; empty where they are not known."""

    @property
    def showing(self) -> "Showing":
        """What requests have to show of themselves."""

    @property
    def callback_receiver(self) -> CallbackReceiver | None:
        """Where it can call back, of the embedded AWS only."""

    @property
    def monitoring(self) -> Monitoring | None:
        """What monitors it from outside, of a stack only."""

    @property
    def options(self) -> "Mapping[str, Any] | None":
        """The options and quotas in force, of the embedded AWS; the template's parameters, of a stack."""

    def open(self, workload: "Workload") -> None:
        """Be ready for a run of that workload."""

    def accepted(self, request_run_id: str, sequence: int, request_id: str) -> None:
        """A request was accepted. For a target that has to know, to see what becomes of it."""

    def renew(self) -> bool:
        """Drop what a buffer still holds, so that the next one starts alone. False if that cannot be done."""

    def state(self, buffer: "Buffer | None", request_run_id: str) -> BufferState:
        """How it stands with a buffer; of requests that go through none it may know no more than how many ended."""

    def results(self, way: str, request_run_id: str) -> "Iterator[Row]":
        """The stored results of the requests that carry that run id, called by the way's name."""

    def dead_letters(self, buffer: "Buffer", request_run_id: str, since: "datetime") -> "Iterator[Row]":
        """The requests of that run id that were given up, `since` its turn began."""

    def close(self) -> None:
        """Stop what was started."""


def checked_url(url: str) -> str:
    """A URL of http or https, without a slash at its end.

    Raises:
        TargetError: it is none.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise TargetError(f"--host {url} is no URL: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise TargetError(f"--host {url} is no URL; it wants the form https://host/stage")
    if parts.query or parts.fragment:
        raise TargetError(
            f"--host {url} has a query, which the path would follow; a query belongs to a workload's route"
        )
    return url.rstrip("/")


def check_buffers(stack: "Stack", workload: "Workload") -> None:
    """Refuse a workload that asks for a buffer the stack was made without.

    Raises:
        TargetError: it does.
    """
    missing = [buffer for buffer in workload.buffers if buffer not in stack.buffers]
    if missing:
        raise TargetError(
            f"the stack has no {', '.join(missing)}: it was made with KinesisFanOut=false; make it with true, or leave "
            "the buffer out of the workload"
        )


def check_patterns(workload: "Workload", target: Target) -> None:
    """Refuse a workload with a pattern that the target does not serve.

    Raises:
        TargetError: it has one.
    """
    if workload.has("callback") and target.callback_receiver is None:
        raise TargetError(
            "the workload has the pattern callback, and this target cannot call back: only the embedded AWS calls a "
            "receiver on this machine. Leave callback out of the workload"
        )
    if workload.has("websocket") and "WebSocketUrl" not in target.outputs:
        raise TargetError(
            "the workload has the pattern websocket, and this target tells no WebSocketUrl: aim at a stack (--stack) "
            "that was made from this infra.yaml, or leave websocket out of the workload"
        )


def check(stack: "Stack", workload: "Workload", target: Target) -> None:
    """Refuse a workload that needs what the stack was made without.

    Raises:
        TargetError: it does.
    """
    check_buffers(stack, workload)
    check_patterns(workload, target)


def upload(target: Target, images: "tuple[LoadImage, ...]") -> None:
    """Put the images that travel by claim check where the API stores them.

    Raises:
        TargetError: the API did not take one.
    """
    import requests

    headers = {"Content-Type": "image/jpeg"}
    for image in images:
        if image.key is None:
            continue
        url = f"{target.api_url}/v1/images/{image.key}"
        shown = target.showing.to(target.api_url).headers("PUT", url, headers, image.data)
        try:
            answer = requests.put(url, data=image.data, headers={**headers, **shown}, timeout=60)
        except requests.RequestException as error:
            raise TargetError(f"the image {image.name} could not be uploaded: {error}") from None
        if answer.status_code != 201:
            raise TargetError(
                f"the image {image.name} could not be uploaded: HTTP {answer.status_code}: {answer.text[:200]}"
            )
