"""`delivery.environments.Environments` of the one function of its account, compiled. The idle ones lie in a ring."""

import math
from typing import Any

from delivery.downstream_loop import inner
from simulator.compiled.pollers import State

# When each became idle.
Ring = Any


@inner
def acquire(state: State, now: float, wanted: int, idle_since: Ring) -> "tuple[int, int]":
    """How many of `wanted` environments could be had, and how many of them, the first, were warm."""
    granted = min(wanted, max(state.concurrency - state.running, 0))
    if granted <= 0:
        return 0, 0
    age(state, now, idle_since)
    warm = min(granted, state.idle)
    state.idle -= warm
    cold = 0
    if warm < granted:
        level = min(state.growth_level + state.growth_rate * (now - state.growth_at), state.growth_burst)
        cold = max(0, min(granted - warm, math.floor(level + state.growth_grace)))
        if cold > 0:
            state.growth_level = level - cold
            state.growth_at = now
    state.running += warm + cold
    state.cold_starts += cold
    return warm + cold, warm


@inner
def release(state: State, now: float, idle_since: Ring, lost: bool) -> None:
    """Give one back."""
    state.running -= 1
    if not lost:
        idle_since[(state.idle_first + state.idle) % len(idle_since)] = now
        state.idle += 1


@inner
def age(state: State, now: float, idle_since: Ring) -> None:
    """Let go of those that sat idle too long."""
    while state.idle > 0 and idle_since[state.idle_first] + state.idle_s <= now:
        state.idle_first = (state.idle_first + 1) % len(idle_since)
        state.idle -= 1
