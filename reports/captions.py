"""What to see in a figure, for who sees one for the first time.

MECHANISMS say what AWS documents, of any run; the captions say what is true of this one, and only that.
"""

from typing import TYPE_CHECKING, Final

from pipeline.units import count, duration, listed
from reports.palette import faces

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reports.closed_model import ClosedModel
    from reports.findings import Findings
    from reports.quantiles import Quantiles

# AWS Lambda developer guide: "Handling errors and retries with asynchronous invocation", "Using Lambda with Amazon SQS"
# (polling and scaling, maximum concurrency, FIFO), "Using Lambda with Kinesis" (batching, parallelization factor,
# enhanced fan-out).
MECHANISMS: Final = {
    "sns": (
        "SNS pushes each message to Lambda at once, one an invocation. Lambda keeps it in a queue of its own; if no "
        "execution environment is free, the attempt is throttled and repeated after a pause that grows from one second "
        "to five minutes, for up to six hours. So messages come back out of order, and some wait long after others "
        "are done."
    ),
    "sqs": (
        "Lambda polls the queue and takes messages in batches. It begins with five concurrent batches and adds up to "
        "300 more a minute, never above the mapping's MaximumConcurrency; what is not polled yet waits in the queue, "
        "in about the order it came."
    ),
    "sqs-fifo": (
        "A FIFO queue hands out the messages of a group in order: a group is with one batch at a time, so that no more "
        "batches run than groups have messages. A message that fails holds up those behind it in its group until it is "
        "done or given up. Without high throughput the queue takes 300 calls a second of each kind."
    ),
    "kinesis": (
        "A shard takes 1,000 records or 1 MiB a second; beyond that the caller is told to slow down. Lambda reads each "
        "shard with as many batches at once as the parallelization factor says, so concurrency is shards times that "
        "factor from the first second, and the backlog waits in the stream, in order. A shard that was empty is looked "
        "at once a second."
    ),
    "kinesis-efo": (
        "Kinesis with enhanced fan-out (EFO). The shards take as much as without it, and batches and concurrency are "
        "the same; but Lambda is a registered consumer, to whom each shard pushes its records on a connection of their "
        "own, typically within 70 ms, in place of being looked at once a second. So it is faster while little waits, "
        "and the same once there is a backlog. It is paid by the hour for each shard, and by the data pushed."
    ),
}


def timeline_caption(findings: "Findings") -> str:
    """What the timeline shows of this run."""
    look = faces(list(findings.buffers))
    sentences = [
        "Grey is what was offered each second, the line what was completed; where the line stays below the grey, work "
        "piles up, and the area beneath shows how much of it waits."
    ]
    throttled = {
        name: buffer.observed.throttles for name, buffer in findings.buffers.items() if buffer.observed.throttles
    }
    for name, throttles in throttled.items():
        sentences.append(f"{look[name].name} met {count(throttles, 'throttle')}, each bar a second of them.")
    rejected = {name: buffer.account.refused for name, buffer in findings.buffers.items() if buffer.account.refused}
    for name, refused in rejected.items():
        sentences.append(
            f"{look[name].name} turned {count(refused, 'request')} away at the door; they are offered, never completed."
        )
    peaks = {
        name: buffer.observed.peak_backlog for name, buffer in findings.buffers.items() if buffer.observed.peak_backlog
    }
    if len(peaks) > 1:
        most = max(peaks, key=lambda name: peaks[name])
        sentences.append(f"The largest backlog was that of {look[most].name}, {count(peaks[most], 'request')}.")
    return " ".join(sentences)


def latency_caption(findings: "Findings") -> str:
    """What the percentile plot shows of this run."""
    look = faces(list(findings.buffers))
    sentences = [
        "Lower is faster. The further right, the fewer requests are left, so that the slowest few get as much room as "
        "the many. Dots are the percentiles of the table, the bars behind them their 95 % intervals; where the line is "
        "dotted, fewer than ten requests are left."
    ]
    worst = {name: buffer.latency.max for name, buffer in findings.buffers.items() if buffer.latency.max is not None}
    if len(worst) > 1:
        first, *_, last = sorted(worst, key=lambda name: worst[name])
        sentences.append(
            f"The slowest result of {look[first].name} took {duration(worst[first])}, that of {look[last].name} "
            f"{duration(worst[last])}."
        )
    measured = {look[name].name: (buffer.latency, buffer.closed_model) for name, buffer in findings.buffers.items()}
    sentences.append(closed_model_said(measured, "result"))
    ended = [look[name].name for name, buffer in findings.buffers.items() if buffer.latency.endless]
    if ended:
        sentences.append(
            f"The line of {listed(ended)} stops where requests without a result begin: they rank as the slowest."
        )
    return " ".join(filter(None, sentences))


def closed_model_said(measured: "Mapping[str, tuple[Quantiles, ClosedModel]]", awaited: str) -> str:
    """What the thin lines are, and where they are furthest from what was measured."""
    if not any(closed.latency_curve for _, closed in measured.values()):
        return ""
    users = next(closed.users for _, closed in measured.values())
    text = (
        f"The thin lines are not corrected for coordinated omission: what {users} users would have measured of whom "
        f"each waits for its {awaited} before it sends again (a closed model)"
    )
    apart = {
        name: middle / closed_middle
        for name, (latency, closed) in measured.items()
        if (middle := latency.value("p50")) and (closed_middle := closed.latency.value("p50"))
    }
    if not apart:
        return f"{text}."
    name = max(apart, key=lambda one: apart[one])
    whole, seen = measured[name][0], measured[name][1].latency
    return (
        f"{text}; of the {count(whole.n + whole.endless, 'request')} to {name} they would have sent "
        f"{count(seen.n + seen.endless)}, and called the median {duration(seen.value('p50'))} where it was "
        f"{duration(whole.value('p50'))}."
    )
