"""Any HTTP server as target of a workload with a route. All that is known of it is what it answers."""

from typing import TYPE_CHECKING, Any, Literal

from loadtest._authentication import NOTHING, Showing
from loadtest._target import BufferState, Row, TargetError, checked_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from loadtest._target import CallbackReceiver, Monitoring
    from loadtest._workload import Workload
    from pipeline.request import Buffer


class HttpTarget:
    """`url` is the server's, with whatever part of the path comes before the workload's route.

    `showing` is what requests show of themselves, which it does not say.
    """

    kind: Literal["http"] = "http"
    callback_receiver: "CallbackReceiver | None" = None
    monitoring: "Monitoring | None" = None

    def __init__(self, url: str, showing: Showing = NOTHING) -> None:
        self.api_url = checked_url(url)
        self.showing = showing
        self.outputs: Mapping[str, str] = {}
        self.options: Mapping[str, Any] | None = {"host": self.api_url}

    def open(self, workload: "Workload") -> None:
        """Nothing has to be made ready.

        Raises:
            TargetError: the workload is for Forebay's API.
        """
        if workload.route is None:
            raise TargetError("the workload names no route, so that it is for Forebay's API")

    def accepted(self, request_run_id: str, sequence: int, request_id: str) -> None:
        """A server that is only known by its answers gives no ids."""

    def renew(self) -> bool:
        """What stands behind a URL keeps what it holds."""
        return False

    def state(self, buffer: "Buffer | None", request_run_id: str) -> BufferState:  # noqa: ARG002
        """Nothing is known."""
        return BufferState()

    def results(self, way: str, request_run_id: str) -> "Iterator[Row]":  # noqa: ARG002
        """None are known."""
        return iter(())

    def dead_letters(
        self,
        buffer: "Buffer",  # noqa: ARG002
        request_run_id: str,  # noqa: ARG002
        since: "datetime",  # noqa: ARG002
    ) -> "Iterator[Row]":
        """None are known."""
        return iter(())

    def close(self) -> None:
        """Nothing was started."""
