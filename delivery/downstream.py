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
from numba import typeof

from delivery.downstream_loop import (
    BATCH,
    BEGINNING,
    BLOCK,
    ENDED,
    EVENT,
    MOST_A_CALL,
    NORMALS,
    SERVICE,
    STRAND,
    UNIFORMS,
    Flags,
    Floats,
    Table,
    advance,
)

# A batch that ended: when, its slot, whether it was stopped at its deadline (1) or came to its own end (0), and how
# many of its records had no answer.
Ended = tuple[float, int, int, int]

_FIRST_SLOTS = 64
_FIRST_RECORDS = 16


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
        if len(normals) > BLOCK - MOST_A_CALL:
            raise ValueError(f"{len(normals):,} draws are known; {BLOCK - MOST_A_CALL:,} can be at the most")
        self._strands_each = strands
        self._service = np.zeros(1, SERVICE)
        self._service[0] = (
            service.rate_per_s, service.burst, service.attempts or 0, service.backoff_first_s, service.backoff_max_s,
            service.median_s, service.sigma, service.error_rate, service.spare_s, strands,
            service.burst, 0.0, 0, 0, 0, 0, 0, 0,
        )  # fmt: skip
        self._dice = dice
        self._numbers = np.stack([dice.random(BLOCK), dice.standard_normal(BLOCK)])
        self._numbers[NORMALS, : len(normals)] = normals
        # Batches that began are handed over with the next step, for a call of their own would cost as much.
        self._begins: Table = np.zeros(0, BEGINNING)
        self._begun = 0
        self._batches = np.zeros(0, BATCH)
        self._strands = np.zeros(0, STRAND)
        self._calls = np.zeros(0, EVENT)
        self._ends = np.zeros(0, EVENT)
        self._ended: Table = np.zeros(0, ENDED)
        self._poisoned: Flags = np.zeros((0, 0), np.bool_)
        self._answered: Floats = np.zeros((0, 0))
        self._free: list[int] = []
        self._with_poison: set[int] = set()
        self._most_records = 0
        self._grow(_FIRST_SLOTS, _FIRST_RECORDS)
        # By its types once and for all: numba's own look at the arguments of each call takes longer than a step.
        self._step: Callable[..., tuple[float, int]] = advance.compile(tuple(map(typeof, (0.0, 0.0, 0, *self._tables))))

    @property
    def calls(self) -> int:
        """Calls made so far, throttled ones among them."""
        return int(self._service[0]["calls"])

    @property
    def throttles(self) -> int:
        """Calls that were throttled."""
        return int(self._service[0]["throttles"])

    @property
    def tables(self) -> tuple[Any, ...]:
        """The arrays that `delivery.downstream_loop.advance` works on, for compiled code that calls it by itself."""
        return self._tables

    def reserve(self, batches: int, records: int) -> None:
        """Have room for so many batches at once, and so many records in each."""
        if batches > len(self._batches) or records > self._most_records:
            self._grow(max(batches, len(self._batches)), max(records, self._most_records))

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
            self.draw()
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

    def draw(self) -> None:
        """New blocks of random numbers, for whichever is used up."""
        service = self._service[0]
        if service["uniforms"] > BLOCK - MOST_A_CALL:
            self._numbers[UNIFORMS] = self._dice.random(BLOCK)
            service["uniforms"] = 0
        if service["normals"] > BLOCK - MOST_A_CALL:
            self._numbers[NORMALS] = self._dice.standard_normal(BLOCK)
            service["normals"] = 0

    def _grow(self, slots: int, records: int) -> None:
        had = len(self._batches)
        more = slots - had
        self._batches = np.concatenate([self._batches, np.zeros(more, BATCH)])
        self._strands = np.concatenate([self._strands, np.zeros(more * self._strands_each, STRAND)])
        self._calls = np.concatenate([self._calls, np.zeros(more * self._strands_each, EVENT)])
        self._ends = np.concatenate([self._ends, np.zeros(more, EVENT)])
        self._begins = np.concatenate([self._begins, np.zeros(more, BEGINNING)])
        # Numbers are written into a view of a column in a tenth of the time that a row takes.
        self._begin_columns: tuple[Any, ...] = tuple(
            memoryview(self._begins[name]) for name in ("slot", "at", "records", "deadline")
        )
        self._ended = np.zeros(slots, ENDED)
        wider = ((0, more), (0, records - self._most_records))
        self._poisoned = np.pad(self._poisoned, wider)
        self._answered = np.pad(self._answered, wider)
        self._most_records = records
        self._free.extend(range(slots - 1, had - 1, -1))
        self._tables = (
            self._service, self._batches, self._strands, self._calls, self._ends, self._poisoned, self._answered,
            self._numbers, self._begins, self._ended,
        )  # fmt: skip
