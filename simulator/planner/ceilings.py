"""How large a spike can be, by arithmetic alone: what no simulation is needed for, and what checks every simulation.

Each ceiling is an upper bound that holds for any order of work: to have a share p of the requests done within T seconds
of their arrival, p of all that arrive in D seconds must be done after D + T. So with a way through of `rate` a second

    peak * D * p <= rate * (D + T)

A candidate whose lowest ceiling lies below the spike cannot meet the objective, whatever chance does. One above it may
still fail: throttles, retries and uneven shards cost what arithmetic does not see. That is what simulating is for.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from simulator.planner.candidate import QUEUES, STREAMS, Candidate
from simulator.planner.question import Question

# What a key adds to a record's counted size on Kinesis: a UUID, as Forebay's own records have.
KEY_BYTES = 36


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The largest peak, all requests a second together, that one limit allows.

    `limit` is its name, the same for all candidates; `because` how it comes about.
    """

    limit: str
    peak_per_s: float
    because: str


def in_time(question: Question) -> float:
    """For how many seconds there is a way through: while the spike lasts, and while the last request may wait."""
    return question.spike_s + question.latency.within_s


def peak_of(question: Question, rate: float, saved_up: float = 0.0) -> float:
    """The largest peak of which enough is done in time with `rate` a second, and `saved_up` beside it."""
    return (rate * in_time(question) + saved_up) / (question.spike_s * question.latency.share)


def rate_needed(question: Question) -> float:
    """The least rate that gets enough of the spike done in time. Never less than the baseline."""
    needed = question.spike_requests * question.latency.share / in_time(question)
    return max(question.baseline_per_s, needed)


def downstream_needed(question: Question) -> float:
    """The least rate of the downstream that could do: its bucket gives a second's worth beside it."""
    needed = question.spike_requests * question.latency.share / (in_time(question) + 1)
    return max(question.baseline_per_s, needed)


def soonest_s(question: Question, rate: float) -> float:
    """The least that the objective's percentile can be with `rate` a second: no order of work does better."""
    return max(0.0, question.spike_requests * question.latency.share / rate - question.spike_s)


def per_environment(question: Question, candidate: Candidate) -> float:
    """Records a second of one busy environment, at the most."""
    return candidate.strands(question) / question.per_record.mean_s


def downstream(question: Question) -> Iterator[Ceiling]:
    """What the service behind the function allows, whatever the buffer."""
    rate = question.downstream_per_s
    if rate is None:
        return
    if rate <= question.baseline_per_s:
        baseline = (
            f"the baseline alone brings {question.baseline_per_s:,.4g}/s, and no backlog would ever be worked off"
        )
        yield Ceiling("downstream", 0.0, f"the downstream does {rate:,.4g}/s, {baseline}")
    # Its token bucket holds one second's worth.
    yield Ceiling("downstream", peak_of(question, rate, rate), f"the downstream does {rate:,.4g}/s")


def api(question: Question) -> Iterator[Ceiling]:
    """What API Gateway takes in, if it stands in front."""
    if not question.api:
        return
    rate, burst = question.limits.api_requests_per_s, question.limits.api_burst_requests
    peak = (rate + burst / question.spike_s) / question.latency.share
    yield Ceiling("API Gateway", peak, f"the API takes {rate:,.0f}/s and {burst:,} at once")


