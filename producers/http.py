"""The HTTP producer: the calls of the pipeline's own API. The clients of each pattern are made of them."""

import itertools
import json
import time
import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import urllib3

from pipeline.request import BUFFERS, InlineImage, StoredImage, image_to_body, measurement_to_body
from pipeline.result import Standing
from producers.answer import Answer as Answer
from producers.answer import Look, Ticket, object_in, read_answer, text_of
from producers.api_error import ApiError as ApiError
from producers.api_error import NoResultError as NoResultError
from producers.authentication import Authentication
from producers.polling import poll

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipeline.request import Buffer, Measurement

# What is left for the image of an SNS message of 256 KiB, the smallest of the buffers' limits (API:Publish), after
# base64 and the record around it.
_INLINE_BYTES = 190_000
_TIMEOUT_S = 30.0
_CONNECTIONS: Final = 10
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0
_JSON: Final = {"content-type": "application/json"}
_UNAUTHENTICATED: Final = Authentication()

_CURES: "Mapping[int, str]" = {
    HTTPStatus.BAD_REQUEST: "the body is not what the API's model says",
    HTTPStatus.FORBIDDEN: "check the URL, and what the client shows of itself: producers.authentication",
    HTTPStatus.NOT_FOUND: "check the URL: it ends before /v1",
    HTTPStatus.CONFLICT: "the first request of this idempotency key is still being taken in: send it again",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "upload the image and send its key",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "the API takes application/json, and images as image/jpeg or image/png",
    HTTPStatus.UNPROCESSABLE_ENTITY: "this idempotency key stands for another body: take a new one",
    HTTPStatus.TOO_MANY_REQUESTS: "the buffer or the API takes no more for now: send it again later",
    HTTPStatus.GATEWAY_TIMEOUT: "recognition took too long: ask for the result later, or send it through a buffer",
}


