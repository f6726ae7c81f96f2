"""One answer to try: a buffer and its settings."""

from dataclasses import dataclass
from typing import Final

from simulator.planner.question import Question
from simulator.scenario import Buffer, Downstream, Function, MappingSettings

BUFFER_NAMES: Final[dict[Buffer, str]] = {
    "sns": "SNS",
    "sqs": "SQS",
    "sqs-fifo": "SQS FIFO",
    "kinesis": "Kinesis",
    "kinesis-efo": "Kinesis with enhanced fan-out",
}
KEPT_IN_ORDER: Final[tuple[Buffer, ...]] = ("sqs-fifo", "kinesis", "kinesis-efo")
STREAMS: Final[tuple[Buffer, ...]] = ("kinesis", "kinesis-efo")
QUEUES: Final[tuple[Buffer, ...]] = ("sqs", "sqs-fifo")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A buffer, how it reaches the function, and how much of the function it may have at once."""

    buffer: Buffer
    mapping: MappingSettings
    reserved_concurrency: int | None = None

    def strands(self, question: Question) -> int:
        """How many records one invocation works on at the same time."""
        return min(question.in_batch_concurrency, self.mapping.batch_size)

    def concurrency(self, question: Question) -> int:
        """The most invocations that can run at once, once everything has grown."""
        quotas = question.limits
        most = [quotas.account_concurrency]
        if self.reserved_concurrency is not None:
            most.append(self.reserved_concurrency)
        if self.buffer in STREAMS and self.mapping.shards is not None:
            most.append(self.mapping.shards * self.mapping.parallelization_factor)
        if self.buffer in QUEUES:
            if self.mapping.provisioned is not None:
                most.append(self.mapping.provisioned.maximum_pollers * 10)
            else:
                most.append(self.mapping.maximum_concurrency or quotas.sqs_pollers_max)
        if self.buffer == "sqs-fifo":
            most.append(question.keys)
        return min(most)

    def function(self, question: Question) -> Function:
        """The function of the question, with this candidate's share of the account."""
        return Function(
            reserved_concurrency=self.reserved_concurrency,
            timeout_s=question.timeout_s,
            cold_start_ms=question.cold_start,
            per_record_ms=question.per_record,
            in_batch_concurrency=question.in_batch_concurrency,
            memory_mb=question.memory_mb,
        )

    def downstream(self, question: Question) -> Downstream:
        """What the function calls."""
        return Downstream(rate_per_s=question.downstream_per_s, sdk_attempts=question.sdk_attempts)

    @property
    def settings(self) -> str:
        """Its settings in words, without the buffer."""
        mapping = self.mapping
        words: list[str] = []
        if self.buffer in STREAMS:
            words.append("on demand" if mapping.shards is None else _count(mapping.shards, "shard"))
            words.append(f"parallelization factor {mapping.parallelization_factor}")
        if self.buffer != "sns":
            words.append("one a batch" if mapping.batch_size == 1 else f"batches of {mapping.batch_size}")
        if mapping.high_throughput:
            words.append("high throughput")
        if self.buffer in QUEUES:
            if mapping.provisioned is not None:
                pollers = mapping.provisioned
                words.append(f"{pollers.minimum_pollers} to {pollers.maximum_pollers} provisioned pollers")
            elif mapping.maximum_concurrency is not None:
                words.append(f"MaximumConcurrency {mapping.maximum_concurrency}")
            else:
                words.append("no MaximumConcurrency")
        if self.buffer == "sns":
            reserved = self.reserved_concurrency
            words.append(f"reserved concurrency {reserved}" if reserved else "no reserved concurrency")
        return ", ".join(words)

    def __str__(self) -> str:
        return f"{BUFFER_NAMES[self.buffer]}: {self.settings}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
