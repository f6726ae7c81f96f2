from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.websocket.frames import CloseCode, FrameGuard, close_frame, pong_frame, text_frames
from tests.websocket.raw_client import BINARY, CLOSE, CONTINUATION, PING, TEXT, frame

FRAME_BYTES, MESSAGE_BYTES = 300, 1000


@dataclass
class Reader:
    """Takes everything."""

    taken: bytes = b""
    ended: bool = False

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.taken += data
        return False, b""

    def feed_eof(self) -> None:
        self.ended = True


@dataclass
class Guarded:
    """A guard with what it passed on and what it refused."""

    reader: Reader = field(default_factory=Reader)
    refused: list[CloseCode] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.guard = FrameGuard(
            self.reader,
            lambda code, _: self.refused.append(code),
            frame_bytes=FRAME_BYTES,
            message_bytes=MESSAGE_BYTES,
        )


def fragments(*sizes: int) -> list[bytes]:
    """A text message in frames of these sizes."""
    return [
        frame(CONTINUATION if number else TEXT, b"x" * size, final=number == len(sizes) - 1)
        for number, size in enumerate(sizes)
    ]


@pytest.mark.parametrize(
    ("sent", "refused", "why"),
    [
        ([frame(TEXT, b"x" * 300)], None, "a frame as large as they may be"),
        ([frame(TEXT, b"x" * 301)], CloseCode.MESSAGE_TOO_BIG, "a byte more"),
        (fragments(300, 300, 300, 100), None, "a message as large as they may be"),
        (fragments(300, 300, 300, 101), CloseCode.MESSAGE_TOO_BIG, "a byte more"),
        (fragments(300, 0, 301), CloseCode.MESSAGE_TOO_BIG, "a later frame is as large as the first may be"),
        (fragments(300, 300, 300) * 3, None, "each message counts for itself"),
        ([frame(TEXT, b"x" * 300, final=False), frame(PING, b"y" * 125), frame(CONTINUATION)], None, "a ping between"),
        ([frame(TEXT, b"x" * 70_000)], CloseCode.MESSAGE_TOO_BIG, "a length of eight bytes"),
        ([frame(BINARY, b"x")], CloseCode.UNSUPPORTED_DATA, "API Gateway takes no binary frames"),
        ([frame(TEXT, b"x", masked=False)], CloseCode.PROTOCOL_ERROR, "RFC 6455, 5.1: a client masks"),
        ([frame(PING, masked=False)], CloseCode.PROTOCOL_ERROR, "its control frames too"),
        ([frame(TEXT, b"")], None, "an empty message"),
    ],
)
def test_a_frame_is_judged_by_its_header(sent: list[bytes], refused: CloseCode | None, why: str) -> None:
    guarded = Guarded()
    guarded.guard.feed_data(b"".join(sent))
    assert guarded.refused == ([] if refused is None else [refused]), why
    if refused is None:
        assert guarded.reader.taken == b"".join(sent)


def test_a_frame_is_refused_before_its_payload_is_there() -> None:
    guarded = Guarded()
    guarded.guard.feed_data(frame(TEXT, b"x" * (1 << 20))[:14])
    assert (guarded.refused, guarded.reader.taken) == ([CloseCode.MESSAGE_TOO_BIG], b"")


def test_after_a_refusal_nothing_passes_but_the_clients_close_frame() -> None:
    guarded = Guarded()
    before, close = frame(TEXT, b"before"), frame(CLOSE, b"\x03\xf1")
    guarded.guard.feed_data(
        before + frame(TEXT, b"x" * 5_000) + frame(TEXT, b"after") + frame(BINARY, b"z") + frame(PING) + close
    )
    assert guarded.refused == [CloseCode.MESSAGE_TOO_BIG]
    assert guarded.reader.taken == before + close
    guarded.guard.feed_eof()
    assert guarded.reader.ended


SIZES = st.lists(st.sampled_from([0, 1, 125, 126, 299, 300, 301, 66_000]), min_size=1, max_size=6)
CUTS = st.lists(st.integers(1, 400), max_size=30)


@given(sizes=SIZES, cuts=CUTS)
def test_how_the_bytes_come_in_changes_nothing(sizes: list[int], cuts: list[int]) -> None:
    sent = b"".join(frame(TEXT, b"x" * size) for size in sizes) + frame(CLOSE, b"\x03\xe8")
    whole, pieces = Guarded(), Guarded()
    whole.guard.feed_data(sent)
    rest = sent
    for cut in cuts:
        pieces.guard.feed_data(rest[:cut])
        rest = rest[cut:]
    pieces.guard.feed_data(rest)
    assert pieces.reader.taken == whole.reader.taken
    assert pieces.refused == whole.refused == ([CloseCode.MESSAGE_TOO_BIG] if max(sizes) > FRAME_BYTES else [])


@pytest.mark.parametrize(
    ("size", "frame_bytes", "expected"),
    [
        (0, 100, [(TEXT, True, 0)]),
        (100, 100, [(TEXT, True, 100)]),
        (101, 100, [(TEXT, False, 100), (CONTINUATION, True, 1)]),
        (300, 100, [(TEXT, False, 100), (CONTINUATION, False, 100), (CONTINUATION, True, 100)]),
        (125, 70_000, [(TEXT, True, 125)]),
        (126, 70_000, [(TEXT, True, 126)]),
        (65_535, 70_000, [(TEXT, True, 65_535)]),
        (65_536, 70_000, [(TEXT, True, 65_536)]),
    ],
)
def test_what_goes_out_is_cut_into_frames(size: int, frame_bytes: int, expected: list[tuple[int, bool, int]]) -> None:
    payload = bytes(range(256)) * (size // 256 + 1)
    found = list(read(text_frames(payload[:size], frame_bytes)))
    assert [(opcode, final, len(data)) for opcode, final, data in found] == expected
    assert b"".join(data for _, _, data in found) == payload[:size]


def test_control_frames_are_whole_ones() -> None:
    assert list(read(pong_frame(b"hello"))) == [(0xA, True, b"hello")]
    assert list(read(close_frame(1001, "Going away"))) == [(CLOSE, True, b"\x03\xe9Going away")]


def read(data: bytes) -> "list[tuple[int, bool, bytes]]":
    """The frames in what a server sent."""
    frames = []
    while data:
        first, length, head = data[0], data[1], 2
        extended = {126: 2, 127: 8}.get(length, 0)
        if extended:
            length, head = int.from_bytes(data[2 : 2 + extended]), 2 + extended
        frames.append((first & 0xF, bool(first & 0x80), data[head : head + length]))
        data = data[head + length :]
    return frames
