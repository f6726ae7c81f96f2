"""A scenario made smaller: every rate and every capacity divided by the same number, every time left as it is.

What a buffer does with a spike depends on ratios: arrivals to downstream, concurrency to service time, pollers gained
to backlog. Divide all that counts requests or environments by n, leave all that counts seconds, and the backlog has
the same course at 1/n of its height. In the fluid limit that is exact; what remains are

- rounding, for shards and environments are whole: n is chosen so that the candidate's own cap, the one that binds,
  divides evenly, and so that at least `LEAST_CAP` of it remain;
- unevenness, for no two shards have equally many keys: each keeps as many as before, and `LEAST_SHARDS` of them remain;
- the pollers an SQS mapping starts with: 5/n is less than one. One is (n - 5)/5 seconds of growth ahead of what it
  should be, and n is chosen so that this is within `_HEAD_START` of the time there is; a few pollers meet a
  baseline less evenly than many, and grow a little more for it;
- chance, which grows as 1/sqrt of what is simulated, hence several seeds near the bound.

tests/simulator/planner/test_scaling.py holds scaled runs beside whole ones.
"""

import math
from dataclasses import fields, replace
from typing import Final

from delivery.quotas import Quotas
from simulator.planner.candidate import QUEUES, STREAMS, Candidate
from simulator.planner.ceilings import in_time
from simulator.planner.question import Question
from simulator.scenario import Provisioned, Scenario, Uniform

# The least that is left of a cap on concurrency, and of shards.
LEAST_CAP: Final = 5
LEAST_SHARDS: Final = 8
LEAST_POLLERS: Final = 4
_HEAD_START: Final = 0.01
# A downstream's bucket must still hold whole requests.
LEAST_DOWNSTREAM_PER_S: Final = 10.0

# What an account or a mapping has as a whole, and hence shrinks. All others are of one shard, one poller, one message,
# or a time.
SHARED: Final = frozenset(
    {
        "account_concurrency", "account_unreserved_min", "environments_per_10_s", "requests_per_10_s",
        "async_reads_per_s", "api_requests_per_s", "api_burst_requests", "sqs_in_flight_max",
        "sqs_fifo_window_messages", "sqs_fifo_calls_per_s", "sqs_fifo_high_throughput_calls_per_s", "sqs_pollers_start",
        "sqs_pollers_per_minute", "sqs_pollers_max", "sqs_pollers_min", "sqs_provisioned_invokes_per_minute",
        "sns_messages_per_s", "rekognition_detect_labels_per_s",
    }
)  # fmt: skip


def largest_factor(question: Question, candidate: Candidate) -> float:
    """By how much a run of this candidate can be divided at the most."""
    limits = [math.inf]
    if candidate.buffer in STREAMS and candidate.mapping.shards is not None:
        limits.append(candidate.mapping.shards / LEAST_SHARDS)
    limits.append(candidate.concurrency(question) / LEAST_CAP)
    if candidate.mapping.provisioned is not None:
        limits.append(candidate.mapping.provisioned.minimum_pollers / LEAST_POLLERS)
    elif candidate.buffer in QUEUES:
        quotas = question.limits
        gained_a_second = quotas.sqs_pollers_per_minute / 60
        limits.append(quotas.sqs_pollers_start + gained_a_second * _HEAD_START * in_time(question))
    if question.downstream_per_s is not None:
        limits.append(question.downstream_per_s / LEAST_DOWNSTREAM_PER_S)
    return max(1.0, min(limits))


def factor(question: Question, candidate: Candidate, requests: float, wanted: float) -> float:
    """By how much to divide a run of so many requests to have about `wanted` of them; 1 if it is simulated whole."""
    rough = min(largest_factor(question, candidate), requests / wanted)
    if rough <= 1:
        return 1.0
    cap = _binding_cap(candidate)
    return rough if cap is None else cap / math.ceil(cap / rough)


def scaled(scenario: Scenario, by: float) -> Scenario:
    """The scenario, `by` times smaller, its arrivals apart: those are divided where they are made."""
    if by <= 1:
        return scenario
    quotas = Quotas.with_overrides(scenario.quotas)
    shrunk: dict[str, float] = dict(scenario.quotas)
    for entry in fields(Quotas):
        if entry.name in SHARED:
            value = getattr(quotas, entry.name) / by
            shrunk[entry.name] = max(1, round(value)) if isinstance(getattr(quotas, entry.name), int) else value
    mapping = scenario.mapping
    provisioned = mapping.provisioned
    keys = scenario.partition_keys
    return replace(
        scenario,
        quotas=shrunk,
        partition_keys=replace(keys, keys=max(1, round(keys.keys / by))) if isinstance(keys, Uniform) else keys,
        mapping=replace(
            mapping,
            shards=None if mapping.shards is None else max(1, round(mapping.shards / by)),
            maximum_concurrency=_whole(mapping.maximum_concurrency, by),
            provisioned=None
            if provisioned is None
            else Provisioned(_pollers(provisioned.minimum_pollers, by), _pollers(provisioned.maximum_pollers, by)),
        ),
        function=replace(scenario.function, reserved_concurrency=_whole(scenario.function.reserved_concurrency, by)),
        downstream=replace(
            scenario.downstream,
            rate_per_s=None if scenario.downstream.rate_per_s is None else scenario.downstream.rate_per_s / by,
        ),
    )


def _binding_cap(candidate: Candidate) -> int | None:
    """The whole number that has to divide evenly."""
    if candidate.buffer in STREAMS:
        return candidate.mapping.shards
    if candidate.mapping.provisioned is not None:
        return candidate.mapping.provisioned.minimum_pollers
    return candidate.mapping.maximum_concurrency or candidate.reserved_concurrency


def _whole(value: int | None, by: float) -> int | None:
    return None if value is None else max(1, round(value / by))


def _pollers(value: int, by: float) -> int:
    # AWS takes 2 at the least.
    return max(2, round(value / by))
