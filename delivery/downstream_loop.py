"""The loop of a downstream (delivery.downstream) in compiled code: calls, throttles and retries, in the order of time.

All it touches lies in arrays: the service in a table of one row, batches, their strands, two heaps of events.
"""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])
_NO_ENTRANCE: Any = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
# A structured array; compiled code reads its fields as attributes.
Table = Any
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

BATCH = np.dtype(
    [
        ("records", "i8"), ("next", "i8"), ("open", "i8"), ("stopped", "i8"), ("answered", "i8"), ("deadline", "f8"),
        ("latest", "f8"),
    ]
)  # fmt: skip
BEGINNING = np.dtype([("slot", "i8"), ("at", "f8"), ("records", "i8"), ("deadline", "f8")])
ENDED = np.dtype([("at", "f8"), ("slot", "i8"), ("stopped", "i8"), ("unanswered", "i8")])
# What happens when, in a heap of which the first is the earliest; of one moment, by `who`.
EVENT = np.dtype([("at", "f8"), ("who", "i8")])
STRAND = np.dtype([("record", "i8"), ("attempt", "i8")])
# The service's settings, and how it stands.
SERVICE = np.dtype(
    [
        ("rate", "f8"), ("burst", "f8"), ("attempts", "i8"), ("first_s", "f8"), ("longest_s", "f8"), ("median_s", "f8"),
        ("sigma", "f8"), ("errors", "f8"), ("spare_s", "f8"), ("strands", "i8"), ("level", "f8"), ("at", "f8"),
        ("calling", "i8"), ("ending", "i8"), ("calls", "i8"), ("throttles", "i8"), ("uniforms", "i8"),
        ("normals", "i8"),
    ]
)  # fmt: skip

# Random numbers are drawn in blocks: to hand the generator itself to compiled code costs more than the rest of a step.
BLOCK = 1 << 14
# A call takes at most two uniforms and one normal.
MOST_A_CALL = 2
UNIFORMS, NORMALS = range(2)
# A strand's record when it is between two.
_NONE = -1
# What only compiled code calls has no entrance for Python: to compile one takes longer than most of these functions.
inner: Callable[[Function], Function] = njit(cache=True, **_NO_ENTRANCE)


@inner
def push(heap: Table, size: int, at: float, who: int) -> None:
    """Put an event into a heap that holds `size` of them."""
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


@inner
def sink(heap: Table, size: int, at: float, who: int) -> None:
    """Put an event in the place of the first one, into a heap that holds `size` of them then."""
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


@inner
def drop(heap: Table, size: int) -> None:
    """Take the first event out of a heap that holds `size` of them."""
    last = size - 1
    sink(heap, last, heap[last].at, heap[last].who)


@inner
def begin(
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
    """Let a batch make its first calls at `now`, which may lie ahead."""
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
        push(calls, service.calling, now, strand)
        service.calling += 1


@inner
def _close(slot: int, service: Table, batch: Table, calls: Table, ends: Table) -> None:
    """Let the strand whose event is first go; with the batch's last one, the batch ends."""
    batch.open -= 1
    service.calling -= 1
    last = service.calling
    sink(calls, last, calls[last].at, calls[last].who)
    if batch.open == 0:
        push(ends, service.ending, batch.latest, slot)
        service.ending += 1


@njit(cache=True)
def advance(
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
        begin(one.slot, one.at, one.records, one.deadline, services, batches, strands, calls, answered)
    service = services[0]
    count = 0
    reached = -math.inf
    while True:
        if service.uniforms > BLOCK - MOST_A_CALL or service.normals > BLOCK - MOST_A_CALL:
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
                sink(ends, service.ending, ends[service.ending].at, ends[service.ending].who)
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
                took *= math.exp(service.sigma * numbers[NORMALS, service.normals])
                service.normals += 1
            again_at = at + took
            failed = poisoned[slot, strand.record]
            if service.errors > 0.0:
                failed = failed or numbers[UNIFORMS, service.uniforms] < service.errors
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
                again_at = at + numbers[UNIFORMS, service.uniforms] * longest
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
        sink(calls, service.calling, again_at, number)
