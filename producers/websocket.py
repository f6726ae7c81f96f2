"""The WebSocket client: sends images over one connection, and is pushed what they are recognised as."""

import contextlib
import itertools
import json
import secrets
import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Any, Final

from websocket import ABNF, WebSocket, WebSocketException, create_connection

from pipeline.request import BUFFERS, InlineImage, StoredImage, image_to_body, measurement_to_body
from pipeline.watchers import hash_of
from producers.answer import Answer, Ticket, object_in, read_answer, text_of
from producers.api_error import ApiError, NoResultError
from producers.authentication import Authentication
from producers.client import Client
from producers.polling import no_result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.request import Buffer, Measurement
    from producers.http import ApiClient

_TIMEOUT_S: Final = 30.0
# docs: apigateway-execution-service-websocket-limits-table. A larger frame or message closes the connection (1009).
_FRAME_BYTES: Final = 32 * 1_024
_MESSAGE_BYTES: Final = 128 * 1_024
# What is left of a message for the image itself, after base64 and what stands around it.
INLINE_BYTES: Final = 90_000
_UNAUTHENTICATED: Final = Authentication()


class OwnershipSecret:
    """A secret that shows whose a request is: its hash goes with the request, itself only over a WebSocket."""

    def __init__(self, text: str | None = None) -> None:
        self.text = text or secrets.token_urlsafe(32)

    @property
    def attach(self) -> str:
        """What a request made over HTTP is given."""
        return hash_of(self.text)


