"""A candidate as parameters of infra.yaml, to be pasted."""

import shlex

from simulator.planner.candidate import QUEUES, STREAMS, Candidate
from simulator.planner.question import Question


def parameters(question: Question, candidate: Candidate) -> dict[str, str]:
    """infra.yaml's parameters for a candidate, by name. Those of the other buffers keep their defaults."""
    mapping = candidate.mapping
    found = {
        "FunctionMemory": f"{question.memory_mb}",
        "FunctionTimeout": f"{question.timeout_s:.0f}",
        "InBatchConcurrency": f"{question.in_batch_concurrency}",
    }
    if candidate.buffer == "sns":
        found["SnsReservedConcurrency"] = f"{candidate.reserved_concurrency or 0}"
    if candidate.buffer in QUEUES:
        found |= {
            "SqsBatchSize": f"{mapping.batch_size}",
            "SqsBatchingWindow": f"{mapping.batching_window_s:.0f}",
            "SqsVisibilityTimeout": f"{mapping.visibility_timeout_s:.0f}",
            "SqsMaxReceiveCount": f"{mapping.max_receive_count}",
            "SqsFifo": "true" if candidate.buffer == "sqs-fifo" else "false",
        }
        if mapping.provisioned is not None:
            found["SqsMinimumPollers"] = f"{mapping.provisioned.minimum_pollers}"
            found["SqsMaximumPollers"] = f"{mapping.provisioned.maximum_pollers}"
        else:
            found["SqsMaximumConcurrency"] = f"{mapping.maximum_concurrency}"
    if candidate.buffer in STREAMS:
        found |= {
            "KinesisShardCount": f"{mapping.shards}",
            "KinesisBatchSize": f"{mapping.batch_size}",
            "KinesisParallelizationFactor": f"{mapping.parallelization_factor}",
            "KinesisMaximumRetryAttempts": f"{mapping.maximum_retry_attempts}",
            "KinesisBisectBatch": "true" if mapping.bisect else "false",
            "KinesisFanOut": "true" if candidate.buffer == "kinesis-efo" else "false",
        }
    if question.api:
        # The stage's own throttle must let through what the account's does; the template takes no more than 10,000.
        found["ThrottleRate"] = f"{min(10_000, max(1, round(question.limits.api_requests_per_s)))}"
    return found


def beyond(question: Question, candidate: Candidate) -> list[str]:
    """What the candidate needs that no parameter of infra.yaml sets."""
    needs: list[str] = []
    if candidate.mapping.high_throughput:
        needs.append("set DeduplicationScope: messageGroup and FifoThroughputLimit: perMessageGroupId on the queue")
    if question.api and question.limits.api_requests_per_s > 10_000:
        needs.append("raise ThrottleRate's MaxValue in infra.yaml once AWS has raised the account's own")
    return needs


def as_command(found: dict[str, str]) -> str:
    """The command to paste, which makes a stack of them."""
    given = " ".join(f"-p {name}={shlex.quote(value)}" for name, value in found.items())
    return f"forebay deploy --stack forebay {given}"


def as_yaml(found: dict[str, str]) -> str:
    """A block for a parameter file; quoted, for CloudFormation takes texts."""
    return "\n".join(f'{name}: "{value}"' for name, value in found.items())
