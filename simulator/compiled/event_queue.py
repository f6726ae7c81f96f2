"""The events of `delivery.async_invoke` that sleep, compiled: `delivery.wheel` as a ring of slots, and its dice."""

import math
from typing import Any

import numpy as np

from delivery import dice
from delivery.async_invoke import SLOT_S
from delivery.downstream_loop import inner
from simulator.compiled.pollers import State
from simulator.compiled.state import NOBODY


@inner
def next_arrival(state: State, rows: Any) -> float:
    """When the next event arrives, or did; infinity if none is to come."""
    return rows.events[state.fresh].arrived_at if state.fresh < state.arrivals else math.inf


@inner
def next_wake(state: State) -> float:
    """When the next one wakes; infinity if none sleeps."""
    return state.next_slot * SLOT_S if state.asleep > 0 else math.inf


@inner
def put_to_sleep(state: State, at: float, event: int, rows: Any) -> bool:
    """Let an event sleep until its time. False if that is further from the others than the ring is long."""
    slot = math.ceil(at / SLOT_S)
    if state.asleep == 0:
        state.next_slot = slot
        state.last_slot = slot
    state.next_slot = min(state.next_slot, slot)
    state.last_slot = max(state.last_slot, slot)
    if state.last_slot - state.next_slot >= len(rows.slots):
        return False
    place = slot % len(rows.slots)
    rows.events[event].next = rows.slots[place]
    rows.slots[place] = event
    state.asleep += 1
    return True


@inner
def wake(state: State, now: float, rows: Any) -> int:
    """Have `rows.woken` those that have slept long enough, and say how many they are.

    Slots in the order of time, each in the order of its numbers.
    """
    count = 0
    while state.asleep > 0 and state.next_slot * SLOT_S <= now:
        place = state.next_slot % len(rows.slots)
        first = count
        event = rows.slots[place]
        while event != NOBODY:
            rows.woken[count] = event
            count += 1
            event = rows.events[event].next
        rows.slots[place] = NOBODY
        state.asleep -= count - first
        rows.woken[first:count].sort()
        # The next one lies ahead, however far.
        while state.asleep > 0 and rows.slots[state.next_slot % len(rows.slots)] == NOBODY:
            state.next_slot += 1
    return count


@inner
def chance(seed: Any, number: int, nth: int) -> float:
    """The `nth` random number of the thing with this number (`delivery.dice.Dice.roll`)."""
    mixed = np.uint64(number) * dice.STEP + np.uint64(nth) * dice.NTH_STEP + seed
    mixed ^= mixed >> np.uint64(30)
    mixed *= dice.MIX_1
    mixed ^= mixed >> np.uint64(27)
    mixed *= dice.MIX_2
    mixed ^= mixed >> np.uint64(31)
    return float(mixed >> np.uint64(11)) * 2.0**-53
