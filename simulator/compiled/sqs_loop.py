"""`delivery.sqs_source_mapping` without a window, and its driver (simulator.engine), compiled."""

import math
from typing import Any

from numba import njit

from delivery.downstream_loop import drop, inner, push
from simulator.compiled import environments, function, pollers, queue
from simulator.compiled.pollers import State


@njit(cache=True)
def play(states: Any, rows: Any, work: Any, calls: Any) -> int:
    """Go on until it is over, or something is wanted; says which (simulator.compiled.function)."""
    state = states[0]
    while True:
        if state.phase == function.ADVANCING:
            # A settle may bring something at once: what ends at one moment is all that may be settled together.
            why = function.advance(state, _wakes_at(state, rows), -math.inf, work, calls)
            if why != function.GO_ON:
                return why
            # What is kept too long may lie anywhere in the list.
            if state.now >= rows.messages[0].arrived_at + state.retention_s:
                return function.UNKNOWN
        if state.phase == function.COUNTING and not function.count_seconds(state, int(state.level), work):
            return function.SECONDS
        if state.phase == function.SETTLING:
            if not function.has_room(state, work):
                return function.ROOM
            for number in range(state.ended):
                if not _settle(state, number, rows.messages, work, calls):
                    return function.UNKNOWN
            state.phase = function.POLLING
        if state.phase == function.POLLING:
            if state.chances + len(work.batches) > len(work.chances):
                return function.CHANCES
            if not _poll(state, rows, work):
                return function.UNKNOWN
        why = function.begin(state, work, calls)
        if why != function.GO_ON:
            return why


@inner
def _wakes_at(state: State, rows: Any) -> float:
    at: float = min(state.grows_at, queue.next_arrival(state, rows.messages) + state.retention_s)
    if state.waiting > 0:
        at = min(at, rows.turns[0].at)
    if state.free <= 0 and state.saturated == 1:
        return at
    visible_at: float = queue.visible_at(state, rows.messages)
    if visible_at > state.polled_at:
        return min(at, visible_at)
    return at if state.free <= 0 else -math.inf


@inner
def _poll(state: State, rows: Any, work: Any) -> bool:
    """Have the batches ready that begin now. False: there are more than there is room for."""
    now, messages, turns = state.now, rows.messages, rows.turns
    count = 0
    while state.waiting > 0 and turns[0].at <= now:
        who = turns[0].who & function.BATCH_MASK
        drop(turns, state.waiting)
        state.waiting -= 1
        if now < work.batches[who].until:
            work.ready[count] = who
            count += 1
        else:
            work.unused[state.unused] = who
            state.unused += 1
    free = pollers.counted(state, now) - state.running - state.waiting - count
    queue.come_back(state, now, messages)
    while free > 0:
        if state.unused == 0:
            return False
        who = work.unused[state.unused - 1]
        received = queue.receive(state, now, messages, who, work)
        if received == 0:
            break
        state.unused -= 1
        work.batches[who].count = received
        work.batches[who].until = now + state.visibility_timeout_s
        work.batches[who].throttles = 0
        work.ready[count] = who
        count += 1
        free -= 1
    started, warm = environments.acquire(state, now, count, work.idle_since)
    state.throttled += count - started
    for number in range(started, count):
        _hold(state, work.ready[number], rows, work)
    for number in range(started):
        work.batches[work.ready[number]].cold = 0 if number < warm else 1
    state.starting = started
    visible = queue.has_visible(state, now, messages)
    held = state.running + state.waiting
    state.free = int(state.level) - held
    pollers.observe(state, now, visible and state.free <= 0, not visible and held == 0)
    state.polled_at = now
    return True


@inner
def _hold(state: State, who: int, rows: Any, work: Any) -> None:
    """Keep a throttled batch."""
    batch = work.batches[who]
    batch.throttles += 1
    pollers.fail(state, state.now)
    chance = function.next_chance(state, work)
    wait_s = function.wait_s(
        state.throttle_first_s, state.throttle_max_s, state.throttle_jitter, batch.throttles, chance
    )
    state.orders += 1
    at = min(state.now + wait_s, batch.until)
    push(rows.turns, state.waiting, at, state.orders << function.BATCH_BITS | who)
    state.waiting += 1


@inner
def _settle(state: State, number: int, messages: Any, work: Any, calls: Any) -> bool:
    """See to an invocation that ended. False if its messages were visible by then: whose they are now is not known."""
    at, who = work.finished[number].at, work.finished[number].who
    batch = work.batches[who]
    outcome = function.end(state, number, work, calls)
    environments.release(state, at, work.idle_since, batch.stopped == 1)
    work.unused[state.unused] = who
    state.unused += 1
    if outcome == function.FAILED:
        # Its messages come back by themselves.
        pollers.fail(state, at)
        return True
    queue.come_back(state, at, messages)
    for place in range(batch.count):
        if outcome == function.PARTIAL and math.isnan(calls.answered[calls.ended[number].slot, place]):
            continue
        if batch.until <= at:
            return False
        queue.delete(state, messages, work.held[who, place])
    return True
