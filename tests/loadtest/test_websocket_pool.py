import pytest

from loadtest._target import TargetError
from loadtest._websocket_pool import WebSocketPool, connections_for
from producers.answer import Answer, Ticket
from producers.api_error import ApiError, NoResultError


class Connection:
    """A WebSocketClient without its socket. `numbers` counts them all."""

    def __init__(self, number):
        self.number = number
        self.is_lost, self.is_closed, self.repeated = False, False, 0
        self.sent = 0

    def submit(self, image, measurement=None):
        self.sent += 1
        return Ticket(f"c{self.number}-{self.sent}")

    def wait(self, ticket, timeout_s):
        if self.is_lost:
            raise NoResultError("the connection ended")
        return Answer(ticket.request_id, "SUCCEEDED", (), None)

    def close(self):
        self.is_closed = True


class Network:
    """Opens connections, up to `most`."""

    def __init__(self, most=1_000):
        self.most, self.opened = most, []

    def connect(self):
        if len(self.opened) >= self.most:
            raise ApiError(0, "it cannot be connected to")
        self.opened.append(Connection(len(self.opened)))
        return self.opened[-1]


@pytest.mark.parametrize(("requests", "connections"), [(0, 1), (1, 1), (10, 1), (11, 2), (120, 12), (10**6, 1_000)])
def test_ten_requests_share_a_connection_and_a_thousand_connections_are_the_most(requests, connections):
    assert connections_for(requests) == connections


def test_requests_take_the_connections_in_turn_and_wait_where_they_were_sent():
    network = Network()
    pool = WebSocketPool(network.connect, 3)

    tickets = [pool.submit(b"image") for _ in range(7)]

    assert [connection.sent for connection in network.opened] == [3, 2, 2]
    assert [pool.wait(ticket).request_id for ticket in reversed(tickets)] == [
        ticket.request_id for ticket in reversed(tickets)
    ]
    assert pool.opened == 3


def test_a_lost_connection_is_opened_anew_for_the_next_and_its_own_are_told():
    network = Network()
    pool = WebSocketPool(network.connect, 2)
    first = pool.submit(b"image")
    network.opened[0].is_lost = True
    network.opened[0].repeated = 2
    pool.submit(b"image")

    assert pool.submit(b"image").request_id == "c2-1"

    assert (pool.opened, pool.repeated) == (3, 2)
    with pytest.raises(NoResultError):
        pool.wait(first)


def test_what_cannot_be_opened_anew_is_a_request_without_an_answer():
    network = Network(most=1)
    pool = WebSocketPool(network.connect, 1)
    network.opened[0].is_lost = True

    with pytest.raises(ApiError, match="cannot be connected to"):
        pool.submit(b"image")


def test_connections_that_cannot_be_had_stop_the_turn_and_leave_none_open():
    network = Network(most=2)

    with pytest.raises(TargetError, match="cannot be connected to"):
        WebSocketPool(network.connect, 3)

    assert [connection.is_closed for connection in network.opened] == [True, True]


def test_closing_closes_every_connection_lost_ones_too():
    network = Network()
    pool = WebSocketPool(network.connect, 2)
    network.opened[0].is_lost = True
    pool.submit(b"image")

    pool.close()

    assert len(network.opened) == 3
    assert all(connection.is_closed for connection in network.opened)
