"""One client's connection, from the handshake to the end."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from delivery.quotas import Quotas
from local.websocket.frames import CloseCode, close_frame, pong_frame, text_frames

# How long a client may take to answer a Close frame, by the machine's own clock.
_CLOSING_S: Final = 1.0


class GoneError(Exception):
    """The connection is not open: not yet, or no more."""


class BufferFullError(Exception):
    """The client has not taken what waits for it already, and this does not fit behind it."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose connection it is. `user_agent` is None if the client did not say.

    `caller` is what the handshake's signature or API key tells, by the names of `$context.identity`.
    """

    source_ip: str
    user_agent: str | None
    caller: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a connection ended, as $disconnect is told."""

    code: int
    reason: str


class Connection:
    """A connection with its times (seconds since the epoch). It takes messages between `open` and `close`.

    Sending never waits: what the client has not taken yet is kept in a buffer that is bounded, so that one that has
    stopped reading holds up nobody.
    """

    def __init__(self, connection_id: str, identity: Identity, connected_at: float, quotas: Quotas) -> None:
        self.id = connection_id
        self.identity = identity
        self.connected_at = connected_at
        self.last_active_at = connected_at
        self._quotas = quotas
        self._transport: asyncio.Transport | None = None
        self._ending: Ending | None = None
        self._refused = False
        self._abort: asyncio.TimerHandle | None = None
        self._written = 0
        self._taken = 0
        self._taken_at = connected_at

    @property
    def is_open(self) -> bool:
        """Whether messages go both ways."""
        return self._transport is not None and self._ending is None

    @property
    def hears(self) -> bool:
        """Whether a message that came counts: not after our Close frame, but those before a frame that was refused."""
        return self._ending is None or self._refused

    @property
    def ending(self) -> Ending:
        """How it ended; abnormally, if nobody said."""
        return self._ending or Ending(CloseCode.ABNORMAL, "")

    def open(self, transport: asyncio.Transport) -> None:
        """The handshake is over."""
        self._transport = transport

    def send(self, text: bytes, now: float) -> None:
        """Send a text message.

        Raises:
            GoneError: the connection is not open.
            BufferFullError: the client lags too far behind.
        """
        transport = self._transport
        if transport is None or not self.is_open or transport.is_closing():
            raise GoneError
        waiting = transport.get_write_buffer_size()
        if waiting and waiting + len(text) > self._quotas.websocket_send_buffer_bytes:
            raise BufferFullError
        if not waiting:
            self._taken, self._taken_at = self._written, now
        self._write(text_frames(text, self._quotas.websocket_frame_bytes))
        self.last_active_at = now

    def pong(self, payload: bytes, now: float) -> None:
        """Answer a ping; not one of those of a client that reads nothing."""
        self.last_active_at = now
        transport = self._transport
        if transport is not None and transport.get_write_buffer_size() < self._quotas.websocket_send_buffer_bytes:
            self._write(pong_frame(payload))

    def close(self, code: CloseCode, reason: str = "") -> None:
        """End it from this side: the client has a moment to answer, then it is cut off."""
        transport = self._transport
        if transport is None or self._ending is not None:
            return
        self._ending = Ending(code, reason)
        self._write(close_frame(code, reason))
        self._abort = asyncio.get_running_loop().call_later(_CLOSING_S, transport.abort)

    def refuse(self, code: CloseCode, reason: str) -> None:
        """End it for a frame that is refused, which nothing passes that comes after it."""
        self._refused = self._ending is None
        self.close(code, reason)

    def closed_by_client(self, code: int, reason: str) -> None:
        """The client's Close frame has come: answer it, unless it is the answer to ours."""
        if self._ending is None:
            self._ending = Ending(code, reason)
            self._write(close_frame(CloseCode.NORMAL if code == CloseCode.NO_STATUS else code))

    def ended(self, code: int, reason: str = "") -> None:
        """It is over already; this is how."""
        self._ending = self._ending or Ending(code, reason)

    def cut_off(self) -> None:
        """End it without a word, since the client would not hear one."""
        self.ended(CloseCode.ABNORMAL)
        if self._transport is not None:
            self._transport.abort()

    def release(self) -> None:
        """Let go of the transport; what waits to be sent still is."""
        if self._abort is not None:
            self._abort.cancel()
        if self._transport is not None:
            transport, self._transport = self._transport, None
            if transport.get_write_buffer_size():
                # A client that does not read would keep it for ever.
                asyncio.get_running_loop().call_later(_CLOSING_S, transport.abort)
            transport.close()

    def expire(self, now: float) -> None:
        """End it if it has been open, idle or stuck for too long."""
        if not self.is_open:
            return
        if (
            now - self.connected_at >= self._quotas.websocket_connection_s
            or now - self.last_active_at >= self._quotas.websocket_idle_s
        ):
            self.close(CloseCode.GOING_AWAY, "Going away")
        elif self._is_stuck(now):
            self.cut_off()

    def _is_stuck(self, now: float) -> bool:
        assert self._transport is not None
        waiting = self._transport.get_write_buffer_size()
        taken = self._written - waiting
        if not waiting or taken != self._taken:
            self._taken, self._taken_at = taken, now
            return False
        return now - self._taken_at >= self._quotas.websocket_stuck_s

    def _write(self, frames: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frames)
            self._written += len(frames)
