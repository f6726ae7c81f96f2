"""An SQS event source mapping of a standard queue."""

from collections.abc import Mapping
from random import Random

from delivery.protocol import Capacity, Facts, Invocation, Offer, Outcome, Refusal
from delivery.quotas import Quotas
from delivery.sqs_queue import SqsQueue


class SqsMapping:
    """Pollers that receive messages and invoke the function; keeps `delivery.protocol.Delivery`.

    Args:
        queue: the queue it polls; `offer` is the queue's. Its facts are drained through the mapping.
        capacity: the function's concurrency.
        random: decides which waiting poller a message goes to, and the back-off jitter.
        quotas: pollers, event size, back-off.
        batch_size: most messages of one invocation, 1 to 10,000; above 10 a window is needed.
        batching_window_s: how long a poller gathers a batch, 0 to 300. Under low traffic it may wait up to 20 s.
        maximum_concurrency: MaximumConcurrency, 2 to 1,000; pollers stop receiving there.
        report_batch_item_failures: whether the function's list of failed messages is heeded.
        function_timeout_s: the function's timeout; AWS refuses one above the queue's visibility timeout.
    """

    def __init__(
        self,
        queue: SqsQueue,
        *,
        capacity: Capacity,
        random: Random,
        quotas: Quotas,
        batch_size: int = 10,
        batching_window_s: float = 0.0,
        maximum_concurrency: int | None = None,
        report_batch_item_failures: bool = False,
        function_timeout_s: float = 3.0,
    ) -> None:
        raise NotImplementedError

    def offer(self, now: float, offer: Offer) -> Mapping[int, Refusal]:
        """Send messages to the queue."""
        raise NotImplementedError

    def poll(self, now: float) -> list[Invocation]:
        """The invocations to start now; each holds a slot until it is settled."""
        raise NotImplementedError

    def settle(self, now: float, invocation: Invocation, outcome: Outcome) -> None:
        """Say how an invocation ended. The slot is released."""
        raise NotImplementedError

    def receive_count(self, invocation: Invocation, message: int) -> int:
        """How often a message of a running invocation was received, this time counted."""
        raise NotImplementedError

    def wake_at(self) -> float:
        """When `poll` could next yield something by time alone."""
        raise NotImplementedError

    def pending(self) -> int:
        """Messages accepted and not yet ended."""
        raise NotImplementedError

    def in_flight(self) -> int:
        """Messages in the hands of the function."""
        raise NotImplementedError

    def running(self) -> int:
        """Invocations started and not yet settled."""
        raise NotImplementedError

    def pollers(self) -> int:
        """Batches the mapping may hold at once right now."""
        raise NotImplementedError

    def oldest_age_s(self, now: float) -> float:
        """Seconds since the oldest message still in the queue was sent."""
        raise NotImplementedError

    def drain(self) -> Facts:
        """The facts since the last call, the queue's among them."""
        raise NotImplementedError
