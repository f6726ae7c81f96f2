"""WebSocket frames (RFC 6455, 5.2): what comes in is checked frame by frame, what goes out is cut into frames."""

import struct
from collections.abc import Callable
from enum import IntEnum
from typing import Final, Protocol

_FINAL: Final = 0x80
_OPCODE: Final = 0x0F
_MASKED: Final = 0x80
_LENGTH: Final = 0x7F
_MASK_BYTES: Final = 4


class Opcode(IntEnum):
    """What a frame is."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


class CloseCode(IntEnum):
    """Why a connection ends (RFC 6455, 7.4.1). The last two are never sent: they say what did not come."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    MESSAGE_TOO_BIG = 1009
    NO_STATUS = 1005
    ABNORMAL = 1006


class FrameReader(Protocol):
    """aiohttp's own reader: takes bytes as they come, and makes messages of them."""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Take bytes; answers whether it is done for, and what it left."""

    def feed_eof(self) -> None:
        """Nothing more comes."""


# Ends the connection, with a code and a reason.
Refuse = Callable[[CloseCode, str], None]


class FrameGuard:
    """Stands before a reader that knows no limit of a frame, and holds back what API Gateway refuses.

    Refused are frames over `frame_bytes`, messages over `message_bytes`, binary messages, and frames that are not
    masked, all as soon as their header is there. From then on nothing but the client's Close frame passes: the rest is
    read and thrown away, since a connection that is closed over unread data takes its own Close frame with it.
    """

    def __init__(self, reader: FrameReader, refuse: Refuse, *, frame_bytes: int, message_bytes: int) -> None:
        self._reader = reader
        self._refuse = refuse
        self._frame_bytes = frame_bytes
        self._message_bytes = message_bytes
        # A header that has not come whole, kept until it has.
        self._held = b""
        self._to_skip = 0
        self._so_far = 0
        self._refused = False
        self._passing = True

    def feed_data(self, data: bytes | bytearray | memoryview) -> tuple[bool, bytes]:
        """Pass on what is allowed; answers as the reader does."""
        data = self._held + bytes(data)
        self._held = b""
        at, end = 0, len(data)
        passed = []
        while at < end:
            if self._to_skip:
                start, at = at, min(end, at + self._to_skip)
                self._to_skip -= at - start
            else:
                header = _header(data, at)
                if header is None:
                    self._held = data[at:]
                    break
                start, at = at, at + header.size
                self._to_skip = header.payload
                self._passing = self._judge(header)
            if self._passing:
                passed.append(data[start:at])
        return self._reader.feed_data(b"".join(passed)) if passed else (False, b"")

    def feed_eof(self) -> None:
        """Nothing more comes."""
        self._reader.feed_eof()

    def _judge(self, header: "_Header") -> bool:
        """Whether a frame may pass."""
        if self._refused:
            return header.opcode == Opcode.CLOSE
        problem = self._problem(header)
        if problem is None:
            return True
        self._refused = True
        self._refuse(*problem)
        return False

    def _problem(self, header: "_Header") -> tuple[CloseCode, str] | None:
        if not header.masked:
            return CloseCode.PROTOCOL_ERROR, "a client's frames are masked"
        if header.opcode & 0x8:
            # Control frames come between those of a message; the reader knows their limits.
            return None
        if header.opcode == Opcode.BINARY:
            return CloseCode.UNSUPPORTED_DATA, "binary messages are not supported"
        if header.payload > self._frame_bytes:
            return CloseCode.MESSAGE_TOO_BIG, f"a frame has at most {self._frame_bytes} bytes"
        self._so_far += header.payload
        if self._so_far > self._message_bytes:
            return CloseCode.MESSAGE_TOO_BIG, f"a message has at most {self._message_bytes} bytes"
        if header.final:
            self._so_far = 0
        return None


class _Header:
    __slots__ = ("final", "masked", "opcode", "payload", "size")

    def __init__(self, first: int, second: int, payload: int, size: int) -> None:
        self.final = bool(first & _FINAL)
        self.opcode = first & _OPCODE
        self.masked = bool(second & _MASKED)
        self.payload = payload
        self.size = size


def _header(data: bytes, at: int) -> _Header | None:
    """The header that begins at `at`; None if it is not whole."""
    if len(data) - at < 2:
        return None
    first, second = data[at], data[at + 1]
    length = second & _LENGTH
    extended = {126: 2, 127: 8}.get(length, 0)
    size = 2 + extended + (_MASK_BYTES if second & _MASKED else 0)
    if len(data) - at < size:
        return None
    payload = int.from_bytes(data[at + 2 : at + 2 + extended]) if extended else length
    return _Header(first, second, payload, size)


def text_frames(payload: bytes, frame_bytes: int) -> bytes:
    """A text message as it goes out, in as many frames as its size asks for."""
    if len(payload) <= frame_bytes:
        return _frame(_FINAL | Opcode.TEXT, payload)
    pieces = [payload[at : at + frame_bytes] for at in range(0, len(payload), frame_bytes)]
    frames = []
    for number, piece in enumerate(pieces):
        opcode = Opcode.CONTINUATION if number else Opcode.TEXT
        frames.append(_frame((_FINAL if number == len(pieces) - 1 else 0) | opcode, piece))
    return b"".join(frames)


def pong_frame(payload: bytes) -> bytes:
    """The answer to a ping."""
    return _frame(_FINAL | Opcode.PONG, payload)


def close_frame(code: int, reason: str = "") -> bytes:
    """The last frame. A reason has at most 123 bytes, and ours are shorter."""
    return _frame(_FINAL | Opcode.CLOSE, struct.pack("!H", code) + reason.encode())


def _frame(first: int, payload: bytes) -> bytes:
    length = len(payload)
    if length < 126:
        return struct.pack("!BB", first, length) + payload
    if length < 1 << 16:
        return struct.pack("!BBH", first, 126, length) + payload
    return struct.pack("!BBQ", first, 127, length) + payload
