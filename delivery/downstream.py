"""A service behind the function that has a quota, and the batches that call it once a record.

A batch is worked through by a few strands. A strand makes its record's call: with a token of the quota the call takes
its service time, and the next record follows; without one it is throttled and tried again after a back-off, as AWS's
SDKs do inside the handler's time. Calls of all batches draw on the one quota in the order of their times, retries among
them: none is booked in advance.

    downstream = Downstream(Service(rate_per_s=50.0, ...), strands=2, dice=numpy.random.default_rng(1))
    slot = downstream.begin(0.0, records=10, deadline=60.0)
    at, ended = downstream.advance(until=10.0)         the first batches to end by then, and when
    downstream.answered_at(slot, 10)                   when each record had its answer, NaN where it had none

A spike over a small quota makes some 25 calls a message. They are what a simulation spends its time on, so this loop is
compiled (numba); all it touches lies in arrays.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, typeof

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
# A structured array; compiled code reads its fields as attributes.
Table = Any
# A batch that ended: when, its slot, whether it was stopped at its deadline (1) or came to its own end (0), and how
# many of its records had no answer.
Ended = tuple[float, int, int, int]

_BATCH = np.dtype(
    [
        ("records", "i8"), ("next", "i8"), ("open", "i8"), ("stopped", "i8"), ("answered", "i8"), ("deadline", "f8"),
        ("latest", "f8"),
    ]
)  # fmt: skip
_BEGINNING = np.dtype([("slot", "i8"), ("at", "f8"), ("records", "i8"), ("deadline", "f8")])
_ENDED = np.dtype([("at", "f8"), ("slot", "i8"), ("stopped", "i8"), ("unanswered", "i8")])
_STRAND = np.dtype([("record", "i8"), ("attempt", "i8")])
_EVENT = np.dtype([("at", "f8"), ("who", "i8")])
# The service's settings, and how it stands.
_SERVICE = np.dtype(
    [
        ("rate", "f8"), ("burst", "f8"), ("attempts", "i8"), ("first_s", "f8"), ("longest_s", "f8"), ("median_s", "f8"),
        ("sigma", "f8"), ("errors", "f8"), ("spare_s", "f8"), ("strands", "i8"), ("level", "f8"), ("at", "f8"),
        ("calling", "i8"), ("ending", "i8"), ("calls", "i8"), ("throttles", "i8"), ("uniforms", "i8"),
        ("normals", "i8"),
    ]
)  # fmt: skip

_FIRST_SLOTS = 64
_FIRST_RECORDS = 16
# Random numbers are drawn in blocks: to hand the generator itself to compiled code costs more than the rest of a step.
_BLOCK = 1 << 14
# A call takes at most two uniforms and one normal.
_MOST_A_CALL = 2
_UNIFORMS, _NORMALS = range(2)
# A strand's record when it is between two.
_NONE = -1


@dataclass(frozen=True, slots=True)
class Service:
    """How the service answers, and how patiently it is asked.

    `rate_per_s` calls a second (infinity: no quota), `burst` at once. A record is worth `attempts` calls; with None as
    many as the time allows: one whose next call would come later than `spare_s` before the deadline is handed back, and
    so are those behind it. The n-th retry comes after random() * min(backoff_max_s, backoff_first_s * 2**(n - 1)), as
    botocore has it (botocore.retryhandler). A call let in takes a lognormal time, `sigma` 0 for always the same, and
    ends in an error with the chance `error_rate`.

    Raises:
        ValueError: a setting that makes no sense.
    """

    rate_per_s: float = math.inf
    burst: float = 1.0
    attempts: int | None = 5
    backoff_first_s: float = 1.0
    backoff_max_s: float = 20.0
    median_s: float = 0.05
    sigma: float = 0.0
    error_rate: float = 0.0
    spare_s: float = 1.0

    def __post_init__(self) -> None:
        if self.rate_per_s <= 0 or self.burst < 1:
            raise ValueError(
                f"a quota of {self.rate_per_s}/s with a burst of {self.burst}: a rate over 0, a burst from 1"
            )
        if self.attempts is not None and self.attempts < 1:
            raise ValueError(f"{self.attempts} attempts; a record is worth at least 1 call")


class Downstream:
    """The service, and the batches at work with it.

    Args:
        service: how it answers.
        strands: records of one batch in work at the same time.
        dice: draws times, waits and errors.
        normals: stand for the first draws of the standard normal distribution: the times of the first calls let in,
            known from a recording.

    Raises:
        ValueError: no strands, or more such draws than a block has.
    """

    def __init__(
        self, service: Service, *, strands: int, dice: np.random.Generator, normals: Sequence[float] = ()
    ) -> None:
        if strands < 1:
            raise ValueError(f"{strands} strands; a batch needs at least 1")
        if len(normals) > _BLOCK - _MOST_A_CALL:
            raise ValueError(f"{len(normals):,} draws are known; {_BLOCK - _MOST_A_CALL:,} can be at the most")
        self._strands_each = strands
        self._service = np.zeros(1, _SERVICE)
        self._service[0] = (
            service.rate_per_s, service.burst, service.attempts or 0, service.backoff_first_s, service.backoff_max_s,
            service.median_s, service.sigma, service.error_rate, service.spare_s, strands,
            service.burst, 0.0, 0, 0, 0, 0, 0, 0,
        )  # fmt: skip
        self._dice = dice
        self._numbers = np.stack([dice.random(_BLOCK), dice.standard_normal(_BLOCK)])
        self._numbers[_NORMALS, : len(normals)] = normals
        # Batches that began are handed over with the next step, for a call of their own would cost as much.
        self._begins: Table = np.zeros(0, _BEGINNING)
        self._begun = 0
        self._batches = np.zeros(0, _BATCH)
        self._strands = np.zeros(0, _STRAND)
        self._calls = np.zeros(0, _EVENT)
        self._ends = np.zeros(0, _EVENT)
        self._ended: Table = np.zeros(0, _ENDED)
        self._poisoned: Flags = np.zeros((0, 0), np.bool_)
        self._answered: Floats = np.zeros((0, 0))
        self._free: list[int] = []
        self._with_poison: set[int] = set()
        self._most_records = 0
        self._grow(_FIRST_SLOTS, _FIRST_RECORDS)
        # By its types once and for all: numba's own look at the arguments of each call takes longer than a step.
        self._step: Callable[..., tuple[float, int]] = _advance.compile(
            tuple(map(typeof, (0.0, 0.0, 0, *self._tables)))
        )

    @property
    def calls(self) -> int:
        """Calls made so far, throttled ones among them."""
        return int(self._service[0]["calls"])

    @property
    def throttles(self) -> int:
        """Calls that were throttled."""
        return int(self._service[0]["throttles"])

    def begin(self, now: float, *, records: int, deadline: float, poisoned: Flags | None = None) -> int:
        """Start a batch at `now`, which may lie ahead; answers with its slot.

        `poisoned` says of each record whether its call ends in an error each time.
        """
        if not self._free or records > self._most_records:
            self._grow(2 * len(self._batches), max(records, self._most_records))
        slot = self._free.pop()
        if poisoned is not None:
            self._poisoned[slot, :records] = poisoned
            self._with_poison.add(slot)
        number = self._begun
        slots, times, sizes, deadlines = self._begin_columns
        slots[number] = slot
        times[number] = now
        sizes[number] = records
        deadlines[number] = deadline
        self._begun = number + 1
        return slot

    def advance(self, until: float, further: float = -math.inf) -> tuple[float, list[Ended]]:
        """Let calls be made in their order, up to the first time at which a batch ends, or `until`.

        Then on to the batches that end before `further`, if that is later: up to there nothing begins, whatever ends.

        Answers with the time of the last end and what ended, in the order of time. None ended if the time is `until`.
        """
        begins, self._begun = self._begun, 0
        while True:
            at, ended = self._step(until, further, begins, *self._tables)
            if ended:
                return at, [self._ended.item(0)] if ended == 1 else self._ended[:ended].tolist()
            if at == until:
                return until, []
            self._draw()
            begins = 0

    def answered_at(self, slot: int, records: int) -> Floats:
        """When each record of a batch that ended had its answer, NaN where it had none. Until the slot is freed."""
        return self._answered[slot, :records]

    def free(self, slot: int) -> None:
        """Let go of a batch that ended."""
        if self._with_poison and slot in self._with_poison:
            self._with_poison.remove(slot)
            self._poisoned[slot] = False
        self._free.append(slot)

    def _draw(self) -> None:
        """New blocks of random numbers, for whichever is used up."""
        service = self._service[0]
        if service["uniforms"] > _BLOCK - _MOST_A_CALL:
            self._numbers[_UNIFORMS] = self._dice.random(_BLOCK)
            service["uniforms"] = 0
        if service["normals"] > _BLOCK - _MOST_A_CALL:
            self._numbers[_NORMALS] = self._dice.standard_normal(_BLOCK)
            service["normals"] = 0

    def _grow(self, slots: int, records: int) -> None:
        had = len(self._batches)
        more = slots - had
        self._batches = np.concatenate([self._batches, np.zeros(more, _BATCH)])
        self._strands = np.concatenate([self._strands, np.zeros(more * self._strands_each, _STRAND)])
        self._calls = np.concatenate([self._calls, np.zeros(more * self._strands_each, _EVENT)])
        self._ends = np.concatenate([self._ends, np.zeros(more, _EVENT)])
        self._begins = np.concatenate([self._begins, np.zeros(more, _BEGINNING)])
        # Numbers are written into a view of a column in a tenth of the time that a row takes.
        self._begin_columns: tuple[Any, ...] = tuple(
            memoryview(self._begins[name]) for name in ("slot", "at", "records", "deadline")
        )
        self._ended = np.zeros(slots, _ENDED)
        wider = ((0, more), (0, records - self._most_records))
        self._poisoned = np.pad(self._poisoned, wider)
        self._answered = np.pad(self._answered, wider)
        self._most_records = records
        self._free.extend(range(slots - 1, had - 1, -1))
        self._tables = (
            self._service, self._batches, self._strands, self._calls, self._ends, self._poisoned, self._answered,
            self._numbers, self._begins, self._ended,
        )  # fmt: skip


@njit(cache=True)
def _push(heap: Table, size: int, at: float, who: int) -> None:
    place = size
    while place > 0:
        above = (place - 1) >> 1
        if heap[above].at < at or (heap[above].at == at and heap[above].who <= who):
            break
        heap[place].at = heap[above].at
        heap[place].who = heap[above].who
        place = above
    heap[place].at = at
    heap[place].who = who


@njit(cache=True)
def _sink(heap: Table, size: int, at: float, who: int) -> None:
    """Put an entry in the place of the first one."""
    place = 0
    while True:
        below = 2 * place + 1
        if below >= size:
            break
        other = below + 1
        if other < size and (
            heap[other].at < heap[below].at or (heap[other].at == heap[below].at and heap[other].who < heap[below].who)
        ):
            below = other
        if at < heap[below].at or (at == heap[below].at and who <= heap[below].who):
            break
        heap[place].at = heap[below].at
        heap[place].who = heap[below].who
        place = below
    heap[place].at = at
    heap[place].who = who


@njit(cache=True)
def _begin(
    slot: int,
    now: float,
    records: int,
    deadline: float,
    services: Table,
    batches: Table,
    strands: Table,
    calls: Table,
    answered: Floats,
) -> None:
    service = services[0]
    each = service.strands
    batch = batches[slot]
    batch.records = records
    batch.stopped = 0
    batch.answered = 0
    batch.deadline = deadline
    batch.latest = now
    batch.open = min(each, records)
    batch.next = batch.open
    for record in range(records):
        answered[slot, record] = math.nan
    for number in range(batch.open):
        strand = slot * each + number
        strands[strand].record = number
        strands[strand].attempt = 0
        _push(calls, service.calling, now, strand)
        service.calling += 1


@njit(cache=True)
def _close(slot: int, service: Table, batch: Table, calls: Table, ends: Table) -> None:
    """Let the strand whose event is first go; with the batch's last one, the batch ends."""
    batch.open -= 1
    service.calling -= 1
    last = service.calling
    _sink(calls, last, calls[last].at, calls[last].who)
    if batch.open == 0:
        _push(ends, service.ending, batch.latest, slot)
        service.ending += 1


