"""Lambda's asynchronous invocation: the queue behind an SNS subscription."""

from collections.abc import Mapping
from random import Random

from delivery.protocol import Capacity, Facts, Invocation, Offer, Outcome, Refusal
from delivery.quotas import Quotas


class AsyncInvoke:
    """A function's queue of events, one event an invocation; keeps `delivery.protocol.Delivery`.

    Args:
        capacity: the function's concurrency.
        random: draws the back-off jitter.
        quotas: event size, waits between retries, throttle back-off.
        maximum_retry_attempts: retries after errors, 0 to 2. Throttles do not use them up.
        maximum_event_age_s: events older than this are given up, 60 to 21,600.
        function_timeout_s: the function's timeout.
        on_failure: whether there is a destination; without one, events given up are lost (`Facts.expired`).
    """

    def __init__(
        self,
        *,
        capacity: Capacity,
        random: Random,
        quotas: Quotas,
        maximum_retry_attempts: int = 2,
        maximum_event_age_s: float = 21_600.0,
        function_timeout_s: float = 3.0,
        on_failure: bool = True,
    ) -> None:
        raise NotImplementedError

    def offer(self, now: float, offer: Offer) -> Mapping[int, Refusal]:
        """Take events in, whatever the concurrency (Lambda answers 202). Refuses those that are TOO_LARGE."""
        raise NotImplementedError

    def poll(self, now: float) -> list[Invocation]:
        """The invocations to start now; each holds a slot until it is settled."""
        raise NotImplementedError

    def settle(self, now: float, invocation: Invocation, outcome: Outcome) -> None:
        """Say how an invocation ended. The slot is released."""
        raise NotImplementedError

    def wake_at(self) -> float:
        """When `poll` could next yield something by time alone."""
        raise NotImplementedError

    def pending(self) -> int:
        """Events accepted and not yet ended."""
        raise NotImplementedError

    def in_flight(self) -> int:
        """Events in the hands of the function."""
        raise NotImplementedError

    def running(self) -> int:
        """Invocations started and not yet settled."""
        raise NotImplementedError

    def oldest_age_s(self, now: float) -> float:
        """Seconds since the oldest pending event arrived."""
        raise NotImplementedError

    def drain(self) -> Facts:
        """The facts since the last call."""
        raise NotImplementedError
