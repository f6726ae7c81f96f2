"""The HTTP producer: a client of the pipeline's own API, for scripts and tests. The load test has a faster one."""

import base64
import json
import time
import uuid
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import urllib3

from pipeline.request import BUFFERS, measurement_to_body
from pipeline.result import Label, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipeline.request import Buffer, Measurement

# What is left for the image of an SNS message of 256 KiB, the smallest of the buffers' limits (API:Publish), after
# base64 and the record around it.
_INLINE_BYTES = 190_000
_TIMEOUT_S = 30.0
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0

_CURES: "Mapping[int, str]" = {
    HTTPStatus.BAD_REQUEST: "the body is not what the API's model says",
    HTTPStatus.FORBIDDEN: "check the URL, and the API key if this stage asks for one",
    HTTPStatus.NOT_FOUND: "check the URL: it ends before /v1",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "upload the image and send its key",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "the API takes application/json, and images as image/jpeg or image/png",
    HTTPStatus.TOO_MANY_REQUESTS: "the buffer or the API takes no more for now: send it again later",
}


class ApiError(Exception):
    """A request that the API did not take. `status` is the HTTP status, 0 if there was no answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    @property
    def retryable(self) -> bool:
        """Whether the same request may be taken later."""
        return self.status in {0, HTTPStatus.TOO_MANY_REQUESTS} or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR


class NoResultError(Exception):
    """A request that had no result yet when the waiting ended."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API says a request ended as. `reason` says why a FAILED one failed."""

    request_id: str
    status: Status
    labels: tuple[Label, ...]
    reason: str | None


class ApiClient:
    """Talks to the API at `api_url`, which ends before `/v1`. Sends nothing twice by itself.

    `clock` and `sleep` are in seconds. Every method raises ApiError for what the API does not take, or no answer.
    """

    def __init__(
        self,
        api_url: str,
        *,
        api_key: str | None = None,
        timeout_s: float = _TIMEOUT_S,
        clock: "Callable[[], float]" = time.monotonic,
        sleep: "Callable[[float], None]" = time.sleep,
    ) -> None:
        self._url = api_url.rstrip("/")
        self._headers = {} if api_key is None else {"x-api-key": api_key}
        self._http = urllib3.PoolManager(retries=False, timeout=timeout_s)
        self._clock = clock
        self._sleep = sleep

    def submit(
        self, buffer: "Buffer", image: bytes, measurement: "Measurement | None" = None, *, group: str | None = None
    ) -> str:
        """Send an image through a buffer, uploaded before if it is too large to go inline. Returns the request id.

        Those of one `group` are delivered in their order by a buffer that keeps one: Kinesis, and SQS as FIFO.
        """
        if len(image) > _INLINE_BYTES:
            return self.submit_uploaded(buffer, self.upload(uuid.uuid4().hex, image), measurement, group=group)
        return self._submit(buffer, {"bytes": base64.b64encode(image).decode("ascii")}, measurement, group)

    def submit_uploaded(
        self, buffer: "Buffer", key: str, measurement: "Measurement | None" = None, *, group: str | None = None
    ) -> str:
        """Send an image that was uploaded under `key`. Returns the request id."""
        return self._submit(buffer, {"key": key}, measurement, group)

    def upload(self, key: str, image: bytes) -> str:
        """Put an image where requests can refer to it: `key` of letters, digits, dot, dash and underscore, 1 to 128.

        Returns the key by which to submit it.
        """
        headers = {"content-type": _content_type(image)}
        answer = self._call("PUT", f"/v1/images/{quote(key, safe='')}", HTTPStatus.CREATED, image, headers)
        return _text(answer, "key")

    def result(self, request_id: str) -> Answer | None:
        """What a request ended as, None if it has not yet, or if there is no such request."""
        path = f"/v1/requests/{quote(request_id, safe='')}"
        try:
            return _answer(self._call("GET", path, HTTPStatus.OK))
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    def wait(self, request_id: str, timeout_s: float = 60.0) -> Answer:
        """Ask for a result until it is there. A throttled or failed asking is repeated like a result not there yet.

        Raises:
            NoResultError: it is not there after `timeout_s`.
        """
        deadline = self._clock() + timeout_s
        pause, trouble = _FIRST_PAUSE_S, ""
        while True:
            try:
                answer = self.result(request_id)
            except ApiError as error:
                if not error.retryable:
                    raise
                answer, trouble = None, f" ({error})"
            if answer is not None:
                return answer
            if self._clock() + pause > deadline:
                raise NoResultError(
                    f"request {request_id} has no result after {timeout_s:g} s{trouble}: it may still be waiting in "
                    "its buffer, or be among the dead letters"
                )
            self._sleep(pause)
            pause = min(_LONGEST_PAUSE_S, pause * 2)

    def _submit(
        self, buffer: "Buffer", image: dict[str, str], measurement: "Measurement | None", group: str | None
    ) -> str:
        if buffer not in BUFFERS:
            raise ValueError(f"{buffer!r} is not one of {', '.join(BUFFERS)}")
        body: dict[str, Any] = {"image": image}
        if group is not None:
            body["group"] = group
        if measurement is not None:
            body["run"] = measurement_to_body(measurement)
        headers = {"content-type": "application/json"}
        answer = self._call("POST", f"/v1/{buffer}/images", HTTPStatus.ACCEPTED, json.dumps(body).encode(), headers)
        return _text(answer, "request_id")

    def _call(
        self,
        method: str,
        path: str,
        expected: HTTPStatus,
        body: bytes | None = None,
        headers: "Mapping[str, str] | None" = None,
    ) -> dict[str, Any]:
        url = self._url + path
        try:
            response = self._http.request(method, url, body=body, headers={**self._headers, **(headers or {})})
        except urllib3.exceptions.HTTPError as error:
            raise ApiError(0, f"{method} {url} got no answer: {error}; check the URL, and that the API is up") from None
        if response.status != expected:
            said = response.data[:300].decode(errors="replace")
            cure = _CURES.get(response.status, "")
            raise ApiError(response.status, f"{method} {url} was answered {response.status} {said} {cure}".rstrip())
        try:
            answer = json.loads(response.data)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise ApiError(response.status, f"{method} {url} was answered with no JSON object: is it this API?")
        return answer


def _content_type(image: bytes) -> str:
    if image.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if image.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    return "application/octet-stream"


def _text(answer: "Mapping[str, Any]", name: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str):
        raise ApiError(HTTPStatus.OK, f"the API's answer has no {name}: is it this API?")
    return value


def _answer(answer: "Mapping[str, Any]") -> Answer:
    try:
        return Answer(
            request_id=answer["request_id"],
            status=Status(answer["status"]),
            labels=tuple(
                Label(label["name"], float(label["confidence"]), tuple(label.get("parents", ())))
                for label in answer.get("labels", ())
            ),
            reason=answer.get("reason"),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ApiError(HTTPStatus.OK, f"the API's result cannot be read: {error!r}") from None
