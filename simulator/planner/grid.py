"""The candidates: each buffer's real knobs around what the arithmetic suggests, less those that cannot be right."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from simulator.planner import ceilings
from simulator.planner.candidate import BUFFER_NAMES, KEPT_IN_ORDER, STREAMS, Candidate
from simulator.planner.idle import IDLE_P99_S
from simulator.planner.question import Question
from simulator.scenario import BUFFERS, Buffer, MappingSettings, Provisioned

# Headroom over the least concurrency that could do, and over what keeps the downstream busy.
_OVER_NEEDED = (1.1, 1.5, 2.0, 3.0)
_OVER_DOWNSTREAM = (1.0, 1.5)
_OVER_SHARDS = (1.0, 1.2, 1.5, 2.0)
_FACTORS = (1, 2, 5, 10)
_BATCHES = (10, 100)
# From these rates on an invocation for each request, or for ten, has no point: a window of a second fills more.
_LARGE_BATCHES_PER_S = 1_000.0
_LARGEST_BATCHES_PER_S = 10_000.0
# Enhanced fan-out saves what a poll once a second costs; if that is less than this share of the objective, why pay.
_SHARE_WORTH_PAYING = 0.1
# AWS: at least six times the function's timeout, plus the window (with-sqs).
_VISIBILITY_TIMEOUTS = 6
# AWS: MaximumConcurrency 2 to 1,000 (Lambda API, CreateEventSourceMapping).
_MAXIMUM_CONCURRENCY = (2, 1_000)
# A batch that takes more of the function's timeout than this on average leaves too little for the slow ones.
_SHARE_OF_TIMEOUT = 0.5
# The most shards tried; AWS gives 20,000 to a large Region's account, infra.yaml takes 500.
_MOST_SHARDS = 500


@dataclass(frozen=True, slots=True)
class Pruned:
    """Candidates that were not simulated, of one buffer and for one reason."""

    buffer: Buffer
    count: int
    reason: str


def candidates(question: Question) -> tuple[list[Candidate], list[Pruned]]:
    """What to simulate, and what not and why."""
    kept: list[Candidate] = []
    unfit: Counter[tuple[Buffer, str]] = Counter()
    too_low: dict[tuple[Buffer, str], list[float]] = {}
    for candidate in everything(question):
        reason = why_not(question, candidate)
        lowest = ceilings.of(question, candidate)[0]
        if reason is not None:
            unfit[candidate.buffer, reason] += 1
        elif lowest.peak_per_s < question.peak_per_s:
            too_low.setdefault((candidate.buffer, lowest.limit), []).append(lowest.peak_per_s)
        else:
            kept.append(candidate)
    pruned = [Pruned(buffer, count, reason) for (buffer, reason), count in unfit.items()]
    for (buffer, limit), peaks in too_low.items():
        best = f"at most {max(peaks):,.0f}/s" if max(peaks) else "less than the baseline"
        pruned.append(Pruned(buffer, len(peaks), f"{limit}: {best}, of {question.peak_per_s:,.0f}/s at the peak"))
    return kept, pruned


def everything(question: Question) -> Iterator[Candidate]:
    """The whole grid."""
    for buffer in BUFFERS:
        yield from dict.fromkeys(_grid(question, buffer))


def why_not(question: Question, candidate: Candidate) -> str | None:
    """Why a candidate is no answer, how large or small the spike may be; None if it could be one."""
    quotas, buffer = question.limits, candidate.buffer
    if question.ordered and buffer not in KEPT_IN_ORDER:
        return f"{BUFFER_NAMES[buffer]} keeps no order, and --order per-key asks for one"
    if not question.ordered and buffer == "sqs-fifo":
        return "without --order a FIFO queue is a standard one at a higher price"
    own_s = question.per_record.mean_s
    if IDLE_P99_S[buffer] + own_s > question.latency.within_s:
        return (
            f"idle it was measured at a p99 of {IDLE_P99_S[buffer] * 1_000:,.0f} ms, "
            f"and the function needs {own_s * 1_000:,.0f} ms: that is more than {question.latency.within_s:g} s"
        )
    most_bytes = {
        "sns": quotas.sns_message_bytes,
        "sqs": quotas.sqs_message_bytes,
        "sqs-fifo": quotas.sqs_message_bytes,
    }
    if question.payload_bytes > most_bytes.get(buffer, quotas.kinesis_record_bytes):
        return f"a payload of {question.payload_bytes:,} bytes is more than it takes"
    if buffer == "kinesis-efo" and IDLE_P99_S["kinesis"] < _SHARE_WORTH_PAYING * question.latency.within_s:
        return f"it costs more than polling and saves {IDLE_P99_S['kinesis'] - IDLE_P99_S[buffer]:.1f} s at the most"
    batch_size = candidate.mapping.batch_size
    if buffer != "sns" and batch_size < _least_batch(question, buffer):
        return f"{question.peak_per_s:,.0f} requests/s, and an invocation for {batch_size}: larger batches share one"
    batch_s = batch_size / candidate.strands(question) * own_s
    if batch_s > question.timeout_s * _SHARE_OF_TIMEOUT:
        return f"batches of {batch_size} take {batch_s:,.3g} s of a timeout of {question.timeout_s:g} s"
    return None


def _least_batch(question: Question, buffer: Buffer) -> int:
    """The smallest batch worth trying."""
    if question.peak_per_s < _LARGE_BATCHES_PER_S:
        return 1
    return 10 if question.peak_per_s < _LARGEST_BATCHES_PER_S or buffer == "sqs-fifo" else 100


def _grid(question: Question, buffer: Buffer) -> Iterator[Candidate]:
    if buffer == "sns":
        for reserved in (*_reservable(question), None):
            yield Candidate("sns", MappingSettings(), reserved)
    elif buffer in STREAMS:
        for shards in _shards(question):
            for factor in _FACTORS:
                for batch in (1, *_BATCHES):
                    settings = MappingSettings(batch_size=batch, shards=shards, parallelization_factor=factor)
                    yield Candidate(buffer, settings)
    else:
        for batch in (1, *_BATCHES):
            window_s = 0.0 if batch <= 10 else 1.0
            if window_s and (buffer == "sqs-fifo" or question.peak_per_s < _LARGE_BATCHES_PER_S):
                continue
            yield from _queues(question, buffer, batch, window_s)


def _queues(question: Question, buffer: Buffer, batch: int, window_s: float) -> Iterator[Candidate]:
    usual = MappingSettings(
        batch_size=batch,
        batching_window_s=window_s,
        visibility_timeout_s=_VISIBILITY_TIMEOUTS * question.timeout_s + window_s,
    )
    least, most = _MAXIMUM_CONCURRENCY
    concurrencies = _concurrencies(question, min(batch, question.in_batch_concurrency))
    # infra.yaml always sets one; the largest is as good as none.
    caps = {min(most, max(least, concurrency)) for concurrency in (*concurrencies, most)}
    for cap in sorted(caps):
        capped = replace(usual, maximum_concurrency=cap)
        yield Candidate(buffer, capped)
        if buffer == "sqs-fifo":
            yield Candidate(buffer, replace(capped, high_throughput=True))
    if buffer == "sqs":
        yield from (Candidate(buffer, replace(usual, provisioned=pollers)) for pollers in _provisioned(question, batch))


def _provisioned(question: Question, batch: int) -> list[Provisioned]:
    """Pollers that stand ready: they pay where growth by 300 a minute comes too late."""
    quotas = question.limits
    each = min(
        ceilings.per_poller(question, batch),
        quotas.sqs_provisioned_invokes_per_poller
        * min(batch, question.in_batch_concurrency)
        / question.per_record.mean_s,
    )
    needed = ceilings.rate_needed(question)
    wanted = {max(quotas.sqs_provisioned_minimum_least, math.ceil(needed * over / each)) for over in _OVER_NEEDED}
    return [Provisioned(number, number) for number in sorted(wanted) if number <= quotas.sqs_provisioned_minimum_max]


def _concurrencies(question: Question, strands: int) -> list[int]:
    """Invocations at once worth trying, when each works on `strands` records at the same time."""
    each = strands / question.per_record.mean_s
    rates = [ceilings.rate_needed(question) * over for over in _OVER_NEEDED]
    if question.downstream_per_s is not None:
        rates += [question.downstream_per_s * over for over in _OVER_DOWNSTREAM]
    return sorted({max(1, math.ceil(rate / each)) for rate in rates})


def _reservable(question: Question) -> list[int]:
    """What may be reserved for a push: AWS keeps 100 of an account's executions unreserved."""
    quotas = question.limits
    most = quotas.account_concurrency - quotas.account_unreserved_min
    return [concurrency for concurrency in _concurrencies(question, 1) if concurrency <= most]


def _shards(question: Question) -> list[int]:
    quotas = question.limits
    each = min(
        quotas.kinesis_shard_records_per_s,
        quotas.kinesis_shard_bytes_per_s / (question.payload_bytes + ceilings.KEY_BYTES),
    )
    needed = max(1, math.ceil(question.peak_per_s / each))
    wanted = {math.ceil(needed * over) for over in _OVER_SHARDS}
    # Parallelism may ask for more than the writes do.
    lanes = ceilings.rate_needed(question) * question.per_record.mean_s / question.in_batch_concurrency
    wanted.add(math.ceil(1.1 * lanes / _FACTORS[-1]))
    return sorted(shards for shards in wanted if 1 <= shards <= _MOST_SHARDS)
