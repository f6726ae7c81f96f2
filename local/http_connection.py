"""One connection of a server: its requests are given to the service one after another, and answered in their order."""

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field
from typing import Final, cast

from local.http_answer import encoded
from local.http_reader import CLOSE, Received, Refusal, RequestReader
from local.wire import BrokenOffError, WireResponse, WireService

_LOG = logging.getLogger(__name__)

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_DEFECT: Final = WireResponse(500, {"content-type": "application/json"}, b'{"__type":"InternalFailure"}')


@dataclass(frozen=True, slots=True)
class Terms:
    """What all connections of a server have in common, and which there are. Times are in seconds.

    `idle_s` is how long a request's head may take, and its client to read the answer; `body_s` how long a body may
    take; `linger_s` how long what a client still sends after a refusal is read, lest it never sees why.
    """

    service: WireService
    body_limit: int
    idle_s: float
    body_s: float
    linger_s: float
    pages: bool
    connections: "set[Connection]" = field(default_factory=set)


class Connection(asyncio.Protocol):
    """A client's connection, with one task that answers all its requests: one for each would cost more than to read it.

    One request at a time is with the service. While others wait for it nothing more is read, and while the client does
    not read its answers nothing more is asked: so the memory it takes has a bound.
    """

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._loop = asyncio.get_running_loop()
        self._reader = RequestReader(body_limit=terms.body_limit, pages=terms.pages)
        self._busy = False
        self._reading = True
        self._writing = True
        self._ending = False
        self._lost = False
        self._waiter: asyncio.Future[None] | None = None
        self._body_timer: asyncio.TimerHandle | None = None

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # uvloop's transport is one by its methods, not by its class.
        self._transport = cast("asyncio.Transport", transport)
        self._deadline = self._loop.time() + self._terms.idle_s
        self._idle_timer = self._loop.call_at(self._deadline, self._check_idleness)
        self._terms.connections.add(self)
        self._task = self._loop.create_task(self._answer_all())
        self._task.add_done_callback(lambda _: self._forget())

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        """Answer no more; what the service is at it may end."""
        self._lost = True
        self._idle_timer.cancel()
        self._drop_body_timer()
        self._end()
        self._forget()

    def data_received(self, data: bytes) -> None:
        """Read on."""
        reader = self._reader
        reader.feed(data)
        if reader.whole:
            self._drop_body_timer()
            if self._busy or len(reader.whole) > 1:
                self._read(on=False)
            self._wake()
        if reader.in_body:
            self._expect_body()

    def eof_received(self) -> bool:
        """The client sends no more; it may still want the answers to what it has sent."""
        self._end()
        return self._busy or bool(self._reader.whole)

    def pause_writing(self) -> None:
        """The client does not read as quickly as it is answered."""
        self._writing = False

    def resume_writing(self) -> None:
        """It has caught up."""
        self._writing = True
        self._wake()

    # What the server calls.

    def finish(self) -> "asyncio.Task[None]":
        """Read no more, and close once what was read is answered. The task that does it."""
        self._end()
        return self._task

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        self._task.cancel()
        self._transport.abort()

    # The task.

    async def _answer_all(self) -> None:
        reader, transport, idle_s = self._reader, self._transport, self._terms.idle_s
        whole = reader.whole
        try:
            while not self._lost:
                if not whole:
                    if reader.ended:
                        return
                    self._read(on=True)
                    if reader.in_body:
                        self._expect_body()
                    await self._moved()
                    continue
                received = whole.popleft()
                if isinstance(received, Refusal):
                    await self._refuse(received)
                    return
                self._busy = True
                answer = await self._answer(received)
                self._busy = False
                if self._lost:
                    return
                transport.write(answer)
                if received.connection == CLOSE:
                    return
                self._deadline = self._loop.time() + idle_s
                while not self._writing and not self._lost:
                    await self._moved()
                if whole:
                    # A client that sends many at once must not keep the others waiting.
                    await asyncio.sleep(0)
        except BrokenOffError:
            transport.abort()
        finally:
            transport.close()

    async def _answer(self, received: Received) -> bytes:
        request = received.request
        try:
            return encoded(await self._terms.service.handle(request), request.method, received.connection)
        except BrokenOffError:
            raise
        except Exception:  # noqa: BLE001 (whatever it is, the next request must be served)
            _LOG.exception("%s %s failed", request.method, request.path)
            return encoded(_DEFECT, request.method, received.connection)

    async def _refuse(self, refusal: Refusal) -> None:
        body = f'{{"message":"{refusal.message}"}}'.encode()
        self._transport.write(
            encoded(WireResponse(refusal.status, {"content-type": "application/json"}, body), "", CLOSE)
        )
        if self._ending or self._transport.is_closing():
            return
        self._transport.write_eof()
        self._read(on=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._terms.linger_s):
                while not self._ending:
                    await self._moved()

    async def _moved(self) -> None:
        """Wait until something happens to the connection that the task may wait for."""
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    # What tells it.

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _end(self) -> None:
        self._ending = True
        self._reader.end()
        self._wake()

    def _forget(self) -> None:
        if self._lost and self._task.done():
            self._terms.connections.discard(self)

    def _read(self, *, on: bool) -> None:
        if on is not self._reading and not self._transport.is_closing():
            self._reading = on
            if on:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    # Time.

    def _expect_body(self) -> None:
        if self._body_timer is None:
            self._body_timer = self._loop.call_later(self._terms.body_s, self._body_is_late)
        if self._reader.wants_continue and not self._busy and not self._reader.whole:
            self._reader.wants_continue = False
            self._transport.write(_CONTINUE)

    def _body_is_late(self) -> None:
        self._body_timer = None
        if self._busy or self._reader.whole:
            # It is the server that keeps it waiting.
            self._expect_body()
        elif self._reader.in_body:
            self._reader.refuse(Refusal(408, "Request Timeout"))
            self._wake()

    def _drop_body_timer(self) -> None:
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None

    def _check_idleness(self) -> None:
        now = self._loop.time()
        if self._writing and (self._busy or self._reader.whole or self._reader.in_body):
            # It is the service's turn, or a body's.
            self._deadline = now + self._terms.idle_s
        if now >= self._deadline:
            self._transport.abort()
        else:
            self._idle_timer = self._loop.call_at(self._deadline, self._check_idleness)
