"""What AWS takes for a setting, so that a scenario no account could have is refused where it is written."""

from dataclasses import dataclass
from typing import Final

from delivery.quotas import Quotas

# Not AWS's but this simulator's: each key and each shard takes memory.
MOST_KEYS: Final = 10_000_000
MOST_SHARDS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Limit:
    """The range of a setting, both ends included. `unset` is a value AWS takes beside the range, for "no limit"."""

    least: int
    most: int
    source: str
    unset: int | None = None

    def __str__(self) -> str:
        beside = f"{self.unset}, or " if self.unset is not None else ""
        return f"AWS takes {beside}{self.least:,} to {self.most:,} ({self.source})"

    def allows(self, value: float) -> bool:
        """Whether AWS takes a value."""
        return value == self.unset or self.least <= value <= self.most


_MAPPING: Final = "Lambda API, CreateEventSourceMapping"

# All H: AWS's API models and developer guides, 2026-11-23. A function's timeout and memory are those of functions that
# are not on Managed Instances, whose higher ones the API model gives.
LIMITS: Final = {
    "batch_size": Limit(1, 10_000, f"{_MAPPING}, BatchSize"),
    "batching_window_s": Limit(0, 300, f"{_MAPPING}, MaximumBatchingWindowInSeconds"),
    "maximum_concurrency": Limit(2, 1_000, f"{_MAPPING}, MaximumConcurrency"),
    "minimum_pollers": Limit(
        Quotas.sqs_provisioned_minimum_least, Quotas.sqs_provisioned_minimum_max, f"{_MAPPING}, MinimumPollers"
    ),
    "maximum_pollers": Limit(1, Quotas.sqs_provisioned_pollers_max, f"{_MAPPING}, MaximumPollers"),
    "parallelization_factor": Limit(1, 10, f"{_MAPPING}, ParallelizationFactor"),
    "maximum_retry_attempts": Limit(0, 10_000, f"{_MAPPING}, MaximumRetryAttempts", unset=-1),
    "maximum_record_age_s": Limit(60, 604_800, f"{_MAPPING}, MaximumRecordAgeInSeconds"),
    "maximum_event_age_s": Limit(60, 21_600, "Lambda API, PutFunctionEventInvokeConfig"),
    "visibility_timeout_s": Limit(0, 43_200, "SQS API, SetQueueAttributes"),
    "max_receive_count": Limit(1, 1_000, "SQS API, SetQueueAttributes"),
    "timeout_s": Limit(1, 900, "Lambda quotas, gettingstarted-limits"),
    "memory_mb": Limit(128, 10_240, "Lambda quotas, gettingstarted-limits"),
}
