"""Drives a delivery machine on a virtual clock, with whatever the function is made to do."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush

from delivery.protocol import Delivery, Facts, Invocation, Offer, Ok, Outcome, Refusal

# What an invocation does: how long it takes (s), and how it ends.
Service = Callable[[Invocation], tuple[float, Outcome]]

_MOST_POLLS_AT_ONE_TIME = 50


class StuckError(AssertionError):
    """A machine that asks to be polled again and again at the same time, and yields nothing."""


@dataclass
class Run:
    """What happened."""

    started: list[Invocation] = field(default_factory=list)
    ended: list[tuple[float, Invocation, Outcome]] = field(default_factory=list)
    refused: dict[int, Refusal] = field(default_factory=dict)
    offered: int = 0
    facts: Facts = field(default_factory=Facts)
    done_at: dict[int, float] = field(default_factory=dict)
    ended_at: dict[int, float] = field(default_factory=dict)
    peak_running: int = 0

    def add(self, now: float, facts: Facts) -> None:
        self.done_at.update(dict.fromkeys(facts.done, now))
        for record in [*facts.done, *(record for record, _ in facts.dead + facts.expired)]:
            assert record not in self.ended_at, f"record {record} ended twice"
            self.ended_at[record] = now
        self.facts.done += facts.done
        self.facts.dead += facts.dead
        self.facts.expired += facts.expired
        self.facts.received += facts.received
        self.facts.throttled += facts.throttled
        self.facts.cold_starts += facts.cold_starts
        self.facts.duplicates += facts.duplicates
        self.facts.dropped += facts.dropped

    def story(self) -> list[tuple[float, tuple[int, ...], int, bool, int, int]]:
        """Every invocation, comparable."""
        return [(i.start, tuple(i.ids), i.slot.environment, i.slot.cold, i.lane, i.attempt) for i in self.started]

    def started_at(self, record: int) -> list[float]:
        return [invocation.start for invocation in self.started if record in invocation.ids]

    def batches(self) -> list[list[int]]:
        return [list(invocation.ids) for invocation in self.started]


def always(seconds: float, outcome: Outcome | None = None) -> Service:
    """A function that always takes as long and ends the same way."""
    return lambda _: (seconds, outcome if outcome is not None else Ok())


def drive(
    machine: Delivery,
    arrivals: Iterable[tuple[float, Offer]],
    service: Service,
    *,
    until: float = math.inf,
    also_poll_every: float = math.inf,
    front: Callable[[float, Offer], "dict[int, Refusal]"] | None = None,
    watch: Callable[[float], None] | None = None,
) -> Run:
    """Run until nothing is left to happen, or `until`.

    Polls after each offer, each settle and when the machine asks for it; `also_poll_every` adds polls in between.
    `front` takes the offers if it is not the machine itself; `watch` is called after each step.
    """
    run = Run()
    offers = sorted(arrivals, key=lambda arrival: arrival[0])
    position = 0
    ends: list[tuple[float, int, Invocation, Outcome]] = []
    extra_at = also_poll_every
    now, polls = -math.inf, 0
    while True:
        offer_at = offers[position][0] if position < len(offers) else math.inf
        end_at = ends[0][0] if ends else math.inf
        wake_at = machine.wake_at()
        due = min(offer_at, end_at, wake_at)
        if due == math.inf or due > until:
            run.add(now, machine.drain())
            return run
        due = min(due, extra_at)
        while extra_at <= due:
            extra_at += also_poll_every
        polls = polls + 1 if due <= now else 0
        now = max(now, due)
        if polls > _MOST_POLLS_AT_ONE_TIME:
            raise StuckError(f"polled {polls} times at {now}; wakes at {wake_at}")
        while position < len(offers) and offers[position][0] <= now:
            run.offered += len(offers[position][1].ids)
            run.refused.update((front or machine.offer)(now, offers[position][1]))
            position += 1
        while ends and ends[0][0] <= now:
            _, _, invocation, outcome = heappop(ends)
            machine.settle(now, invocation, outcome)
            run.ended.append((now, invocation, outcome))
        for invocation in machine.poll(now):
            run.started.append(invocation)
            seconds, outcome = service(invocation)
            heappush(ends, (now + seconds, invocation.number, invocation, outcome))
        run.peak_running = max(run.peak_running, machine.running())
        run.add(now, machine.drain())
        assert machine.running() == len(ends), "an invocation was started or settled that the driver does not know"
        if watch is not None:
            watch(now)
