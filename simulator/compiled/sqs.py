"""A standard queue, its mapping and its function, played from end to end by compiled code."""

import math

import numpy as np

from delivery import backoff, downstream_loop
from delivery.backoff import JITTER
from delivery.downstream_loop import EVENT
from delivery.protocol import End
from delivery.quotas import Quotas
from simulator.compiled import environments, function, pollers, queue, sqs_loop, state
from simulator.compiled.kept import forget_if_older
from simulator.compiled.play import Play, Taken
from simulator.compiled.state import MESSAGE, NOBODY, SQS, Calls, QueueRows, Work
from simulator.handler import Calling, Steady
from simulator.scenario import Scenario

forget_if_older(sqs_loop.play, (backoff, downstream_loop, environments, function, pollers, queue, state))


class CompiledSqs(Play):
    """A standard queue without a window and without provisioned pollers."""

    ends = (End.RECEIVE_COUNT,)
    has_pollers = True
    draws_for = "pollers"
    loop = sqs_loop.play

    def __init__(self, scenario: Scenario, taken: Taken, handler: Steady | Calling) -> None:
        mapping = scenario.mapping
        quotas = Quotas.with_overrides(scenario.quotas)
        most = quotas.sqs_pollers_max
        if mapping.maximum_concurrency is not None:
            most = min(most, mapping.maximum_concurrency)
        batches = min(most, len(taken.ids), function.MOST_BATCHES)
        super().__init__(scenario, taken, handler, SQS, batches, mapping.batch_size)
        messages = np.zeros(len(taken.ids), MESSAGE)
        messages["arrived_at"] = taken.arrived_at
        self._rows = QueueRows(messages, np.zeros(len(self._work.batches), EVENT))
        begin_with = min(quotas.sqs_pollers_start, most)
        least = min(quotas.sqs_pollers_min, begin_with)
        self._set(
            fitting=quotas.event_bytes // max(1, scenario.payload_bytes + quotas.sqs_event_overhead_bytes),
            in_flight_max=quotas.sqs_in_flight_max,
            max_receives=math.inf if mapping.max_receive_count is None else mapping.max_receive_count,
            retention_s=quotas.sqs_retention_s,
            visibility_timeout_s=mapping.visibility_timeout_s,
            first=NOBODY,
            last=NOBODY,
            first_hidden=NOBODY,
            throttle_first_s=quotas.sqs_throttle_first_s,
            throttle_max_s=quotas.sqs_throttle_max_s,
            throttle_jitter=JITTER,
            most=most,
            least=least,
            begin_with=begin_with,
            asleep=least if mapping.maximum_concurrency is None else begin_with,
            step_s=60 / quotas.sqs_pollers_per_minute if quotas.sqs_pollers_per_minute > 0 else math.inf,
            reset_s=quotas.sqs_pollers_idle_reset_s,
            sleep_s=quotas.sqs_pollers_idle_sleep_s,
            failure_cost=quotas.sqs_pollers_lost_per_failure,
            level=begin_with,
            growing_from=math.nan,
            grows_at=math.inf,
            idle_since=math.nan,
            polled_at=-math.inf,
        )

    @staticmethod
    def knows(scenario: Scenario) -> bool:
        """Whether it can play a scenario."""
        mapping = scenario.mapping
        return scenario.buffer == "sqs" and not mapping.batching_window_s and mapping.provisioned is None

    def _play(self, work: Work, calls: Calls) -> int:
        return int(sqs_loop.play(self._states, self._rows, work, calls))
