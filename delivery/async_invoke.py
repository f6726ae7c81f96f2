"""Lambda's asynchronous invocation: the queue behind an SNS subscription."""

import math
from collections.abc import Mapping
from random import Random

import numpy as np
import numpy.typing as npt

from delivery.backlog import Run
from delivery.backoff import Backoff
from delivery.dice import Dice
from delivery.event_table import EventTable
from delivery.invoker import Invoker
from delivery.ledger import Ledger
from delivery.protocol import (
    Capacity,
    End,
    Facts,
    Invocation,
    Offer,
    Ok,
    Outcome,
    PartialFailure,
    Refusal,
    Slot,
    Throttled,
)
from delivery.quotas import Quotas
from delivery.token_bucket import TokenBucket
from delivery.wheel import Wheel

Numbers = npt.NDArray[np.int64]

# How finely the waits of events are told apart. Lambda's own are seconds to minutes.
SLOT_S = 0.05
_NONE: Numbers = np.empty(0, np.int64)
# What the second invocation of a doubled delivery is for: no event of its own.
_DOUBLE = -1
_RETURNED = (Ok, PartialFailure)


class AsyncInvoke:
    """A function's queue of events, one event an invocation; keeps `delivery.protocol.Delivery`.

    Every event is tried when it arrives. One that finds no concurrency sleeps, longer each time, and its place in the
    order is lost: capacity that comes free meanwhile goes to whoever is awake.

    The queue is eventually consistent: with the quota `async_duplicate_share` a delivery is doubled, and the function
    gets the event twice at once. The double is an invocation like others, but the event's own is what counts: what
    becomes of the double ends nothing, is not retried, and one that finds no concurrency is not tried again.
    `Facts.duplicates` counts them.

    Arrivals told in advance (`Offer.times`) that come while all concurrency is in use need no poll of their own: the
    next poll refuses them as of their times, and counts them then. That may be later by the least back-off, half a
    second. Whoever tells them must poll after every release of that concurrency, whoever released it.

    Args:
        capacity: the function's concurrency.
        random: seeds the back-off jitter and the duplicates; drawn on when the queue is made, not later.
        quotas: event size, waits between retries, throttle back-off, how fast the queue is read and what is doubled.
        maximum_retry_attempts: retries after errors, 0 to 2. Throttles do not use them up.
        maximum_event_age_s: events older than this are given up. AWS takes 60 to 21,600, a test run less.
        function_timeout_s: the function's timeout.
        on_failure: whether there is an on-failure destination or a dead-letter queue. They differ in what they get
            (the driver's to write: the event with its circumstances, or the event alone), not in when; `End` is the
            destination's `condition`. Without either, events given up are lost (`Facts.expired`).

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
        if quotas.async_duplicate_share > 1:
            raise ValueError(
                f"the quota async_duplicate_share is {quotas.async_duplicate_share}; it is a share, 0 to 1"
            )
        self._event_bytes = quotas.async_event_bytes
        self._most_retries = maximum_retry_attempts
        self._age_s = maximum_event_age_s
        self._error_waits_s = (quotas.async_first_retry_s, quotas.async_second_retry_s)
        self._least_error_wait_s = min(self._error_waits_s)
        self._throttle_wait = Backoff(
            quotas.async_throttle_first_s, quotas.async_throttle_max_s, random, quotas.async_throttle_jitter
        )
        self._least_wait_s = min(self._throttle_wait.least_s, maximum_event_age_s)
        self._jitter = Dice(random)
        self._doubling = Dice(random)
        self._doubled = quotas.async_duplicate_share
        self._reads = _reads(quotas)
        self._ledger = Ledger(on_failure=on_failure)
        self._capacity = capacity
        self._in_advance = False
        self._invoker: Invoker[int] = Invoker(capacity, function_timeout_s, self._ledger)
        self._events = EventTable()
        self._asleep = Wheel(SLOT_S)
        # Due, but the queue is not read so fast.
        self._unread = _NONE
        # Refused, but how long they sleep is not drawn yet: that is done in bulk, before the first could wake or is
        # too old.
        self._refused: list[tuple[float, Numbers]] = []
        self._refused_arrivals: list[int] = []
        self._refused_arrivals_at: list[float] = []
        self._draw_at = math.inf

    def offer(self, now: float, offer: Offer) -> Mapping[int, Refusal]:
        """Take events in, whatever the concurrency (Lambda answers 202). Refuses those that are TOO_LARGE."""
        run = Run.of(now, offer)
        fitting, refused = run.split_by_size(self._event_bytes)
        self._events.add(fitting)
        # A slowly read queue is read at times of its own.
        self._in_advance |= offer.times is not None and self._reads is None
        self._ledger.accept(fitting)
        return dict.fromkeys(refused, Refusal.TOO_LARGE)

    def poll(self, now: float) -> list[Invocation]:
        """The invocations to start now; each holds a slot until it is settled."""
        if self.wake_at() > now:
            return []
        woken, arrived = self._read(now)
        wanted = len(woken) + len(arrived)
        if not wanted:
            return []
        slots = self._invoker.acquire_upto(now, wanted)
        if not slots:
            self._sleep_refused(now, woken, arrived)
            return []
        if len(slots) < wanted:
            of_woken = min(len(slots), len(woken))
            of_arrived = len(slots) - of_woken
            self._sleep_refused(now, woken[of_woken:], arrived[of_arrived:])
            woken, arrived = woken[:of_woken], arrived[:of_arrived]
        return self._start(now, slots, woken, arrived)

    def settle(self, now: float, invocation: Invocation, outcome: Outcome) -> None:
        """Say how an invocation ended. The slot is released."""
        number = self._invoker.settle(now, invocation, outcome)
        if number == _DOUBLE:
            return
        if isinstance(outcome, _RETURNED):
            # Nothing reads what an asynchronous invocation returns.
            self._ledger.done(invocation.ids)
            self._events.end(number)
        elif isinstance(outcome, Throttled):
            self._sleep_refused(now, _NONE, range(number, number + 1))
        elif (errors := self._events.add_error(number)) > self._most_retries:
            self._ledger.give_up(invocation.ids, End.RETRIES_EXHAUSTED)
            self._events.end(number)
        else:
            at = now + self._error_waits_s[errors - 1]
            # An event that grows too old in its sleep is given up then, not when it would have woken.
            self._asleep.put_one(min(at, self._events.arrived_at_one(number) + self._age_s), number)

    def wake_at(self) -> float:
        """When `poll` could next yield something by time alone."""
        at, wakes_at = self._events.next_at, self._asleep.next_at
        if self._in_advance and at < math.inf and self._capacity.exhausted():
            at += self._least_wait_s
        at = wakes_at if wakes_at < at else at
        at = self._draw_at if self._draw_at < at else at
        if self._reads is not None and len(self._unread):
            return min(at, self._reads.ready_at(1))
        return at

    def starts_at(self, now: float) -> float:
        """Up to when `poll` yields nothing even if invocations are settled from now on."""
        if self._reads is not None:
            return -math.inf
        at, wakes_at = self._events.next_at, self._asleep.next_at
        at = wakes_at if wakes_at < at else at
        at = self._draw_at if self._draw_at < at else at
        return min(at, now + self._least_error_wait_s)

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

    def _read(self, now: float) -> tuple[Numbers, range]:
        """The events to be tried now: those that wake, then those that arrive. The too old are given up."""
        if self._in_advance and self._events.next_at < now:
            self._refuse_arrivals_before(now)
        if self._draw_at <= now:
            self._draw_waits()
        woken = self._asleep.due(now)
        arrived = self._events.take_arrived(now)
        self._ledger.facts.received += len(arrived)
        if self._reads is not None:
            waiting = np.concatenate((self._unread, woken, np.arange(arrived.start, arrived.stop)))
            read = self._reads.take_upto(now, len(waiting))
            woken, arrived, self._unread = waiting[:read], range(0), waiting[read:]
        if len(woken) and self._events.oldest_at() + self._age_s <= now:
            too_old = self._events.arrived_at(woken) + self._age_s <= now
            if too_old.any():
                self._ledger.give_up(self._events.records(woken[too_old]), End.EVENT_AGE)
                self._events.end_all(woken[too_old])
                woken = woken[~too_old]
        return woken, arrived

    def _refuse_arrivals_before(self, now: float) -> None:
        """Nobody polled when they arrived: there was no concurrency then, or `wake_at` would have asked for it."""
        arrived = self._events.take_arrived(math.nextafter(now, -math.inf))
        times = self._events.arrived_at_all(arrived)
        self._ledger.facts.received += len(arrived)
        self._ledger.facts.throttled += len(arrived)
        self._draw_at = min(self._draw_at, times[0] + self._least_wait_s)
        self._refused_arrivals.extend(arrived)
        self._refused_arrivals_at.extend(times)

    def _start(self, now: float, slots: list[Slot], woken: Numbers, arrived: range) -> list[Invocation]:
        numbers, records, attempts = list(arrived), self._events.records_of(arrived), [1] * len(arrived)
        if len(woken):
            numbers = woken.tolist() + numbers
            records = self._events.records(woken) + records
            attempts = (self._events.errors(woken) + 1).tolist() + attempts
        start = self._invoker.start
        invocations = [
            start(now, slot, number, (record,), attempt=attempt)
            for slot, number, record, attempt in zip(slots, numbers, records, attempts, strict=True)
        ]
        return invocations + self._double(now, np.array(numbers)) if self._doubled else invocations

    def _double(self, now: float, started: Numbers) -> list[Invocation]:
        tries = self._events.throttles(started) + self._events.errors(started)
        chosen = started[self._doubling.roll(started, tries) < self._doubled]
        slots = self._invoker.acquire_upto(now, len(chosen))
        self._ledger.facts.received += len(slots)
        self._ledger.facts.duplicates += len(slots)
        doubles = zip(slots, self._events.records(chosen), (self._events.errors(chosen) + 1).tolist(), strict=False)
        return [
            self._invoker.start(now, slot, _DOUBLE, (record,), attempt=attempt) for slot, record, attempt in doubles
        ]

    def _sleep_refused(self, now: float, woken: Numbers, arrived: range) -> None:
        self._draw_at = min(self._draw_at, now + self._least_wait_s)
        # An event's last moments are shorter than the least wait.
        if self._events.oldest_at() + self._age_s < self._draw_at:
            numbers = np.concatenate((woken, np.arange(arrived.start, arrived.stop)))
            self._draw_at = min(self._draw_at, float(self._events.arrived_at(numbers).min()) + self._age_s)
        if len(woken):
            self._refused.append((now, woken))
        if arrived:
            self._refused_arrivals.extend(arrived)
            self._refused_arrivals_at.extend([now] * len(arrived))

    def _draw_waits(self) -> None:
        numbers = np.concatenate([np.array(self._refused_arrivals, np.int64), *(woken for _, woken in self._refused)])
        since = np.concatenate(
            [np.array(self._refused_arrivals_at), *(np.full(len(woken), at) for at, woken in self._refused)]
        )
        self._refused, self._refused_arrivals, self._refused_arrivals_at = [], [], []
        self._draw_at = math.inf
        throttles = self._events.add_throttle(numbers)
        until = since + self._throttle_wait.waits_s(throttles, self._jitter.roll(numbers, throttles))
        self._asleep.put(np.minimum(until, self._events.arrived_at(numbers) + self._age_s), numbers)


def _reads(quotas: Quotas) -> TokenBucket | None:
    """How fast the queue is read. A second's worth may come at once."""
    rate = quotas.async_reads_per_s
    return TokenBucket(rate, max(1.0, rate)) if rate else None
