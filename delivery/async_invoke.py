"""Lambda's asynchronous invocation: the queue behind an SNS subscription."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from delivery.backlog import Backlog, Run
from delivery.backoff import Backoff
from delivery.invoker import Invoker
from delivery.ledger import Ledger
from delivery.protocol import Capacity, End, Facts, Invocation, Offer, Ok, Outcome, PartialFailure, Refusal, Throttled
from delivery.quotas import Quotas
from delivery.wheel import Wheel

# How finely the waits of events are told apart. Lambda's own are seconds to minutes.
_SLOT_S = 0.05


@dataclass(slots=True)
class _Event:
    record: int
    arrived_at: float
    errors: int = 0
    throttles: int = 0


class AsyncInvoke:
    """A function's queue of events, one event an invocation; keeps `delivery.protocol.Delivery`.

    Every event is tried when it arrives. One that finds no concurrency sleeps, longer each time, and its place in the
    order is lost: capacity that comes free meanwhile goes to whoever is awake.

    Args:
        capacity: the function's concurrency.
        random: draws the back-off jitter.
        quotas: event size, waits between retries, throttle back-off.
        maximum_retry_attempts: retries after errors, 0 to 2. Throttles do not use them up.
        maximum_event_age_s: events older than this are given up. AWS takes 60 to 21,600, a test run less.
        function_timeout_s: the function's timeout.
        on_failure: whether there is a destination; without one, events given up are lost (`Facts.expired`).

    Raises:
        ValueError: a setting AWS refuses too.
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
        if not 0 <= maximum_retry_attempts <= 2:
            raise ValueError(f"{maximum_retry_attempts} retry attempts; asynchronous invocation takes 0 to 2")
        if not 0 < maximum_event_age_s <= quotas.async_event_age_max_s:
            raise ValueError(
                f"a maximum event age of {maximum_event_age_s} s; it must be more than 0 and at most the quota "
                f"async_event_age_max_s, {quotas.async_event_age_max_s}"
            )
        self._event_bytes = quotas.async_event_bytes
        self._most_retries = maximum_retry_attempts
        self._age_s = maximum_event_age_s
        self._error_waits_s = (quotas.async_first_retry_s, quotas.async_second_retry_s)
        self._throttle_wait = Backoff(
            quotas.async_throttle_first_s, quotas.async_throttle_max_s, random, quotas.async_throttle_jitter
        )
        self._ledger = Ledger(on_failure=on_failure)
        self._invoker: Invoker[_Event] = Invoker(capacity, function_timeout_s, self._ledger)
        self._fresh = Backlog()
        self._asleep: Wheel[_Event] = Wheel(_SLOT_S)

    def offer(self, now: float, offer: Offer) -> Mapping[int, Refusal]:
        """Take events in, whatever the concurrency (Lambda answers 202). Refuses those that are TOO_LARGE."""
        run = Run.of(now, offer)
        fitting, refused = run.split_by_size(self._event_bytes)
        self._ledger.accept(fitting)
        self._fresh.append(fitting)
        return dict.fromkeys(refused, Refusal.TOO_LARGE)

    def poll(self, now: float) -> list[Invocation]:
        """The invocations to start now; each holds a slot until it is settled."""
        events = [event for event in self._asleep.due(now) if not self._given_up_for_age(now, event)]
        if (run := self._fresh.take(now)) is not None:
            self._ledger.facts.received += len(run)
            events.extend(_Event(record, run.time(index)) for index, record in enumerate(run.ids))
        slots = self._invoker.acquire_upto(now, len(events))
        for event in events[len(slots) :]:
            self._sleep_throttled(now, event)
        return [
            self._invoker.start(now, slot, event, (event.record,), attempt=event.errors + 1)
            for slot, event in zip(slots, events, strict=False)
        ]

    def settle(self, now: float, invocation: Invocation, outcome: Outcome) -> None:
        """Say how an invocation ended. The slot is released."""
        event = self._invoker.settle(now, invocation, outcome)
        if isinstance(outcome, Ok | PartialFailure):
            # Nothing reads what an asynchronous invocation returns.
            self._ledger.done((event.record,))
        elif isinstance(outcome, Throttled):
            self._sleep_throttled(now, event)
        elif event.errors >= self._most_retries:
            self._ledger.give_up((event.record,), End.RETRIES_EXHAUSTED)
        else:
            event.errors += 1
            self._sleep(now + self._error_waits_s[event.errors - 1], event)

    def wake_at(self) -> float:
        """When `poll` could next yield something by time alone."""
        return min(self._fresh.head_at(), self._asleep.next_at())

    def pending(self) -> int:
        """Events accepted and not yet ended."""
        return self._ledger.pending

    def in_flight(self) -> int:
        """Events in the hands of the function."""
        return self._invoker.in_flight

    def running(self) -> int:
        """Invocations started and not yet settled."""
        return self._invoker.running

    def oldest_age_s(self, now: float) -> float:
        """Seconds since the oldest pending event arrived."""
        return self._ledger.oldest_age_s(now)

    def drain(self) -> Facts:
        """The facts since the last call."""
        return self._ledger.drain()

    def _given_up_for_age(self, now: float, event: _Event) -> bool:
        if now < event.arrived_at + self._age_s:
            return False
        self._ledger.give_up((event.record,), End.EVENT_AGE)
        return True

    def _sleep_throttled(self, now: float, event: _Event) -> None:
        event.throttles += 1
        self._sleep(now + self._throttle_wait.wait_s(event.throttles), event)

    def _sleep(self, until: float, event: _Event) -> None:
        # An event that grows too old in its sleep is given up then, not when it would have woken.
        self._asleep.put(min(until, event.arrived_at + self._age_s), event)
