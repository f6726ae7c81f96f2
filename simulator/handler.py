"""The function on the virtual clock: how long an invocation takes, what becomes of its records, and when."""

import math
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import compress, repeat
from operator import ne
from typing import Protocol

import numpy as np
import numpy.typing as npt

from delivery.downstream import Downstream, Service
from delivery.protocol import Error, Invocation, Ok, Outcome, PartialFailure, Timeout
from simulator.duration import Duration, Fixed, Lognormal, RecordedTimes
from simulator.scenario import Function, Scenario

_OK = Ok()
_ERROR = Error()
_TIMEOUT = Timeout()
_BLOCK = 4_096
# Microseconds: far below what any figure here says.
_DIGITS = 6
# No quota: more than any simulation asks for.
_UNLIMITED = 1e15
# The handler's calls stop this long before its deadline (pipeline.recognition).
_SPARE_S = 1.0

# When an invocation ended, and how.
Ended = tuple[float, Invocation, Outcome]


@dataclass(frozen=True, slots=True)
class Processed:
    """Every time a record was processed: the record, when its batch began (`invocation_ms` after its invocation), when
    its result was stored.
    """

    records: npt.NDArray[np.int64]
    began_at: npt.NDArray[np.float64]
    stored_at: npt.NDArray[np.float64]


class Handled(Protocol):
    """What the function has done."""

    @property
    def invocations(self) -> int:
        """Invocations so far."""

    @property
    def busy_s(self) -> float:
        """How long they took together, seconds."""

    def processed(self) -> Processed:
        """What has been processed so far."""

    @property
    def calls(self) -> tuple[int, int]:
        """Calls to the downstream so far, and how many of them were throttled."""


class Handler(Handled, Protocol):
    """The function, as the engine drives it. Invocations that began end in `advance`, each once."""

    def begin(self, now: float, invocations: Sequence[Invocation]) -> None:
        """Start invocations."""

    def advance(self, until: float, further: float) -> tuple[float, list[Ended]]:
        """Work on up to the first time at which invocations end, or `until`; then on to those that end before
        `further`: up to there nothing begins, whatever ends.

        Answers with the time reached, and what ended, in the order of time.
        """


def handler_of(
    scenario: Scenario, records: int, groups: Sequence[int] | None, dice: np.random.Generator
) -> "Steady | Calling":
    """The scenario's function, for records numbered from 0 and, of a FIFO queue, the group of each.

    One whose records all take as long and never fail is reckoned, not played.
    """
    given = scenario.function.per_record_ms
    if is_steady(scenario) and isinstance(given, Fixed):
        return Steady(scenario.function, given.mean_s, dice)
    return Calling(scenario, records, groups, dice)


def is_steady(scenario: Scenario) -> bool:
    """Whether every record takes as long, and none fails."""
    function = scenario.function
    fails = function.error_rate > 0 or function.poison_rate > 0 or scenario.downstream.rate_per_s is not None
    return not fails and isinstance(function.per_record_ms, Fixed)


