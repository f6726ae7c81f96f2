"""`delivery.kinesis_mapping` of a stream with one lane a shard, and its driver (simulator.engine), compiled.

The records of a shard lie one behind the other, so that whatever is read, waits or is retried is a piece of them.
"""

import math
from typing import Any

from numba import njit

from delivery.downstream_loop import inner
from simulator.compiled import environments, function
from simulator.compiled.agenda import next_due, set_due, take_due
from simulator.compiled.pollers import State
from simulator.compiled.state import NOBODY


@njit(cache=True)
def play(states: Any, rows: Any, work: Any, calls: Any) -> int:
    """Go on until it is over, or something is wanted; says which (simulator.compiled.function)."""
    state = states[0]
    while True:
        if state.phase == function.ADVANCING:
            # A settle may bring something at once: what ends at one moment is all that may be settled together.
            wake_at = min(next_due(rows.reads), next_due(rows.turns))
            why = function.advance(state, wake_at, -math.inf, work, calls)
            if why != function.GO_ON:
                return why
            if state.now >= state.too_old_at:
                return function.UNKNOWN
        if state.phase == function.COUNTING and not function.count_seconds(state, 0, work):
            return function.SECONDS
        if state.phase == function.SETTLING:
            if not function.has_room(state, work):
                return function.ROOM
            if state.chances + state.ended + len(rows.shards) > len(work.chances):
                return function.CHANCES
            for number in range(state.ended):
                if not _settle(state, number, rows, work, calls):
                    return function.UNKNOWN
            state.phase = function.POLLING
        if state.phase == function.POLLING:
            _poll(state, rows, work)
        why = function.begin(state, work, calls)
        if why != function.GO_ON:
            return why


@inner
def _next_unread(number: int, rows: Any) -> float:
    shard = rows.shards[number]
    return rows.arrived_at[shard.unread] if shard.unread < shard.stop else math.inf


@inner
def _read_at_next_tick(state: State, number: int, rows: Any) -> None:
    shard = rows.shards[number]
    at = _next_unread(number, rows)
    if state.poll_interval_s > 0:
        phase = shard.phase * state.poll_interval_s
        at = max(at, phase + math.ceil((at - phase) / state.poll_interval_s) * state.poll_interval_s)
    set_due(rows.reads, number, max(at, shard.readable_at))


@njit(cache=True)
def look_at_all(states: Any, rows: Any) -> None:
    """Have every shard that has taken something read for the first time."""
    for number in range(len(rows.shards)):
        if rows.shards[number].unread < rows.shards[number].stop:
            _read_at_next_tick(states[0], number, rows)


@inner
def _read(state: State, number: int, rows: Any) -> None:
    """One GetRecords; what it brings waits in the shard's lane."""
    now, shard = state.now, rows.shards[number]
    first = shard.unread
    while shard.unread < shard.stop and shard.unread - first < state.read_records:
        if rows.arrived_at[shard.unread] > now:
            break
        shard.unread += 1
    count = shard.unread - first
    if count > 0:
        busy_s = count * state.record_bytes / state.read_bytes_per_s
        shard.readable_at = now + max(busy_s, state.read_spacing_s)
    if _next_unread(number, rows) <= now:
        set_due(rows.reads, number, shard.readable_at)
    elif shard.unread < shard.stop:
        _read_at_next_tick(state, number, rows)
    if count > 0:
        state.received += count
        if shard.waiting == first:
            shard.window_from = max(shard.window_from, now)
        _plan(state, number, rows)


@inner
def _plan(state: State, number: int, rows: Any) -> None:
    """Set when a free lane's next batch goes out, unless its retry has a time already."""
    shard = rows.shards[number]
    if shard.busy == 1 or shard.again > 0:
        return
    waiting = shard.unread - shard.waiting
    if waiting >= state.batch_size or waiting * state.event_record_bytes >= state.event_bytes:
        set_due(rows.turns, number, state.at_work)
    elif waiting > 0:
        set_due(rows.turns, number, shard.window_from + state.window_s)


@inner
def _poll(state: State, rows: Any, work: Any) -> None:
    """Have the batches ready that begin now."""
    now = state.now
    state.at_work = now
    due = take_due(rows.reads, now, rows.due)
    for place in range(due):
        _read(state, rows.due[place], rows)
    due = take_due(rows.turns, now, rows.due)
    count = 0
    for place in range(due):
        number = rows.due[place]
        shard = rows.shards[number]
        if shard.again > 0:
            shard.again -= 1
            rows.next[number] = rows.again[number, shard.again]
        elif shard.unread > shard.waiting:
            one = rows.next[number]
            one.first = shard.waiting
            one.count = min(shard.unread - shard.waiting, state.batch_size, state.fitting)
            one.retries = 0
            one.throttles = 0
            shard.waiting += one.count
        else:
            _forget_throttled(state, number, rows)
            continue
        rows.ready[count] = number
        count += 1
    started, warm = environments.acquire(state, now, count, work.idle_since)
    state.throttled += count - started
    for place in range(started, count):
        _hold(state, rows.ready[place], rows, work)
    for place in range(started):
        number = rows.ready[place]
        rows.shards[number].busy = 1
        _forget_throttled(state, number, rows)
        # A lane runs one invocation at a time, and its batch has the lane's number.
        work.ready[place] = number
        batch = work.batches[number]
        batch.count = rows.next[number].count
        batch.cold = 0 if place < warm else 1
        for record in range(batch.count):
            work.held[number, record] = rows.next[number].first + record
    state.starting = started


