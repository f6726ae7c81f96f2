"""Lambda's synchronous invocation: admitted now, or refused now."""

import math
from collections.abc import Mapping

from delivery.admission import sift, sizes_within
from delivery.backlog import Run
from delivery.environments import Environments
from delivery.invocation_rate import InvocationRate
from delivery.invoker import Invoker
from delivery.ledger import Ledger
from delivery.protocol import End, Facts, Invocation, Offer, Ok, Outcome, PartialFailure, Refusal, Throttled
from delivery.quotas import Quotas


class SyncInvoke:
    """A function called by clients that wait for its answer; keeps `delivery.protocol.Delivery`.

    Nothing queues and nothing is retried here: a request is let in when it is offered, or answered 429 with the reason
    (or 413 if it is too large), and what the function raises is its client's. So a request that failed ends as
    `Facts.expired`: it is gone, and whoever sent it was told. CallerRateLimitExceeded is not among the reasons: that
    limit is not published.

    Args:
        capacity: the function's concurrency.
        quotas: payload and rate.
        function_timeout_s: the function's timeout.
        rate: the function's requests per second, if it has other clients than this one's; None for its own.
    """

    def __init__(
        self,
        *,
        capacity: Environments,
        quotas: Quotas,
        function_timeout_s: float = 3.0,
        rate: InvocationRate | None = None,
    ) -> None:
        self._capacity = capacity
        self._reserved = capacity.reserved
        self._rate = rate or InvocationRate(capacity.most, quotas)
        self._payload_bytes = quotas.event_bytes
        self._ledger = Ledger(on_failure=False)
        self._invoker: Invoker[int] = Invoker(capacity, function_timeout_s, self._ledger)
        self._admitted: list[Invocation] = []

    def offer(self, now: float, offer: Offer) -> Mapping[int, Refusal]:
        """Call the function, once for each request; `poll` has the invocations of those not refused.

        Raises:
            ValueError: requests still to come: they will be let in or not by what there is then; or the offer's
                lists differ in length.
        """
        if offer.times is not None:
            raise ValueError("a synchronous request is answered when it comes: offer it then, without times")
        run = Run.of(now, offer)
        fitting, too_large = sift(offer, sizes_within(offer, self._payload_bytes))
        refused = dict.fromkeys(too_large, Refusal.TOO_LARGE)
        # A function stopped by a reservation of 0 lacks concurrency, not rate.
        within_rate = self._rate.room(now, len(fitting.ids)) if self._capacity.most else len(fitting.ids)
        slots = self._invoker.acquire_upto(now, within_rate)
        self._rate.take(now, len(slots))
        self._ledger.facts.throttled += len(fitting.ids) - within_rate
        self._ledger.facts.received += len(slots)
        admitted = fitting.ids[: len(slots)]
        self._ledger.accept(Run(admitted, run.sizes if isinstance(run.sizes, int) else 0, now))
        self._admitted += [
            self._invoker.start(now, slot, record, (record,), attempt=1)
            for slot, record in zip(slots, admitted, strict=True)
        ]
        if len(slots) < within_rate:
            refused.update(dict.fromkeys(fitting.ids[len(slots) : within_rate], self._capacity.refusal()))
        over_rate = Refusal.RESERVED_INVOCATION_RATE if self._reserved else Refusal.INVOCATION_RATE
        refused.update(dict.fromkeys(fitting.ids[within_rate:], over_rate))
        return refused

    def poll(self, now: float) -> list[Invocation]:  # noqa: ARG002 (the protocol's; they started when offered)
        """The invocations of the requests let in since the last poll; each holds a slot until it is settled."""
        admitted, self._admitted = self._admitted, []
        return admitted

    def settle(self, now: float, invocation: Invocation, outcome: Outcome) -> None:
        """Say how an invocation ended: that is its client's answer. The slot is released."""
        request = self._invoker.settle(now, invocation, outcome)
        if isinstance(outcome, Ok | PartialFailure):
            # What the function returned is for its client to read.
            self._ledger.done((request,))
        else:
            self._ledger.expire((request,), End.THROTTLED if isinstance(outcome, Throttled) else End.FUNCTION_ERROR)

    def wake_at(self) -> float:
        """When `poll` could next yield something: at once if requests were let in since the last."""
        return self._admitted[0].start if self._admitted else math.inf

    def starts_at(self, now: float) -> float:  # noqa: ARG002 (the protocol's)
        """Up to when `poll` yields nothing: a settle may bring something at once."""
        return -math.inf

    def pending(self) -> int:
        """Requests let in and not answered."""
        return self._ledger.pending

    def in_flight(self) -> int:
        """The same: none waits."""
        return self._invoker.in_flight

    def running(self) -> int:
        """Invocations started and not yet settled."""
        return self._invoker.running

    def oldest_age_s(self, now: float) -> float:
        """Seconds since the oldest request that waits for its answer was let in."""
        return self._ledger.oldest_age_s(now)

    def drain(self) -> Facts:
        """The facts since the last call."""
        return self._ledger.drain()