class WebSocketClient(Client):
    """One connection to the WebSocket API at `url` (wss://host/stage), with a thread that reads what is pushed.

    An image too large for a message is uploaded by way of `api`. A request's result is pushed to the connection that
    sent it. If that is lost, the result can still be had by asking: ApiClient.wait. `authentication` is what the client
    shows of itself when it connects (producers.authentication), by default nothing.
    """

    def __init__(
        self,
        url: str,
        buffer: "Buffer" = "sqs",
        *,
        api: "ApiClient | None" = None,
        authentication: Authentication = _UNAUTHENTICATED,
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        if buffer not in BUFFERS:
            raise ValueError(f"{buffer!r} is not one of {', '.join(BUFFERS)}")
        self._url = url
        self._buffer = buffer
        self._api = api
        self._timeout_s = timeout_s
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._replies: dict[str, Future[dict[str, Any]]] = {}
        self._results: dict[str, Future[Answer]] = {}
        # No more than one connection can be told of in its two hours.
        self._told: set[str] = set()
        # Why the connection has ended, empty while it stands.
        self._ended = ""
        # What the gateway itself has said: how often since nobody waited for a reply, and the last of it.
        self._unmatched = 0
        self._gateway_said = b""
        self.repeated = 0
        """How many results were pushed once more; at least once is what is promised."""
        try:
            shown = authentication.headers("GET", url, {})
            self._socket: WebSocket = create_connection(url, timeout=timeout_s, host=shown.pop("Host"), header=shown)
        except (OSError, WebSocketException, ValueError) as error:
            raise ApiError(
                0, f"{url} cannot be connected to: {error}; check the URL, that the API is up, and what is shown to it"
            ) from None
        self._socket.settimeout(None)
        self._reader = threading.Thread(target=self._read, name="websocket-reader", daemon=True)
        self._reader.start()

    @property
    def is_lost(self) -> bool:
        """Whether the connection has ended."""
        return bool(self._ended)

    def submit(self, image: "bytes | StoredImage", measurement: "Measurement | None" = None) -> Ticket:
        """Send an image; returns once the API has accepted it."""
        calls = 1
        if isinstance(image, bytes) and len(image) > INLINE_BYTES:
            if self._api is None:
                raise ValueError(
                    f"an image of {len(image):,} bytes fits in no WebSocket message, {INLINE_BYTES:,} do; give the "
                    "client an ApiClient to upload it by, or upload it and send its key"
                )
            image, calls = StoredImage(bucket="", key=self._api.upload(secrets.token_hex(16), image)), 2
        body: dict[str, Any] = {"image": image_to_body(InlineImage(image) if isinstance(image, bytes) else image)}
        if measurement is not None:
            body["run"] = measurement_to_body(measurement)
        reply = self._ask({"action": "recognise", "buffer": self._buffer, "request": body}, "accepted")
        return Ticket(text_of(reply, "request_id"), calls)

    def attach(self, ticket: Ticket, secret: OwnershipSecret) -> None:
        """Have the result of a request that was made over HTTP, with this secret's `attach`, pushed here."""
        ticket.calls += 1
        self._ask({"action": "attach", "request_id": ticket.request_id, "secret": secret.text}, "attached")

    def wait(self, ticket: Ticket, timeout_s: float = 60.0) -> Answer:
        """Wait until the result is pushed.

        Raises:
            NoResultError: it is not after `timeout_s`, or the connection is lost.
        """
        if ticket.answer is None:
            result = self._result(ticket.request_id)
            try:
                ticket.answer = result.result(timeout_s)
            except FutureTimeoutError:
                raise no_result(ticket.request_id, timeout_s) from None
            with self._lock:
                self._results.pop(ticket.request_id, None)
        return ticket.answer

    def close(self) -> None:
        """Close the connection. What still waits gets NoResultError."""
        with contextlib.suppress(OSError, WebSocketException):
            self._socket.send_close()
        # Not its close(): that would read the answer, beside the reader.
        self._socket.abort()  # type: ignore[no-untyped-call]
        self._reader.join(self._timeout_s)
        self._socket.shutdown()  # type: ignore[no-untyped-call]

    def _ask(self, message: "Mapping[str, Any]", wanted: str) -> dict[str, Any]:
        """Send a message, and wait for the reply that names it."""
        number = str(next(self._numbers))
        text = json.dumps({**message, "correlation_id": number}, separators=(",", ":")).encode()
        if len(text) > _MESSAGE_BYTES:
            raise ValueError(f"the message has {len(text):,} bytes, and {_MESSAGE_BYTES:,} are taken")
        replied: Future[dict[str, Any]] = Future()
        with self._lock:
            if self._ended:
                raise self._gone()
            self._replies[number] = replied
        try:
            self._send(text)
            reply = replied.result(self._timeout_s)
        except FutureTimeoutError:
            raise ApiError(0, f"{self._url} did not answer in {self._timeout_s:g} s{self._said()}") from None
        except (OSError, WebSocketException) as error:
            raise ApiError(0, f"the connection to {self._url} is lost: {error}") from None
        finally:
            with self._lock:
                self._replies.pop(number, None)
                if not self._replies:
                    self._unmatched = 0
        if reply.get("type") != wanted:
            raise _refusal(reply)
        return reply

    def _send(self, text: bytes) -> None:
        parts = [text[start : start + _FRAME_BYTES] for start in range(0, len(text), _FRAME_BYTES)]
        with self._sending:
            for index, part in enumerate(parts):
                opcode = ABNF.OPCODE_CONT if index else ABNF.OPCODE_TEXT
                self._socket.send_frame(ABNF.create_frame(part, opcode, fin=int(index == len(parts) - 1)))

    def _result(self, request_id: str) -> "Future[Answer]":
        with self._lock:
            if request_id not in self._results:
                self._results[request_id] = Future()
                if self._ended:
                    self._results[request_id].set_exception(self._lost(request_id))
            return self._results[request_id]

    def _read(self) -> None:
        reason = "it was closed"
        try:
            while True:
                opcode, data = self._socket.recv_data()
                if opcode == ABNF.OPCODE_CLOSE:
                    break
                self._take(data)
        except (OSError, WebSocketException, AttributeError) as error:
            # The library's own socket is None once it is shut.
            reason = str(error) or type(error).__name__
        with self._lock:
            self._ended = reason
            for replied in self._replies.values():
                if not replied.done():
                    replied.set_exception(self._gone())
            for request_id, result in self._results.items():
                if not result.done():
                    result.set_exception(self._lost(request_id))

    def _take(self, data: bytes) -> None:
        message = object_in(data) or {}
        with self._lock:
            if message.get("type") == "result":
                self._tell(message)
                return
            if "correlation_id" not in message:
                self._unmatched += 1
                self._gateway_said = data
            replied = self._replies.get(str(message.get("correlation_id")))
            if replied is not None and not replied.done():
                replied.set_result(message)
            # What the gateway itself says names no message. Once it has said as much as messages wait, it was theirs.
            waiting = [each for each in self._replies.values() if not each.done()]
            if waiting and self._unmatched >= len(waiting):
                self._unmatched = 0
                for each in waiting:
                    each.set_exception(ApiError(0, f"{self._url} did not take the message{self._said()}"))

    def _tell(self, message: "Mapping[str, Any]") -> None:
        request_id = str(message.get("request_id"))
        if request_id in self._told:
            self.repeated += 1
            return
        self._told.add(request_id)
        result = self._results.setdefault(request_id, Future())
        try:
            result.set_result(read_answer(message))
        except ApiError as error:
            result.set_exception(error)

    def _said(self) -> str:
        said = self._gateway_said[:200].decode(errors="replace")
        return f"; the gateway said {said}" if said else ""

    def _gone(self) -> ApiError:
        return ApiError(0, f"the connection to {self._url} has ended: {self._ended}; open another")

    def _lost(self, request_id: str) -> NoResultError:
        return NoResultError(
            f"the connection ended before the result of request {request_id} came; ask for it: ApiClient.wait"
        )


def _refusal(reply: "Mapping[str, Any]") -> ApiError:
    status, retry_after_s, request_id = (reply.get(name) for name in ("status", "retry_after_s", "request_id"))
    said = " ".join(str(reply[name]) for name in ("message", "remedy") if reply.get(name))
    return ApiError(
        status if isinstance(status, int) else 0,
        f"the WebSocket API did not take the message: {said or reply}",
        request_id=request_id if isinstance(request_id, str) else None,
        retry_after_s=float(retry_after_s) if isinstance(retry_after_s, int | float) else None,
    )