@inner
def _hold(state: State, number: int, rows: Any, work: Any) -> None:
    """Keep a throttled batch for later."""
    shard, batch = rows.shards[number], rows.next[number]
    batch.throttles += 1
    rows.again[number, shard.again] = batch
    shard.again += 1
    if shard.throttled == 0:
        shard.throttled = 1
        shard.before = state.last_throttled
        shard.behind = NOBODY
        if state.last_throttled == NOBODY:
            state.first_throttled = number
        else:
            rows.shards[state.last_throttled].behind = number
        state.last_throttled = number
    chance = function.next_chance(state, work)
    wait_s = function.wait_s(
        state.throttle_first_s, state.throttle_max_s, state.throttle_jitter, batch.throttles, chance
    )
    set_due(rows.turns, number, state.now + wait_s)


@inner
def _forget_throttled(state: State, number: int, rows: Any) -> None:
    shard = rows.shards[number]
    if shard.throttled == 0:
        return
    shard.throttled = 0
    if shard.before == NOBODY:
        state.first_throttled = shard.behind
    else:
        rows.shards[shard.before].behind = shard.behind
    if shard.behind == NOBODY:
        state.last_throttled = shard.before
    else:
        rows.shards[shard.behind].before = shard.before


@inner
def _settle(state: State, ended: int, rows: Any, work: Any, calls: Any) -> bool:
    """See to an invocation that ended. False if a batch is in more parts than there is room for."""
    at, number = work.finished[ended].at, work.finished[ended].who
    state.at_work = at
    outcome = function.end(state, ended, work, calls)
    environments.release(state, at, work.idle_since, work.batches[number].stopped == 1)
    shard, batch = rows.shards[number], rows.next[number]
    shard.busy = 0
    shard.window_from = at
    if state.first_throttled != NOBODY:
        set_due(rows.turns, state.first_throttled, at)
    checkpoint = batch.count if outcome == function.OK else 0
    if outcome == function.PARTIAL:
        slot = calls.ended[ended].slot
        while not math.isnan(calls.answered[slot, checkpoint]):
            checkpoint += 1
    state.done += checkpoint
    if checkpoint == batch.count:
        _continue(state, number, rows)
    elif not _retry(state, at, number, checkpoint, rows, work):
        return False
    if _next_unread(number, rows) <= at:
        set_due(rows.reads, number, max(at, shard.readable_at))
    return True


@inner
def _continue(state: State, number: int, rows: Any) -> None:
    if rows.shards[number].again > 0:
        set_due(rows.turns, number, state.at_work)
    else:
        _plan(state, number, rows)


@inner
def _retry(state: State, at: float, number: int, checkpoint: int, rows: Any, work: Any) -> bool:
    """`delivery.kinesis_lane.RetryPolicy`, and what follows from it."""
    shard, batch = rows.shards[number], rows.next[number]
    first, rest, retries = batch.first + checkpoint, batch.count - checkpoint, batch.retries
    wait_s = 0.0
    if shard.again + 2 > rows.again.shape[1]:
        return False
    if state.bisect == 1 and (checkpoint > 0 or rest > 1):
        middle = 0 if checkpoint > 0 else rest // 2
        _put_again(shard, number, first + middle, rest - middle, retries, rows)
        if middle > 0:
            _put_again(shard, number, first, middle, retries, rows)
    elif retries >= state.most_retries:
        for record in range(first, first + rest):
            function.give_up(state, record, 0, work)
        _continue(state, number, rows)
        return True
    else:
        _put_again(shard, number, first, rest, retries + 1, rows)
        chance = function.next_chance(state, work)
        wait_s = function.wait_s(state.retry_first_s, state.retry_max_s, state.throttle_jitter, retries + 1, chance)
    set_due(rows.turns, number, at + wait_s)
    return True


@inner
def _put_again(shard: Any, number: int, first: int, count: int, retries: int, rows: Any) -> None:
    one = rows.again[number, shard.again]
    one.first = first
    one.count = count
    one.retries = retries
    one.throttles = 0
    shard.again += 1
