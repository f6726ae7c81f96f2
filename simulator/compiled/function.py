"""`simulator.handler` compiled: what invocations take, what becomes of their records, and when."""

import math
from typing import Any

from delivery import downstream_loop
from delivery.backoff import MOST_DOUBLINGS
from delivery.downstream_loop import drop, inner, push
from simulator.compiled import environments
from simulator.compiled.pollers import State

OK, PARTIAL, FAILED = range(3)
# Events of one moment come in the order in which they were set; below it stands whose they are.
BATCH_BITS = 20
MOST_BATCHES = 1 << BATCH_BITS
BATCH_MASK = MOST_BATCHES - 1
# Why compiled code stopped: it is over; more is wanted (random numbers of the downstream, cold starts, times before the
# first record, chances of a back-off; room for seconds or for what is processed); or it came to what only the machine
# knows.
GO_ON, OVER, NUMBERS, COLDS, BEFORES, CHANCES, SECONDS, ROOM, UNKNOWN = range(9)
# What to go on with.
ADVANCING, COUNTING, SETTLING, POLLING, BEGINNING = range(5)
_MOST_POLLS_AT_ONE_TIME = 10_000
_GRID = 1e6
# Parts a float in two halves whose products are exact (Dekker 1971).
_SPLITTER = 134_217_729.0


@inner
def advance(state: State, wake_at: float, further: float, work: Any, calls: Any) -> int:
    """Go on to what ends first, or to when the machine wakes, and note what ends up to `further` with it.

    Says what it stopped for.
    """
    if not _find_ended(state, min(wake_at, state.until), further, work, calls):
        return NUMBERS
    if state.ended == 0 and wake_at > state.until:
        return OVER
    if state.at > state.now:
        state.now = state.at
        state.polls = 0
    else:
        state.polls += 1
    state.events += state.ended
    state.phase = COUNTING
    return UNKNOWN if state.polls > _MOST_POLLS_AT_ONE_TIME else GO_ON


@inner
def has_room(state: State, work: Any) -> bool:
    """Whether there is room for what those that have ended have processed."""
    return bool(state.processed + state.ended * state.batch_size <= len(work.processed))


@inner
def _find_ended(state: State, until: float, further: float, work: Any, calls: Any) -> bool:
    """Find `state.ended`, what ends up to `until`, and when, `state.at`. False if random numbers are wanted."""
    if state.steady == 1:
        _advance_steady(state, until, further, work)
        return True
    state.at, state.ended = downstream_loop.advance(
        until, further, 0, calls.services, calls.batches, calls.strands, calls.calls, calls.ends, calls.poisoned,
        calls.answered, calls.numbers, calls.begins, calls.ended,
    )  # fmt: skip
    if state.ended == 0 and state.at != until:
        return False
    for number in range(state.ended):
        work.finished[number].at = calls.ended[number].at
        work.finished[number].who = work.batch_of_slot[calls.ended[number].slot]
    return True


@inner
def _advance_steady(state: State, until: float, further: float, work: Any) -> None:
    ends, count = work.ends, 0
    state.at = until
    while state.ending > 0 and ends[0].at <= until and (count == 0 or ends[0].at == state.at or ends[0].at < further):
        state.at = ends[0].at
        work.finished[count].at = ends[0].at
        work.finished[count].who = ends[0].who & BATCH_MASK
        count += 1
        drop(ends, state.ending)
        state.ending -= 1
    state.ended = count


@inner
def end(state: State, number: int, work: Any, calls: Any) -> int:
    """What became of an invocation that ended."""
    who = work.finished[number].who
    batch = work.batches[who]
    if state.steady == 1:
        return FAILED if batch.stopped == 1 else OK
    ended = calls.ended[number]
    state.invocations += 1
    state.busy_s += ended.at - batch.started_at
    if batch.count == 1:
        # Its answer ended the batch.
        if ended.unanswered == 0:
            _note(state, work.held[who, 0], batch.began_at, ended.at, work)
    else:
        for place in range(batch.count):
            stored_at = calls.answered[ended.slot, place]
            if not math.isnan(stored_at):
                _note(state, work.held[who, place], batch.began_at, stored_at, work)
    if state.poisons == 1:
        calls.poisoned[ended.slot, : batch.count] = False
    work.unused_slots[state.unused_slots] = ended.slot
    state.unused_slots += 1
    batch.stopped = ended.stopped
    if ended.stopped == 1:
        return FAILED
    if ended.unanswered == 0:
        return OK
    return PARTIAL if state.partial == 1 else FAILED


