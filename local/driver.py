"""The driver: gives a delivery machine the real clock, and turns its invocations into calls of a function."""

import asyncio
import logging
import math
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Final, Protocol

from delivery.protocol import Delivery, Error, Facts, Invocation, Offer
from local.clock import Clock
from local.event_source import EventSource
from local.function import Function

_LOG = logging.getLogger(__name__)
# A machine may ask to be woken a rounding error too early.
_SHORTEST_WAIT_S: Final = 0.001


class Machine(Delivery, Protocol):
    """A delivery machine that also tells how it stands."""

    def in_flight(self) -> int:
        """Records in the hands of the function."""

    def running(self) -> int:
        """Invocations started and not yet settled."""

    def oldest_age_s(self, now: float) -> float:
        """Seconds since the oldest record still here arrived."""


@dataclass(slots=True)
class Counts:
    """What has happened since the start. `dropped` are user records, lost inside of records that were delivered."""

    accepted: int = 0
    completed: int = 0
    dead_lettered: int = 0
    expired: int = 0
    throttles: int = 0
    cold_starts: int = 0
    dropped: int = 0


class Driver:
    """Drives one machine. Polls it after each offer, each settled invocation, and when it asks to be woken."""

    def __init__(self, machine: Machine, source: EventSource, function: Function, clock: Clock) -> None:
        self.counts = Counts()
        self._machine = machine
        self._source = source
        self._function = function
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._soon: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def offered(self, offer: Offer) -> None:
        """Take note of records that the machine has accepted; for a store to be subscribed with."""
        self.counts.accepted += len(offer.ids)
        self.wake()

    def wake(self) -> None:
        """Poll the machine, once, as soon as what happens now is over."""
        if self._soon is None and not self._closed:
            self._soon = self._loop.call_soon(self._poll)

    def state(self) -> dict[str, float | None]:
        """How it stands: counts since the start, and what is there at this moment."""
        backlog = self._machine.pending()
        return {
            "accepted": self.counts.accepted,
            "completed": self.counts.completed,
            "dead_lettered": self.counts.dead_lettered,
            "expired": self.counts.expired,
            "backlog": backlog,
            "in_flight": self._machine.in_flight(),
            "concurrency": self._machine.running(),
            "throttles": self.counts.throttles,
            "cold_starts": self.counts.cold_starts,
            "dropped": self.counts.dropped,
            "oldest_age_s": round(self._machine.oldest_age_s(self._clock()), 3) if backlog else None,
        }

    async def settled(self) -> None:
        """Wait until what is under way now is over: invocations, and failures on their way to where they go."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self) -> None:
        """Stop driving: what is in the machine stays there."""
        self._closed = True
        for handle in (self._soon, self._timer):
            if handle is not None:
                handle.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _poll(self) -> None:
        self._soon = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._clock()
        for invocation in self._machine.poll(now):
            self._start(self._run(invocation))
        self._drain()
        wake_at = self._machine.wake_at()
        if wake_at < math.inf:
            self._timer = self._loop.call_later(max(wake_at - now, _SHORTEST_WAIT_S), self._poll)

    def _drain(self) -> None:
        facts = self._machine.drain()
        self.counts.completed += len(facts.done)
        self.counts.dead_lettered += len(facts.dead)
        self.counts.expired += len(facts.expired)
        self.counts.throttles += facts.throttled
        self.counts.cold_starts += facts.cold_starts
        if facts.dropped:
            self._warn_of(facts.dropped)
        if facts.done or facts.dead or facts.expired:
            self._start(self._end(facts))

    def _warn_of(self, dropped: int) -> None:
        """Say once what AWS never says; how many it were in the end stands in the state."""
        if not self.counts.dropped:
            _LOG.warning(
                "%s was not given %d user records of aggregates, which are lost: enhanced fan-out drops those whose "
                "hash key lies outside the shard of their aggregate. Fill an aggregate with the keys of one shard's "
                "range only (or give all its records one key), or do not aggregate where a stream is read by enhanced "
                "fan-out. Any further ones are counted as `dropped`.",
                self._function.configuration.name,
                dropped,
            )
        self.counts.dropped += dropped

    async def _run(self, invocation: Invocation) -> None:
        request_id = self._source.request_id(invocation)
        try:
            answer = await self._function.invoke(invocation.slot, self._source.event(invocation), request_id)
            outcome = self._source.outcome(invocation, answer)
        except Exception:  # noqa: BLE001 (a slot that is not given back would be missing for ever)
            _LOG.exception("invocation %d of %s failed", invocation.number, self._function.configuration.name)
            outcome = Error(lost=True)
        self._machine.settle(self._clock(), invocation, outcome)
        self._poll_now()

    async def _end(self, facts: Facts) -> None:
        try:
            await self._source.end(facts)
        except Exception:  # noqa: BLE001 (one record's defect must not stop the others)
            _LOG.exception("records of %s that ended could not be let go of", self._function.configuration.name)

    def _poll_now(self) -> None:
        if self._soon is not None:
            self._soon.cancel()
        if not self._closed:
            self._poll()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
