"""`delivery.sqs_queue.SqsQueue` as a simulation uses it, compiled: one offer, one size, leases of one length.

So what is received later becomes visible later: all that was received stands in one list, and comes back from its
front. What the list cannot tell (a message that is kept too long, a delete that comes too late) is for the caller to
see, and to leave to the machine.
"""

import math
from typing import Any

from delivery.downstream_loop import inner
from simulator.compiled.function import give_up
from simulator.compiled.pollers import State
from simulator.compiled.state import NOBODY

Table = Any


@inner
def next_arrival(state: State, messages: Table) -> float:
    """When the first message never received arrives, or did; infinity if there is none."""
    return messages[state.fresh].arrived_at if state.fresh < state.arrivals else math.inf


@inner
def next_end(state: State, messages: Table) -> float:
    """When the next visibility timeout is over; infinity if none runs."""
    return messages[state.first_hidden].until if state.first_hidden != NOBODY else math.inf


@inner
def come_back(state: State, now: float, messages: Table) -> None:
    """Make visible again whose visibility timeout is over."""
    while state.first_hidden != NOBODY and messages[state.first_hidden].until <= now:
        state.first_hidden = messages[state.first_hidden].next
        state.in_flight -= 1
        state.returned += 1


@inner
def has_visible(state: State, now: float, messages: Table) -> bool:
    """Whether there are messages to receive."""
    come_back(state, now, messages)
    return state.returned > 0 or next_arrival(state, messages) <= now


@inner
def visible_at(state: State, messages: Table) -> float:
    """When a receive could next bring something."""
    if state.in_flight >= state.in_flight_max:
        return next_end(state, messages)
    at = next_arrival(state, messages)
    if state.returned > 0:
        at = min(at, messages[state.first].until)
    return min(at, next_end(state, messages))


@inner
def receive(state: State, now: float, messages: Table, who: int, work: Any) -> int:
    """Receive what is visible as a batch; says how many messages. What was received too often is given up instead."""
    most = min(state.batch_size, state.in_flight_max - state.in_flight)
    until = now + state.visibility_timeout_s
    held = work.held[who]
    new = again = 0
    in_run = False
    while new + again < most:
        while state.returned > 0 and messages[state.first].receives >= state.max_receives:
            give_up(state, state.first, 0, work)
            state.returned -= 1
            _take_out(state, messages, state.first)
        if new + again == state.fitting:
            break
        arrives_at = next_arrival(state, messages)
        back_at = messages[state.first].until if state.returned > 0 else math.inf
        # What has come back goes first, but for what arrived in one run with those taken just before.
        if state.returned > 0 and (back_at < arrives_at or (back_at == arrives_at and not in_run)):
            in_run = False
            # From the end on: in a batch they stand behind those that are received for the first time.
            again += 1
            held[len(held) - again] = state.first
            state.returned -= 1
            _take_out(state, messages, state.first)
        elif arrives_at <= now:
            in_run = True
            held[new] = state.fresh
            new += 1
            state.fresh += 1
        else:
            break
    held[len(held) - again :] = held[len(held) - again :][::-1].copy()
    for place in range(again):
        held[new + place] = held[len(held) - again + place]
    for place in range(new + again):
        messages[held[place]].receives += 1
        messages[held[place]].until = until
        _put_last(state, messages, held[place])
    state.in_flight += new + again
    state.received += new + again
    return new + again


@inner
def delete(state: State, messages: Table, message: int) -> None:
    """Delete a message that is hidden."""
    if message == state.first_hidden:
        state.first_hidden = messages[message].next
    _take_out(state, messages, message)
    state.in_flight -= 1
    state.done += 1


@inner
def _put_last(state: State, messages: Table, message: int) -> None:
    messages[message].previous = state.last
    messages[message].next = NOBODY
    if state.last == NOBODY:
        state.first = message
    else:
        messages[state.last].next = message
    state.last = message
    if state.first_hidden == NOBODY:
        state.first_hidden = message


@inner
def _take_out(state: State, messages: Table, message: int) -> None:
    before, behind = messages[message].previous, messages[message].next
    if before == NOBODY:
        state.first = behind
    else:
        messages[before].next = behind
    if behind == NOBODY:
        state.last = before
    else:
        messages[behind].previous = before