def door(question: Question, candidate: Candidate) -> Iterator[Ceiling]:
    """What the buffer takes in: what it refuses never ends, and the percentile allows a share of that."""
    quotas, spike_s, share = question.limits, question.spike_s, question.latency.share
    if candidate.buffer == "sns":
        rate = quotas.sns_messages_per_s
        yield Ceiling("SNS publish quota", rate * (1 + 1 / spike_s) / share, f"SNS takes {rate:,.0f} messages/s")
    if candidate.buffer == "sqs-fifo":
        high = candidate.mapping.high_throughput
        rate = quotas.sqs_fifo_high_throughput_calls_per_s if high else quotas.sqs_fifo_calls_per_s
        yield Ceiling(
            "FIFO calls",
            rate * (1 + quotas.sqs_fifo_calls_burst_s / spike_s) / share,
            f"the queue takes {rate:,.0f} SendMessage calls/s, each of one request",
        )
    if candidate.buffer in STREAMS and candidate.mapping.shards is not None:
        counted = question.payload_bytes + KEY_BYTES
        each = min(quotas.kinesis_shard_records_per_s, quotas.kinesis_shard_bytes_per_s / counted)
        yield Ceiling(
            "shards' writes",
            candidate.mapping.shards * each * (1 + quotas.kinesis_shard_burst_s / spike_s) / share,
            f"{candidate.mapping.shards:,} x {each:,.0f} records/s of {counted:,} bytes",
        )


def function(question: Question, candidate: Candidate) -> Iterator[Ceiling]:
    """What the function does at its full concurrency, and what it can do while an SQS mapping's pollers still grow."""
    each, most = per_environment(question, candidate), candidate.concurrency(question)
    if most * each <= question.baseline_per_s:
        yield Ceiling("concurrency", 0.0, f"{most:,} at once do {most * each:,.4g}/s, no more than the baseline")
    yield Ceiling(
        "concurrency",
        peak_of(question, most * each),
        f"{most:,} at once x {each:,.3g} records/s each = {most * each:,.4g}/s",
    )
    if candidate.buffer in QUEUES:
        start, per_s = pollers(question, candidate)
        busy_s = _area(start, per_s, most, in_time(question))
        yield Ceiling(
            "pollers' growth",
            busy_s * each / (question.spike_s * question.latency.share),
            f"{start:,.0f} batches at once, {per_s * 60:,.0f} more a minute up to {most:,}",
        )
    if candidate.mapping.provisioned is not None:
        number, each = candidate.mapping.provisioned.maximum_pollers, per_poller(question, candidate.mapping.batch_size)
        yield Ceiling(
            "pollers' receives",
            peak_of(question, number * each),
            f"{number:,} pollers x {each:,.3g} requests/s received",
        )


def per_poller(question: Question, batch: int) -> float:
    """Requests a second that one provisioned poller can receive."""
    quotas = question.limits
    calls = quotas.sqs_provisioned_receives_per_s * min(batch, quotas.sqs_receive_messages)
    return min(calls, quotas.sqs_provisioned_bytes_per_s / question.payload_bytes)


def pollers(question: Question, candidate: Candidate) -> tuple[float, float]:
    """With how many batches at once an SQS mapping meets the spike, at the most, and how many it gains a second."""
    quotas = question.limits
    if candidate.mapping.provisioned is not None:
        start = candidate.mapping.provisioned.minimum_pollers * quotas.sqs_provisioned_invokes_per_poller
        return start, quotas.sqs_provisioned_invokes_per_minute / 60
    # At the most one for each record in work: batches are not full where nothing waits.
    at_baseline = question.baseline_per_s * question.per_record.mean_s
    return quotas.sqs_pollers_start + math.ceil(at_baseline), quotas.sqs_pollers_per_minute / 60


def _area(start: float, per_s: float, most: float, seconds: float) -> float:
    """Batch-seconds of `start` batches at once that become `per_s` more each second until they are `most`."""
    start = min(start, most)
    growing_s = min(seconds, (most - start) / per_s) if per_s > 0 else 0.0
    grown = start + per_s * growing_s
    return (start + grown) / 2 * growing_s + grown * (seconds - growing_s)


def of(question: Question, candidate: Candidate) -> list[Ceiling]:
    """All of a candidate's ceilings, the lowest first."""
    found = [*downstream(question), *api(question), *door(question, candidate), *function(question, candidate)]
    return sorted(found, key=lambda ceiling: ceiling.peak_per_s)
