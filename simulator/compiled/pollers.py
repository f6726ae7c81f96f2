"""`delivery.pollers.Pollers` without provisioned mode, compiled."""

import math
from typing import Any

from delivery.downstream_loop import inner

# A row of simulator.compiled.state.
State = Any


@inner
def counted(state: State, now: float) -> int:
    """How many batches they hold at once now."""
    while now >= state.grows_at:
        state.gained += 1
        state.level = min(state.level + 1.0, state.most)
        plan_growth(state)
    if not math.isnan(state.idle_since):
        while state.idle_levels > 0:
            lasts_s = state.reset_s if state.idle_levels == 2 else state.sleep_s
            if now < state.idle_since + lasts_s:
                break
            state.level = state.begin_with if state.idle_levels == 2 else state.asleep
            state.idle_levels -= 1
            plan_growth(state)
    return int(state.level)


@inner
def fail(state: State, now: float) -> None:
    """A batch failed or was throttled."""
    state.worked = 1
    if state.level >= state.most and not math.isnan(state.growing_from):
        state.growing_from = now
        state.gained = 0
    state.level = max(state.least, state.level - state.failure_cost)
    plan_growth(state)


@inner
def observe(state: State, now: float, saturated: bool, idle: bool) -> None:
    """What the end of a poll looked like."""
    state.saturated = 1 if saturated else 0
    growing = not math.isnan(state.growing_from)
    if saturated and not growing:
        state.growing_from = now - state.credit_s
        state.gained = 0
        plan_growth(state)
    elif not saturated and growing:
        at_cap = state.level >= state.most
        state.credit_s = 0.0 if at_cap else max(0.0, now - state.growing_from - state.gained * state.step_s)
        state.growing_from = math.nan
        plan_growth(state)
    if not idle:
        state.worked = 1
        state.idle_since = math.nan
    elif math.isnan(state.idle_since) and state.worked == 1:
        state.idle_since = now
        state.idle_levels = 2


@inner
def plan_growth(state: State) -> None:
    """Say when there will be one more."""
    if math.isnan(state.growing_from) or state.level >= state.most:
        state.grows_at = math.inf
    else:
        state.grows_at = state.growing_from + (state.gained + 1) * state.step_s
