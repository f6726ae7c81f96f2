"""A topic's messages in a function's queue of events, played from end to end by compiled code."""

import math

import numpy as np

from delivery import async_invoke, backoff, dice, downstream_loop
from delivery.async_invoke import SLOT_S
from delivery.backoff import Backoff
from delivery.dice import Dice
from delivery.protocol import End
from delivery.quotas import Quotas
from simulator.compiled import environments, event_queue, function, sns_loop, state
from simulator.compiled.kept import forget_if_older
from simulator.compiled.play import Play, Taken
from simulator.compiled.state import EVENT_ROW, EVENTS, NOBODY, REFUSED, Calls, EventRows, Work
from simulator.handler import Calling, Steady
from simulator.scenario import Scenario
from simulator.world import MOST_EVENT_RETRIES

forget_if_older(
    sns_loop.play, (async_invoke, backoff, dice, downstream_loop, environments, event_queue, function, state)
)


class CompiledSns(Play):
    """Events of a queue that is read at once and doubles nothing."""

    ends = (End.EVENT_AGE, End.RETRIES_EXHAUSTED)
    has_pollers = False
    draws_for = "events"
    loop = sns_loop.play

    def __init__(self, scenario: Scenario, taken: Taken, handler: Steady | Calling) -> None:
        mapping, reserved = scenario.mapping, scenario.function.reserved_concurrency
        quotas = Quotas.with_overrides(scenario.quotas)
        concurrency = quotas.account_concurrency if reserved is None else reserved
        super().__init__(scenario, taken, handler, EVENTS, min(concurrency, len(taken.ids), function.MOST_BATCHES), 1)
        self._on_failure = mapping.on_failure
        events = np.zeros(len(taken.ids), EVENT_ROW)
        events["arrived_at"] = taken.arrived_at
        wait = Backoff(
            quotas.async_throttle_first_s, quotas.async_throttle_max_s, self._random, quotas.async_throttle_jitter
        )
        longest_s = max(quotas.async_throttle_max_s, quotas.async_first_retry_s, quotas.async_second_retry_s)
        slots = np.full(2 * math.ceil(longest_s / SLOT_S) + 64, NOBODY)
        self._rows = EventRows(events, np.zeros(len(taken.ids), REFUSED), slots, np.zeros(len(taken.ids), np.int64))
        self._state["seed"] = Dice(self._random).seed
        self._set(
            # A function's answer to an event is read by nobody: it fails as a whole.
            partial=False,
            throttle_first_s=quotas.async_throttle_first_s,
            throttle_max_s=quotas.async_throttle_max_s,
            throttle_jitter=quotas.async_throttle_jitter,
            in_advance=bool(taken.arrived_at.any()),
            most_retries=min(mapping.maximum_retry_attempts, MOST_EVENT_RETRIES),
            age_s=mapping.maximum_event_age_s,
            first_retry_s=quotas.async_first_retry_s,
            second_retry_s=quotas.async_second_retry_s,
            least_retry_s=min(quotas.async_first_retry_s, quotas.async_second_retry_s),
            least_wait_s=min(wait.least_s, mapping.maximum_event_age_s),
            draw_at=math.inf,
        )

    @staticmethod
    def knows(scenario: Scenario) -> bool:
        """Whether it can play a scenario."""
        quotas = Quotas.with_overrides(scenario.quotas)
        return scenario.buffer == "sns" and not quotas.async_reads_per_s and not quotas.async_duplicate_share

    def _play(self, work: Work, calls: Calls) -> int:
        return int(sns_loop.play(self._states, self._rows, work, calls))
