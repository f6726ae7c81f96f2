"""The driver on the virtual clock: the machines of delivery/ and the function, from event to event.

It does what a driver with a real clock does (`local.driver`): polls after each settle and when the machine asks to be
woken. Arrivals are told to the machine in advance and are no events here.
"""

import gc
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from delivery.environments import Environments
from delivery.protocol import Delivery, End, Facts
from simulator.handler import Handler

# A machine that asks to be polled at the same time again and again would never end; none needs this many.
_MOST_POLLS_AT_ONE_TIME = 10_000


class StuckError(RuntimeError):
    """A machine that asks to be polled without end and yields nothing: a fault of the simulator."""


@dataclass(slots=True)
class Observed:
    """What was seen on the way. `concurrency` and `pollers` at the end of each second, from second 0 on; until then
    were met so many throttles and cold starts, `met`. `pending` were accepted and have not ended.

    `gone` tells of each record given up: when (the end of that second), and why; `dead` says whether to a destination.
    `dropped` are user records lost inside of records delivered.
    """

    now: float = 0.0
    events: int = 0
    peak_concurrency: int = 0
    received: int = 0
    throttles: int = 0
    cold_starts: int = 0
    dropped: int = 0
    done: int = 0
    pending: int = 0
    concurrency: list[int] = field(default_factory=list)
    pollers: list[int] = field(default_factory=list)
    met: list[tuple[int, int]] = field(default_factory=list)
    gone: list[tuple[int, float, End, bool]] = field(default_factory=list)

    def add(self, at: float, facts: Facts) -> None:
        """Take note of what the machine says."""
        self.done += len(facts.done)
        self.received += facts.received
        self.throttles += facts.throttled
        self.cold_starts += facts.cold_starts
        self.dropped += facts.dropped
        self.gone.extend((record, at, end, True) for record, end in facts.dead)
        self.gone.extend((record, at, end, False) for record, end in facts.expired)


@contextmanager
def uncollected() -> Iterator[None]:
    """Have nothing searched for cycles: the machines make none, and the search would take a tenth of the time."""
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collected:
            gc.enable()


def drive(
    machine: Delivery,
    environments: Environments,
    handler: Handler,
    *,
    until: float,
    tick: Callable[[Observed], None],
    pollers: Callable[[], int] | None = None,
) -> Observed:
    """Run until nothing is left to happen, or until `until`. `tick` is called after each virtual second.

    Raises:
        StuckError: a machine asks to be polled without end.
    """
    seen = Observed()
    next_second, now, polls, running, events = 1.0, 0.0, 0, 0, 0
    advance, settle, poll, begin = handler.advance, machine.settle, machine.poll, handler.begin
    wake, starts = machine.wake_at, machine.starts_at
    while True:
        wake_at = wake()
        # What ends while nothing can start is settled together, up to the end of the second.
        starts_at = starts(now)
        at, ended = advance(
            wake_at if wake_at < until else until, starts_at if starts_at < next_second else next_second
        )
        if not ended and wake_at > until:
            break
        if at > now:
            now, polls = at, 0
        else:
            polls += 1
            if polls > _MOST_POLLS_AT_ONE_TIME:
                raise StuckError(f"polled {polls} times at second {now}; the machine wakes at {wake_at}")
        while now >= next_second:
            seen.concurrency.append(running)
            if pollers is not None:
                seen.pollers.append(pollers())
            seen.add(next_second, machine.drain())
            seen.met.append((seen.throttles, seen.cold_starts))
            seen.now = next_second
            tick(seen)
            # One that sat idle too long is not used again in any case; this only lets go of it.
            environments.expire(next_second)
            next_second += 1.0
        if ended:
            for ended_at, invocation, outcome in ended:
                settle(ended_at, invocation, outcome)
            running -= len(ended)
            events += len(ended)
        invocations = poll(now)
        if invocations:
            begin(now, invocations)
            running += len(invocations)
            events += len(invocations)
            if running > seen.peak_concurrency:
                seen.peak_concurrency = running
    seen.now, seen.events = now, events
    seen.add(min(next_second, until), machine.drain())
    seen.met.append((seen.throttles, seen.cold_starts))
    seen.pending = machine.pending()
    if not math.isinf(until) and seen.pending:
        seen.now = until
    return seen