class ApiClient:
    """Talks to the API at `api_url`, which ends before `/v1`. Sends nothing twice by itself.

    `authentication` is what it shows of itself (producers.authentication), by default nothing. `connections` are kept
    for further calls; more at once are made and dropped. `clock` and `sleep` are in seconds.
    Every method raises ApiError for what the API does not take, or no answer.
    """

    def __init__(
        self,
        api_url: str,
        *,
        authentication: Authentication = _UNAUTHENTICATED,
        timeout_s: float = _TIMEOUT_S,
        connections: int = _CONNECTIONS,
        clock: "Callable[[], float]" = time.monotonic,
        sleep: "Callable[[float], None]" = time.sleep,
    ) -> None:
        self._url = api_url.rstrip("/")
        self._authentication = authentication
        self._http = urllib3.PoolManager(retries=False, timeout=timeout_s, maxsize=connections)
        self._clock = clock
        self._sleep = sleep

    def submit(
        self, buffer: "Buffer", image: bytes, measurement: "Measurement | None" = None, *, group: str | None = None
    ) -> str:
        """Send an image through a buffer, uploaded before if it is too large to go inline. Returns the request id.

        Those of one `group` are delivered in their order by a buffer that keeps one: Kinesis, and SQS as FIFO.
        """
        return self.accept(buffer, image, measurement, group=group).request_id

    def submit_uploaded(
        self, buffer: "Buffer", key: str, measurement: "Measurement | None" = None, *, group: str | None = None
    ) -> str:
        """Send an image that was uploaded under `key`. Returns the request id."""
        return self.accept(buffer, StoredImage(bucket="", key=key), measurement, group=group).request_id

    def accept(
        self,
        buffer: "Buffer",
        image: bytes | StoredImage,
        measurement: "Measurement | None" = None,
        *,
        handler: bool = False,
        group: str | None = None,
        callback_url: str | None = None,
        attach: str | None = None,
        idempotency_key: str | None = None,
    ) -> Ticket:
        """Have an image accepted for a buffer, straight or by way of the request `handler`.

        The result is POSTed to `callback_url`, and may be had over a WebSocket by whoever shows the secret that
        `attach` is the hash of (producers.websocket). Only the handler heeds an `idempotency_key`.
        """
        if buffer not in BUFFERS:
            raise ValueError(f"{buffer!r} is not one of {', '.join(BUFFERS)}")
        if idempotency_key is not None and not handler:
            raise ValueError("only the request handler heeds an idempotency key: send it with handler=True")
        body, calls = self.body(image, measurement)
        further = {"group": group, "callback_url": callback_url, "attach": attach}
        body |= {name: value for name, value in further.items() if value is not None}
        keyed = {} if idempotency_key is None else {"idempotency-key": idempotency_key}
        path = f"/v1/handler/{buffer}/images" if handler else f"/v1/{buffer}/images"
        response = self._post(path, body, keyed)
        document = self._expect(response, "POST", path, HTTPStatus.ACCEPTED)
        return Ticket(text_of(document, "request_id"), calls + 1, _retry_after_s(response))

    def recognise(self, image: bytes | StoredImage, measurement: "Measurement | None" = None) -> Ticket:
        """Have an image recognised in this very call. The ticket has its answer; that of a refused image is FAILED.

        Where the API gives up, its ApiError has the request's id: the result may be there a moment later.
        """
        body, calls = self.body(image, measurement)
        path = "/v1/sync/images"
        response = self._post(path, body)
        refused = response.status == HTTPStatus.UNPROCESSABLE_ENTITY
        document = object_in(response.data) if refused else None
        if document is None or "status" not in document:
            try:
                document = self._expect(response, "POST", path, HTTPStatus.OK)
            except ApiError as error:
                # What the gateway itself answers names no request; its own id for the call is the request's.
                error.request_id = error.request_id or response.headers.get("x-amz-apigw-id")
                raise
        answer = read_answer(document)
        return Ticket(answer.request_id, calls + 1, answer=answer)

    def body(
        self, image: bytes | StoredImage, measurement: "Measurement | None" = None, most: int = _INLINE_BYTES
    ) -> tuple[dict[str, Any], int]:
        """The body of a request, and how many calls it took: an image of more than `most` bytes is uploaded first."""
        calls = 0
        if isinstance(image, bytes) and len(image) > most:
            image, calls = StoredImage(bucket="", key=self.upload(uuid.uuid4().hex, image)), 1
        body: dict[str, Any] = {"image": image_to_body(InlineImage(image) if isinstance(image, bytes) else image)}
        if measurement is not None:
            body["run"] = measurement_to_body(measurement)
        return body, calls

    def upload(self, key: str, image: bytes) -> str:
        """Put an image where requests can refer to it: `key` of letters, digits, dot, dash and underscore, 1 to 128.

        Returns the key by which to submit it.
        """
        path = f"/v1/images/{quote(key, safe='')}"
        response = self._call("PUT", path, image, {"content-type": _content_type(image)})
        return text_of(self._expect(response, "PUT", path, HTTPStatus.CREATED), "key")

    def look(self, request_id: str) -> Look:
        """Ask once how a request stands."""
        path = f"/v1/requests/{quote(request_id, safe='')}"
        response = self._call("GET", path)
        retry_after_s = _retry_after_s(response)
        if response.status == HTTPStatus.NOT_FOUND:
            said = object_in(response.data) or {}
            unknown = said.get("status") == Standing.UNKNOWN
            return Look(Standing.UNKNOWN if unknown else Standing.UNKNOWN_OR_WAITING, None, retry_after_s)
        document = self._expect(response, "GET", path, HTTPStatus.OK)
        if document.get("status") == Standing.PENDING:
            return Look(Standing.PENDING, None, retry_after_s)
        answer = read_answer({"request_id": request_id, **document})
        return Look(Standing(answer.status), answer)

    def result(self, request_id: str) -> Answer | None:
        """What a request ended as, None if it has not yet, or if there is no such request."""
        return self.look(request_id).answer

    def wait(self, request_id: str, timeout_s: float = 60.0) -> Answer:
        """Ask for a result until it is there, ever more slowly. A throttled or failed question is repeated.

        Raises:
            NoResultError: it is not there after `timeout_s`, or there is no such request.
        """
        pauses = (min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(power, 8)) for power in itertools.count())
        return poll(
            lambda: self.look(request_id), lambda _: next(pauses), request_id, timeout_s, self._clock, self._sleep
        )

    def _post(
        self, path: str, body: "Mapping[str, Any]", headers: "Mapping[str, str] | None" = None
    ) -> urllib3.BaseHTTPResponse:
        return self._call("POST", path, json.dumps(body).encode(), {**_JSON, **(headers or {})})

    def _call(
        self, method: str, path: str, body: bytes | None = None, headers: "Mapping[str, str] | None" = None
    ) -> urllib3.BaseHTTPResponse:
        url = self._url + path
        shown = self._authentication.headers(method, url, headers or {}, body or b"")
        try:
            return self._http.request(method, url, body=body, headers={**(headers or {}), **shown})
        except urllib3.exceptions.HTTPError as error:
            raise ApiError(0, f"{method} {url} got no answer: {error}; check the URL, and that the API is up") from None

    def _expect(
        self, response: urllib3.BaseHTTPResponse, method: str, path: str, expected: HTTPStatus
    ) -> dict[str, Any]:
        url = self._url + path
        document = object_in(response.data)
        if response.status != expected:
            said = response.data[:300].decode(errors="replace")
            cure = _CURES.get(response.status, "")
            request_id = (document or {}).get("request_id")
            raise ApiError(
                response.status,
                f"{method} {url} was answered {response.status} {said} {cure}".rstrip(),
                request_id=request_id if isinstance(request_id, str) else None,
                retry_after_s=_retry_after_s(response),
            )
        if document is None:
            raise ApiError(response.status, f"{method} {url} was answered with no JSON object: is it this API?")
        return document


def _retry_after_s(response: urllib3.BaseHTTPResponse) -> float | None:
    """The Retry-After header in its form of seconds; the other one, a date, is none of this API's."""
    text = response.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else None


def _content_type(image: bytes) -> str:
    if image.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if image.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    return "application/octet-stream"
