from types import SimpleNamespace

import pytest

from loadtest import _clients
from loadtest._authentication import NOTHING
from loadtest._clients import client_of, told_again_so_far
from loadtest._way import of_patterns
from producers.authentication import Authentication
from producers.callback import CallbackClient
from producers.polling import PollingClient
from producers.sync import SyncClient

RECEIVER = SimpleNamespace(url="https://receiver.test/", repeated=3, wait=lambda *_: None)
TARGET = SimpleNamespace(
    api_url="http://127.0.0.1:1/live",
    outputs={"WebSocketUrl": "ws://127.0.0.1:2/live"},
    callback_receiver=RECEIVER,
    showing=NOTHING,
)


def ways(*patterns):
    return {way.name: way for way in of_patterns(patterns, "kinesis", ["proxy", "handler"])}


@pytest.mark.parametrize(
    ("pattern", "name", "kind", "held"),
    [
        ("sync", "sync", SyncClient, {}),
        ("polling-0.25s", "polling-0.25s", PollingClient, {"interval_s": 0.25, "handler": False, "buffer": "kinesis"}),
        ("polling-5s", "polling-5s-handler", PollingClient, {"interval_s": 5.0, "handler": True}),
        ("polling", "polling", PollingClient, {"interval_s": None}),
        ("callback", "callback", CallbackClient, {"receiver": RECEIVER, "handler": False, "buffer": "kinesis"}),
        ("callback", "callback-handler", CallbackClient, {"receiver": RECEIVER, "handler": True}),
    ],
)
def test_a_way_has_the_client_of_its_pattern_at_its_door(pattern, name, kind, held):
    client = client_of(ways(pattern)[name], TARGET, 100)

    assert type(client) is kind
    assert {key: getattr(client, f"_{key}") for key in held} == held


def test_what_warms_a_polled_way_up_does_not_wait_for_its_interval():
    assert client_of(ways("polling-5s")["polling-5s"], TARGET, 100, warming=True)._interval_s == 0.2


def test_the_connections_of_websockets_are_opened_before_the_turn(monkeypatch):
    opened = []

    class Connection:
        repeated, is_lost = 2, False

        def __init__(self, url, buffer, *, authentication):
            opened.append((url, buffer, authentication))

        def close(self):
            opened.pop()

    monkeypatch.setattr(_clients, "WebSocketClient", Connection)

    with client_of(ways("websocket")["websocket"], TARGET, 35) as client:
        assert opened == [("ws://127.0.0.1:2/live", "kinesis", Authentication())] * 4
        assert told_again_so_far(client, TARGET) == 8

    assert opened == []


def test_what_was_told_again_is_counted_where_clients_are_told():
    assert told_again_so_far(client_of(ways("callback")["callback"], TARGET, 1), TARGET) == 3
    assert told_again_so_far(client_of(ways("sync")["sync"], TARGET, 1), TARGET) == 0
