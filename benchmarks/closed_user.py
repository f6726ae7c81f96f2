"""What Locust runs for the closed model: its own FastHttpUser, paced by `constant_throughput`, as its manual has it.

Writes a JSON list of [start in seconds since the epoch, milliseconds until the answer] of every request.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
from locust import FastHttpUser, constant_throughput, events, task

if TYPE_CHECKING:
    from locust.argument_parser import LocustArgumentParser
    from locust.env import Environment

_requests: list[tuple[float, float]] = []


@events.init_command_line_parser.add_listener
def add_arguments(parser: "LocustArgumentParser") -> None:
    """Where to, and where to write."""
    parser.add_argument("--path", default="/orders", help="the path to POST to")
    parser.add_argument("--each", type=float, default=10.0, help="requests a second that each user aims at")
    parser.add_argument("--body-from", default="", help="the file whose bytes are each request's body")
    parser.add_argument("--written-to", default="closed.json", help="the file of latencies")


@events.init.add_listener
def prepare(environment: "Environment", **_: Any) -> None:
    """Let --run-time count from now: Locust's start takes longer than gevent's clock knows."""
    gevent.get_hub().loop.update_now()
    assert environment.parsed_options is not None
    if environment.parsed_options.body_from:
        ClosedUser.body = Path(environment.parsed_options.body_from).read_text(encoding="utf-8")


@events.request.add_listener
def keep(start_time: float, response_time: float, **_: Any) -> None:
    """Keep one request."""
    _requests.append((start_time, response_time))


@events.quitting.add_listener
def write(environment: "Environment", **_: Any) -> None:
    """Write all of them."""
    assert environment.parsed_options is not None
    Path(environment.parsed_options.written_to).write_text(json.dumps(_requests), encoding="utf-8")


class ClosedUser(FastHttpUser):
    """Sends, waits for the answer, and only then thinks of the next."""

    body = '{"image": {}}'

    def wait_time(self) -> float:
        """Until the next request is due by this user's own rate."""
        pause: float = constant_throughput(self.environment.parsed_options.each)(self)
        return pause

    @task
    def post(self) -> None:
        """One request."""
        self.client.post(self.environment.parsed_options.path, data=self.body)