class Steady:
    """Every record takes as long, and none fails."""

    calls = (0, 0)

    def __init__(self, function: Function, record_s: float, dice: np.random.Generator) -> None:
        self.invocations = 0
        self.busy_s = 0.0
        self._records = array("q")
        self._began_at = array("d")
        self._counts = array("q")
        self._timeout_s = function.timeout_s
        self._strands = function.in_batch_concurrency
        self.record_s = record_s
        self.cold_s = drawn(function.cold_start_ms, dice)
        self.before_s = drawn(function.invocation_ms, dice)
        self._ends: list[float] = []
        self._ending: dict[float, list[Ended]] = {}

    def begin(self, now: float, invocations: Sequence[Invocation]) -> None:
        """Start invocations."""
        strands, record_s, timeout_s, ending = self._strands, self.record_s, self._timeout_s, self._ending
        for invocation in invocations:
            start_s = next(self.cold_s) if invocation.slot.cold else 0.0
            before_s = next(self.before_s)
            ids = invocation.ids
            records = len(ids)
            took_s = before_s + (records + strands - 1) // strands * record_s
            outcome: Outcome = _OK
            if took_s > timeout_s:
                took_s = timeout_s
                left_s = took_s - before_s
                records = min(records, int(left_s / record_s) * strands) if left_s > 0 else 0
                ids = ids[:records]
                outcome = _TIMEOUT
            began = now + start_s
            self.busy_s += start_s + took_s
            self._records.extend(ids)
            self._began_at.append(began + before_s)
            self._counts.append(records)
            # On a grid, so that what ends together by arithmetic ends together: it is settled and polled for at once.
            end = round(began + took_s, _DIGITS)
            if end in ending:
                ending[end].append((end, invocation, outcome))
            else:
                ending[end] = [(end, invocation, outcome)]
                heappush(self._ends, end)
        self.invocations += len(invocations)

    def advance(self, until: float, further: float) -> tuple[float, list[Ended]]:
        """Work on, as `Handler` says."""
        ends = self._ends
        if not ends or ends[0] > until:
            return until, []
        at = heappop(ends)
        ended = self._ending.pop(at)
        while ends and ends[0] < further and ends[0] <= until:
            at = heappop(ends)
            ended += self._ending.pop(at)
        return at, ended

    def processed(self) -> Processed:
        """What has been processed so far."""
        counts = np.frombuffer(self._counts, np.int64)
        records = np.frombuffer(self._records, np.int64)
        began_at = np.repeat(np.frombuffer(self._began_at, np.float64), counts)
        place = np.arange(len(records)) - np.repeat(np.cumsum(counts) - counts, counts)
        return Processed(records, began_at, began_at + (place // self._strands + 1) * self.record_s)


class Calling:
    """Records take random times, fail, or wait for a downstream's quota."""

    def __init__(
        self, scenario: Scenario, records: int, groups: Sequence[int] | None, dice: np.random.Generator
    ) -> None:
        function, downstream = scenario.function, scenario.downstream
        rate = downstream.rate_per_s or _UNLIMITED
        given = function.per_record_ms
        times = given.like if isinstance(given, RecordedTimes) else given
        self.invocations = 0
        self.busy_s = 0.0
        self._records = array("q")
        self._began_at = array("d")
        # Of each record of a batch; NaN of one that was not processed.
        self._stored_at = array("d")
        self._groups = groups
        self._timeout_s = function.timeout_s
        # A function whose response nobody reads can only fail as a whole.
        self._partial = scenario.mapping.partial_failures and scenario.buffer != "sns"
        self.cold_s = drawn(function.cold_start_ms, dice)
        self.before_s = drawn(function.invocation_ms, dice)
        self.poisoned: npt.NDArray[np.bool_] | None = None
        if function.poison_rate > 0:
            self.poisoned = dice.random(records) < function.poison_rate
        self.downstream = Downstream(
            Service(
                rate_per_s=rate,
                burst=max(1.0, rate * downstream.burst_s),
                attempts=downstream.sdk_attempts,
                backoff_first_s=downstream.backoff_first_s,
                backoff_max_s=downstream.backoff_max_s,
                median_s=times.p50_ms / 1_000 if isinstance(times, Lognormal) else times.mean_s,
                sigma=times.sigma if isinstance(times, Lognormal) else 0.0,
                error_rate=function.error_rate,
                spare_s=min(_SPARE_S, function.timeout_s / 2),
            ),
            strands=function.in_batch_concurrency,
            dice=dice,
            normals=given.normals if isinstance(given, RecordedTimes) else (),
        )
        self._running: dict[int, tuple[Invocation, float, float]] = {}
        # What has no record begun at its deadline, and makes no call: deadline, number, invocation, when it started.
        self._late: list[tuple[float, int, Invocation, float]] = []

    @property
    def calls(self) -> tuple[int, int]:
        """Calls to the downstream so far, and how many of them were throttled."""
        return self.downstream.calls, self.downstream.throttles

    def begin(self, now: float, invocations: Sequence[Invocation]) -> None:
        """Start invocations."""
        begin, running, poisoned = self.downstream.begin, self._running, self.poisoned
        for invocation in invocations:
            began = now + (next(self.cold_s) if invocation.slot.cold else 0.0)
            before_s = next(self.before_s)
            deadline = began + self._timeout_s
            if before_s >= self._timeout_s:
                heappush(self._late, (deadline, invocation.number, invocation, now))
                continue
            began += before_s
            ids = invocation.ids
            places = None if poisoned is None else poisoned[_places(ids)]
            slot = begin(began, records=len(ids), deadline=deadline, poisoned=places)
            running[slot] = (invocation, now, began)

    def advance(self, until: float, further: float) -> tuple[float, list[Ended]]:
        """Work on, as `Handler` says."""
        late = self._late
        if late:
            until, further = min(until, late[0][0]), -math.inf
        at, batches = self.downstream.advance(until, further)
        ended = self._end(batches) if batches else []
        while late and late[0][0] <= at:
            _, _, invocation, started = heappop(late)
            self.invocations += 1
            self.busy_s += at - started
            ended.append((at, invocation, _TIMEOUT))
        return at, ended

    def _end(self, batches: Sequence[tuple[float, int, int, int]]) -> list[Ended]:
        running, free, ended = self._running.pop, self.downstream.free, []
        for at, slot, stopped, unanswered in batches:
            invocation, started, began = running(slot)
            self.busy_s += at - started
            ids = invocation.ids
            failed: Sequence[int] = ids
            if not unanswered and len(ids) == 1:
                # Its answer ended the batch.
                failed = ()
                self._records.append(ids[0])
                self._began_at.append(began)
                self._stored_at.append(at)
            elif unanswered < len(ids):
                failed = self._note(ids, began, slot, unanswered)
            free(slot)
            outcome: Outcome = _OK
            if stopped:
                outcome = _TIMEOUT
            elif failed:
                outcome = PartialFailure(frozenset(failed)) if self._partial else _ERROR
            ended.append((at, invocation, outcome))
        self.invocations += len(ended)
        return ended

    def _note(self, ids: Sequence[int], began: float, slot: int, unanswered: int) -> Sequence[int]:
        """Note when the records of a batch were processed, and say which were not."""
        count = len(ids)
        times = self.downstream.answered_at(slot, count)
        self._records.extend(ids)
        self._began_at.extend(repeat(began, count))
        if not unanswered:
            self._stored_at.frombytes(times.tobytes())
            return ()
        answered: list[float] = times.tolist()
        if self._groups is not None:
            self._strike_out_behind(ids, answered)
        self._stored_at.extend(answered)
        # Only a NaN differs from itself: such a record had no answer.
        return list(compress(ids, map(ne, answered, answered)))

    def _strike_out_behind(self, ids: Sequence[int], answered: list[float]) -> None:
        """A FIFO handler stops at the first failure of a group and names what is behind it, too."""
        assert self._groups is not None
        stopped: set[int] = set()
        for place, record in enumerate(ids):
            group = self._groups[record]
            if group in stopped or answered[place] != answered[place]:
                stopped.add(group)
                answered[place] = math.nan

    def processed(self) -> Processed:
        """What has been processed so far."""
        stored_at = np.frombuffer(self._stored_at, np.float64)
        stored = ~np.isnan(stored_at)
        return Processed(
            np.frombuffer(self._records, np.int64)[stored],
            np.frombuffer(self._began_at, np.float64)[stored],
            stored_at[stored],
        )


def drawn(duration: Duration, dice: np.random.Generator) -> Iterator[float]:
    """Seconds without end; what is fixed is not drawn."""
    return repeat(duration.mean_s) if isinstance(duration, Fixed) else _in_blocks(duration, dice)


def _in_blocks(duration: Duration, dice: np.random.Generator) -> Iterator[float]:
    while True:
        yield from duration.seconds(dice, _BLOCK).tolist()


def _places(ids: Sequence[int]) -> slice | npt.NDArray[np.int64]:
    """Records as the index of an array: a range as a slice, which copies nothing."""
    return slice(ids.start, ids.stop, ids.step) if isinstance(ids, range) else np.array(ids, np.int64)