@njit(cache=True)
def _advance(
    until: float,
    further: float,
    begins: int,
    services: Table,
    batches: Table,
    strands: Table,
    calls: Table,
    ends: Table,
    poisoned: Flags,
    answered: Floats,
    numbers: npt.NDArray[np.float64],
    beginning: Table,
    ended: Table,
) -> tuple[float, int]:
    """The time reached, and how many batches ended up to it; they are in `ended`. So many begin first.

    With none ended before `until`, random numbers have to be drawn.
    """
    for number in range(begins):
        one = beginning[number]
        _begin(one.slot, one.at, one.records, one.deadline, services, batches, strands, calls, answered)
    service = services[0]
    count = 0
    reached = -math.inf
    while True:
        if service.uniforms > _BLOCK - _MOST_A_CALL or service.normals > _BLOCK - _MOST_A_CALL:
            return reached, count
        ends_at = ends[0].at if service.ending > 0 else math.inf
        at = calls[0].at if service.calling > 0 else math.inf
        following_at = min(at, ends_at)
        if count > 0 and (following_at > until or following_at >= further):
            return reached, count
        if following_at > until or following_at == math.inf:
            return until, 0
        if ends_at <= at:
            reached = ends_at
            while service.ending > 0 and ends[0].at == ends_at:
                batch = batches[ends[0].who]
                ended[count].at = ends_at
                ended[count].slot = ends[0].who
                ended[count].stopped = batch.stopped
                ended[count].unanswered = batch.records - batch.answered
                count += 1
                service.ending -= 1
                _sink(ends, service.ending, ends[service.ending].at, ends[service.ending].who)
            continue
        number = calls[0].who
        slot = number // service.strands
        strand = strands[number]
        batch = batches[slot]
        if strand.record == _NONE:
            if batch.next == batch.records:
                _close(slot, service, batch, calls, ends)
                continue
            strand.record = batch.next
            strand.attempt = 0
            batch.next += 1
        service.calls += 1
        level = min(service.burst, service.level + service.rate * (at - service.at))
        service.at = at
        over = False
        if level >= 1.0:
            service.level = level - 1.0
            took = service.median_s
            if service.sigma > 0.0:
                took *= math.exp(service.sigma * numbers[_NORMALS, service.normals])
                service.normals += 1
            again_at = at + took
            failed = poisoned[slot, strand.record]
            if service.errors > 0.0:
                failed = failed or numbers[_UNIFORMS, service.uniforms] < service.errors
                service.uniforms += 1
            if again_at > batch.deadline:
                over = True
            elif not failed:
                answered[slot, strand.record] = again_at
                batch.answered += 1
            following = True
        else:
            service.level = level
            service.throttles += 1
            strand.attempt += 1
            if service.attempts > 0 and strand.attempt >= service.attempts:
                again_at = at
                following = True
            else:
                longest = min(service.longest_s, service.first_s * 2.0 ** min(strand.attempt - 1, 60))
                again_at = at + numbers[_UNIFORMS, service.uniforms] * longest
                service.uniforms += 1
                following = False
        # Out of time: a patient handler hands back what is left and returns; any other is stopped at its deadline.
        if not over and service.attempts == 0 and again_at > batch.deadline - service.spare_s:
            if following:
                batch.latest = max(batch.latest, again_at)
            else:
                batch.latest = max(batch.latest, at)
            batch.next = batch.records
            following = True
        elif over or again_at > batch.deadline:
            batch.stopped = 1
            batch.latest = batch.deadline
            batch.next = batch.records
            following = True
        else:
            batch.latest = max(batch.latest, again_at)
        if following:
            if batch.next == batch.records:
                _close(slot, service, batch, calls, ends)
                continue
            # Which record follows is seen when this one is done: the strand that is free first takes the next.
            strand.record = _NONE
        _sink(calls, service.calling, again_at, number)
