"""`delivery.async_invoke` where nothing is doubled or read late, and its driver (simulator.engine), compiled."""

import math
from typing import Any

from numba import njit

from delivery.downstream_loop import inner
from simulator.compiled import environments, event_queue, function
from simulator.compiled.pollers import State

# Why an event is given up.
EVENT_AGE, RETRIES_EXHAUSTED = range(2)


@njit(cache=True)
def play(states: Any, rows: Any, work: Any, calls: Any) -> int:
    """Go on until it is over, or something is wanted; says which (simulator.compiled.function)."""
    state = states[0]
    while True:
        if state.phase == function.ADVANCING:
            further = min(_starts_at(state, rows), state.next_second)
            why = function.advance(state, _wakes_at(state, rows), further, work, calls)
            if why != function.GO_ON:
                return why
        if state.phase == function.COUNTING and not function.count_seconds(state, 0, work):
            return function.SECONDS
        if state.phase == function.SETTLING:
            if not function.has_room(state, work):
                return function.ROOM
            for number in range(state.ended):
                if not _settle(state, number, rows, work, calls):
                    return function.UNKNOWN
            state.phase = function.POLLING
        if state.phase == function.POLLING and not _poll(state, rows, work):
            return function.UNKNOWN
        why = function.begin(state, work, calls)
        if why != function.GO_ON:
            return why


@inner
def _wakes_at(state: State, rows: Any) -> float:
    at: float = event_queue.next_arrival(state, rows)
    if state.in_advance == 1 and at < math.inf and state.running >= state.concurrency:
        at += state.least_wait_s
    return float(min(at, event_queue.next_wake(state), state.draw_at))


@inner
def _starts_at(state: State, rows: Any) -> float:
    at: float = min(event_queue.next_arrival(state, rows), event_queue.next_wake(state), state.draw_at)
    return float(min(at, state.now + state.least_retry_s))


@inner
def _poll(state: State, rows: Any, work: Any) -> bool:
    """Have the invocations ready that begin now. False: the ring is too short, or there are too many."""
    now = state.now
    state.starting = 0
    if _wakes_at(state, rows) > now:
        return True
    if state.in_advance == 1:
        _refuse_arrivals_before(state, now, rows)
    if state.draw_at <= now and not _draw_waits(state, rows):
        return False
    woken = _without_the_too_old(state, now, event_queue.wake(state, now, rows), rows, work)
    first = state.fresh
    while event_queue.next_arrival(state, rows) <= now:
        state.fresh += 1
    arrived = state.fresh - first
    state.received += arrived
    wanted = woken + arrived
    started, warm = environments.acquire(state, now, wanted, work.idle_since)
    if started > state.unused:
        return False
    state.throttled += wanted - started
    for number in range(wanted):
        event = rows.woken[number] if number < woken else first + number - woken
        if number >= started:
            _refuse(state, now, event, rows)
            continue
        state.unused -= 1
        who = work.unused[state.unused]
        work.held[who, 0] = event
        work.batches[who].count = 1
        work.batches[who].cold = 0 if number < warm else 1
        work.ready[number] = who
    state.starting = started
    return True


@inner
def _refuse(state: State, at: float, event: int, rows: Any) -> None:
    too_old_at = rows.events[event].arrived_at + state.age_s
    state.draw_at = min(state.draw_at, at + state.least_wait_s, too_old_at)
    rows.refused[state.refused].event = event
    rows.refused[state.refused].at = at
    state.refused += 1


@inner
def _refuse_arrivals_before(state: State, now: float, rows: Any) -> None:
    """Nobody polled when they arrived: there was no concurrency then."""
    while event_queue.next_arrival(state, rows) < now:
        state.received += 1
        state.throttled += 1
        _refuse(state, event_queue.next_arrival(state, rows), state.fresh, rows)
        state.fresh += 1


@inner
def _draw_waits(state: State, rows: Any) -> bool:
    """Draw how long those refused sleep. False if the ring is too short."""
    for number in range(state.refused):
        one = rows.refused[number]
        event = rows.events[one.event]
        event.throttles += 1
        chance = event_queue.chance(state.seed, one.event, event.throttles)
        until = one.at + function.wait_s(
            state.throttle_first_s, state.throttle_max_s, state.throttle_jitter, event.throttles, chance
        )
        if not event_queue.put_to_sleep(state, min(until, event.arrived_at + state.age_s), one.event, rows):
            return False
    state.refused = 0
    state.draw_at = math.inf
    return True


@inner
def _without_the_too_old(state: State, now: float, woken: int, rows: Any, work: Any) -> int:
    count = 0
    for number in range(woken):
        event = rows.woken[number]
        if rows.events[event].arrived_at + state.age_s <= now:
            function.give_up(state, event, EVENT_AGE, work)
        else:
            rows.woken[count] = event
            count += 1
    return count


@inner
def _settle(state: State, number: int, rows: Any, work: Any, calls: Any) -> bool:
    """See to an invocation that ended. False if the ring is too short."""
    at, who = work.finished[number].at, work.finished[number].who
    outcome = function.end(state, number, work, calls)
    environments.release(state, at, work.idle_since, work.batches[who].stopped == 1)
    work.unused[state.unused] = who
    state.unused += 1
    number = work.held[who, 0]
    if outcome == function.OK:
        state.done += 1
        return True
    event = rows.events[number]
    event.errors += 1
    if event.errors > state.most_retries:
        function.give_up(state, number, RETRIES_EXHAUSTED, work)
        return True
    wait_s = state.first_retry_s if event.errors == 1 else state.second_retry_s
    return event_queue.put_to_sleep(state, min(at + wait_s, event.arrived_at + state.age_s), number, rows)