@inner
def begin(state: State, work: Any, calls: Any) -> int:
    """Begin the `state.starting` batches that are ready; says what it stopped for."""
    if state.phase == POLLING:
        state.begun = 0
        state.phase = BEGINNING
    if state.steady == 1 and state.processed + state.starting * state.batch_size > len(work.processed):
        return ROOM
    while state.begun < state.starting:
        who = work.ready[state.begun]
        cold = work.batches[who].cold == 1
        if cold and state.colds == len(work.colds):
            return COLDS
        if state.befores == len(work.befores):
            return BEFORES
        cold_s = 0.0
        if cold:
            cold_s = work.colds[state.colds]
            state.colds += 1
        before_s = work.befores[state.befores]
        state.befores += 1
        if state.steady == 1:
            _begin_steady(state, who, cold_s, before_s, work)
        elif before_s >= state.timeout_s:
            return UNKNOWN
        else:
            _begin_calling(state, who, cold_s, before_s, work, calls)
        state.begun += 1
    state.events += state.starting
    state.peak = max(state.peak, state.running)
    state.phase = ADVANCING
    return GO_ON


@inner
def _begin_calling(state: State, who: int, cold_s: float, before_s: float, work: Any, calls: Any) -> None:
    batch = work.batches[who]
    state.unused_slots -= 1
    slot = work.unused_slots[state.unused_slots]
    work.batch_of_slot[slot] = who
    began_at = state.now + cold_s
    deadline = began_at + state.timeout_s
    batch.started_at = state.now
    batch.began_at = began_at + before_s
    if state.poisons == 1:
        for place in range(batch.count):
            calls.poisoned[slot, place] = work.poisoned[work.held[who, place]]
    downstream_loop.begin(
        slot, batch.began_at, batch.count, deadline, calls.services, calls.batches, calls.strands, calls.calls,
        calls.answered,
    )  # fmt: skip


@inner
def _begin_steady(state: State, who: int, cold_s: float, before_s: float, work: Any) -> None:
    batch = work.batches[who]
    count = batch.count
    took_s = before_s + (count + state.strands - 1) // state.strands * state.record_s
    batch.stopped = 0
    if took_s > state.timeout_s:
        took_s = state.timeout_s
        left_s = took_s - before_s
        count = min(count, int(left_s / state.record_s) * state.strands) if left_s > 0 else 0
        batch.stopped = 1
    began_at = state.now + cold_s
    state.busy_s += cold_s + took_s
    state.invocations += 1
    batch.began_at = began_at + before_s
    for place in range(count):
        stored_at = batch.began_at + (place // state.strands + 1) * state.record_s
        _note(state, work.held[who, place], batch.began_at, stored_at, work)
    state.orders += 1
    push(work.ends, state.ending, _on_grid(began_at + took_s), state.orders << BATCH_BITS | who)
    state.ending += 1


@inner
def _note(state: State, message: int, began_at: float, stored_at: float, work: Any) -> None:
    one = work.processed[state.processed]
    one.message = message
    one.began_at = began_at
    one.stored_at = stored_at
    state.processed += 1


@inner
def _on_grid(at: float) -> float:
    """`round(at, 6)`. Where the product lies half-way between two, what was rounded off of it tells which is nearer."""
    scaled = at * _GRID
    below = math.floor(scaled)
    part = scaled - below
    if part == 0.5:
        high = _SPLITTER * at - (_SPLITTER * at - at)
        lost = high * _GRID - scaled + (at - high) * _GRID
        if lost > 0 or (lost == 0 and below % 2 == 1):
            below += 1
    elif part > 0.5:
        below += 1
    return below / _GRID


@inner
def count_seconds(state: State, pollers: int, work: Any) -> bool:
    """Note how everything stood at the end of each second that is over; False if there is no room."""
    while state.now >= state.next_second:
        if state.seconds == len(work.seconds):
            return False
        second = work.seconds[state.seconds]
        second.running = state.running
        second.pollers = pollers
        second.received = state.received
        second.throttled = state.throttled
        second.cold_starts = state.cold_starts
        second.done = state.done
        second.gone = state.gone
        state.seconds += 1
        environments.age(state, state.next_second, work.idle_since)
        state.next_second += 1.0
    state.phase = SETTLING
    return True


@inner
def next_chance(state: State, work: Any) -> float:
    """The next of the random numbers, 0 to 1, that back-offs are drawn by."""
    state.chances += 1
    return float(work.chances[state.chances - 1])


@inner
def wait_s(first_s: float, longest_s: float, jitter: float, retry: int, chance: float) -> float:
    """`delivery.backoff.Backoff.wait_s`, with the jitter that chance (0 to 1) has drawn."""
    whole = min(longest_s, first_s * 2.0 ** min(retry - 1, MOST_DOUBLINGS))
    return float(whole * (1 - jitter * chance))


@inner
def give_up(state: State, message: int, why: int, work: Any) -> None:
    """A message ends without having been processed."""
    work.gone[state.gone].message = message
    work.gone[state.gone].why = why
    state.gone += 1
