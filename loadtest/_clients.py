"""The clients of a turn: those of producers/, one for all requests of the turn, as its pattern asks for."""

from functools import partial
from typing import TYPE_CHECKING, Final

import gevent

from loadtest._websocket_pool import WebSocketPool, connections_for
from producers.callback import CallbackClient
from producers.http import ApiClient
from producers.polling import PollingClient
from producers.sync import SyncClient
from producers.websocket import WebSocketClient

if TYPE_CHECKING:
    from loadtest._target import Target
    from loadtest._way import Way
    from producers.client import Client

# Kept for the next request once one is answered. More are made when more are needed.
_KEPT_CONNECTIONS: Final = 256
# What is sent to warm a way up is asked for as soon as may be: how long its clients wait between two questions is no
# part of what has to get warm.
_WARMING_INTERVAL_S: Final = 0.2


def told_again_so_far(client: "Client", target: "Target") -> int:
    """How many results were called back or pushed once more."""
    if isinstance(client, WebSocketPool):
        return client.repeated
    if isinstance(client, CallbackClient) and target.callback_receiver is not None:
        return target.callback_receiver.repeated
    return 0


def client_of(way: "Way", target: "Target", requests: int, *, warming: bool = False) -> "Client":
    """The client of a way, for so many requests. `warming` says that what it sends is not measured.

    Raises:
        TargetError: it cannot connect.
    """
    authentication = target.showing.to(target.api_url)
    api = ApiClient(target.api_url, authentication=authentication, connections=_KEPT_CONNECTIONS)
    handler = way.door == "handler"
    if way.pattern == "sync":
        return SyncClient(api)
    assert way.buffer is not None, "only a synchronous request goes through no buffer"
    if way.pattern == "polling":
        interval_s = _WARMING_INTERVAL_S if warming else way.interval_s
        return PollingClient(api, way.buffer, interval_s=interval_s, handler=handler, sleep=gevent.sleep)
    if way.pattern == "callback":
        assert target.callback_receiver is not None, "a target that cannot call back refuses such a workload"
        return CallbackClient(api, target.callback_receiver, way.buffer, handler=handler)
    assert way.pattern == "websocket", f"{way.name} has no clients that wait"
    url = target.outputs["WebSocketUrl"]
    connect = partial(WebSocketClient, url, way.buffer, authentication=authentication)
    return WebSocketPool(connect, connections_for(requests))
