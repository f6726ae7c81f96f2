"""A connection over a transport whose buffer a test fills and empties by hand."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from delivery.quotas import Quotas
from local.websocket.connection import BufferFullError, Connection, Ending, GoneError, Identity
from local.websocket.frames import CloseCode

STARTED_AT = 1_700_000_000.0
QUOTAS = Quotas.with_overrides({"websocket_send_buffer_bytes": 1_000, "websocket_stuck_s": 30})


@dataclass
class Transport:
    """Keeps what is written until the client takes it."""

    waiting: int = 0
    written: list[bytes] = field(default_factory=list)
    aborted: bool = False
    closed: bool = False

    def write(self, data: bytes) -> None:
        self.written.append(data)
        self.waiting += len(data)

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def is_closing(self) -> bool:
        return self.aborted or self.closed

    def abort(self) -> None:
        self.aborted = True

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def transport() -> Transport:
    return Transport()


@pytest.fixture
def connection(transport: Transport) -> Connection:
    connection = Connection("id=", Identity("127.0.0.1", None), STARTED_AT, QUOTAS)
    as_uvloops: Any = transport
    connection.open(as_uvloops)
    return connection


def test_nothing_is_sent_before_the_handshake_is_over() -> None:
    connection = Connection("id=", Identity("127.0.0.1", None), STARTED_AT, QUOTAS)
    assert not connection.is_open
    with pytest.raises(GoneError):
        connection.send(b"x", STARTED_AT)


def test_a_client_may_lag_as_far_behind_as_the_buffer_is_large(connection: Connection, transport: Transport) -> None:
    connection.send(b"x" * 400, STARTED_AT)
    connection.send(b"x" * 400, STARTED_AT)
    with pytest.raises(BufferFullError):
        connection.send(b"x" * 400, STARTED_AT)
    transport.waiting = 600
    connection.send(b"x" * 400, STARTED_AT)


def test_a_message_larger_than_the_buffer_goes_to_a_client_that_keeps_up(
    connection: Connection, transport: Transport
) -> None:
    connection.send(b"x" * 5_000, STARTED_AT)
    with pytest.raises(BufferFullError):
        connection.send(b"x", STARTED_AT)


def test_a_client_that_takes_nothing_is_cut_off(connection: Connection, transport: Transport) -> None:
    connection.send(b"x" * 400, STARTED_AT + 100)
    connection.expire(STARTED_AT + 110)
    connection.expire(STARTED_AT + 129.9)
    assert not transport.aborted
    connection.expire(STARTED_AT + 130)
    assert transport.aborted
    assert connection.ending == Ending(CloseCode.ABNORMAL, "")


def test_a_client_that_takes_a_byte_now_and_then_is_not(connection: Connection, transport: Transport) -> None:
    connection.send(b"x" * 400, STARTED_AT)
    for second in range(1, 500, 20):
        transport.waiting -= 1
        connection.expire(STARTED_AT + second)
        assert connection.is_open


def test_what_is_sent_meanwhile_does_not_make_a_stuck_client_a_live_one(
    connection: Connection, transport: Transport
) -> None:
    connection.send(b"x" * 100, STARTED_AT)
    connection.expire(STARTED_AT + 1)
    connection.send(b"x" * 100, STARTED_AT + 20)
    connection.expire(STARTED_AT + 31)
    assert transport.aborted


def test_a_client_with_nothing_to_take_is_never_stuck(connection: Connection, transport: Transport) -> None:
    connection.send(b"x" * 100, STARTED_AT)
    transport.waiting = 0
    for second in range(0, 590, 10):
        connection.expire(STARTED_AT + second)
        assert connection.is_open


async def test_only_the_first_reason_of_an_end_counts(connection: Connection, transport: Transport) -> None:
    connection.close(CloseCode.GOING_AWAY, "Going away")
    connection.close(CloseCode.NORMAL, "Connection Closed Normally")
    connection.closed_by_client(1000, "bye")
    connection.cut_off()
    assert connection.ending == Ending(CloseCode.GOING_AWAY, "Going away")
    assert len(transport.written) == 1
    with pytest.raises(GoneError):
        connection.send(b"x", STARTED_AT)
    connection.release()
