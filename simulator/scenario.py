"""A scenario: what arrives, the way it takes, and the function at its end. Everything a simulation depends on.

The keys of a scenario file are the fields of these classes; `simulator.scenario_file` reads one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from simulator.duration import Duration, Fixed, Lognormal, RecordedTimes

if TYPE_CHECKING:
    from array import array

Buffer = Literal["sns", "sqs", "sqs-fifo", "kinesis", "kinesis-efo"]
BUFFERS: tuple[Buffer, ...] = ("sns", "sqs", "sqs-fifo", "kinesis", "kinesis-efo")


@dataclass(frozen=True, slots=True)
class Burst:
    """So many records at second 0, all at once."""

    count: int


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate over time: knots of (second, records a second), linear in between; the same second twice is a step.

    `poisson` draws the gaps at random; else records come evenly, each when the expected count reaches the next half.
    """

    knots: tuple[tuple[float, float], ...]
    poisson: bool = True


@dataclass(frozen=True, slots=True)
class Recorded:
    """Arrival times given one by one, seconds since the start, ascending: a workload's own schedule, or a recording."""

    times: "array[float]"
    label: str


Arrivals = Burst | Rate | Recorded


@dataclass(frozen=True, slots=True)
class Uniform:
    """So many partition keys, each as likely."""

    keys: int = 10_000


@dataclass(frozen=True, slots=True)
class Zipf:
    """So many partition keys; the k-th is k**-s as likely as the first."""

    keys: int
    s: float


@dataclass(frozen=True, slots=True)
class Hot:
    """So many partition keys, one of which has that share of all records (0 to 1)."""

    keys: int
    share: float


@dataclass(frozen=True, slots=True)
class RecordedKeys:
    """The hash key of each record (0 to 2**128 - 1), in the order in which they reach the buffer: a recording's own.

    Whole ones, for half of one tells the shard, but not which of its lanes a record goes to.
    """

    hash_keys: tuple[int, ...]


PartitionKeys = Uniform | Zipf | Hot | RecordedKeys


@dataclass(frozen=True, slots=True)
class Provisioned:
    """Provisioned mode of an SQS mapping."""

    minimum_pollers: int
    maximum_pollers: int


@dataclass(frozen=True, slots=True)
class MappingSettings:
    """How the buffer reaches the function. A setting that a buffer does not have does nothing there.

    `batch_size` and `batching_window_s`: SQS and Kinesis. `maximum_concurrency`, `provisioned`,
    `visibility_timeout_s`, `max_receive_count` (None: no dead-letter queue): SQS; `high_throughput`: SQS FIFO.
    `shards` (None: on demand), `parallelization_factor`, `bisect`, `maximum_record_age_s`: Kinesis.
    `maximum_retry_attempts`: Kinesis, -1 for no end, and SNS, where AWS takes 2 at the most and a larger number means
    2. `maximum_event_age_s`: SNS. `partial_failures` is ReportBatchItemFailures. `on_failure` says whether what is
    given up goes to a destination (SNS, Kinesis); without one it is lost.
    """

    batch_size: int = 1
    batching_window_s: float = 0.0
    maximum_concurrency: int | None = None
    provisioned: Provisioned | None = None
    visibility_timeout_s: float = 300.0
    max_receive_count: int | None = 5
    high_throughput: bool = False
    shards: int | None = 2
    parallelization_factor: int = 1
    bisect: bool = True
    maximum_retry_attempts: int = 10
    maximum_record_age_s: float | None = None
    maximum_event_age_s: float = 21_600.0
    partial_failures: bool = True
    on_failure: bool = True


@dataclass(frozen=True, slots=True)
class Function:
    """The function behind the buffer.

    An invocation takes `invocation_ms` before its first record begins (its event on the way, read and taken apart),
    billed and within its timeout; 0 unless told. A batch is worked through by `in_batch_concurrency` strands; a record
    takes `per_record_ms` of one (recorded times in the order in which records begin), beside what a downstream makes it
    wait. `error_rate` is the chance that a try of a
    record fails, `poison_rate` the chance that a record fails at each try. `memory_mb` matters for the cost only.
    """

    reserved_concurrency: int | None = None
    timeout_s: float = 60.0
    cold_start_ms: Duration = Lognormal(300, 900)
    invocation_ms: Duration = Fixed(0)
    per_record_ms: Fixed | Lognormal | RecordedTimes = Fixed(50)
    in_batch_concurrency: int = 1
    error_rate: float = 0.0
    poison_rate: float = 0.0
    memory_mb: int = 1_024


@dataclass(frozen=True, slots=True)
class Downstream:
    """A service the function calls once a record, with a quota; `rate_per_s` None: it has none.

    A throttled call is tried again after random() * min(backoff_max_s, backoff_first_s * 2**(n - 1)) seconds, as the
    SDKs do, `sdk_attempts` calls in all; None: for as long as the function has time, then the record is handed back.
    `burst_s` is how many seconds of its rate may come at once.
    """

    rate_per_s: float | None = None
    sdk_attempts: int | None = 5
    backoff_first_s: float = 1.0
    backoff_max_s: float = 20.0
    burst_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """One simulation. `quotas` are overrides of `delivery.quotas` by name.

    `api`: whether API Gateway's account throttle stands in front of the buffer. `transit_ms`: what a record needs
    from the sender until it is in the buffer; 0 unless told, for AWS publishes no figure.
    """

    name: str = "scenario"
    seed: int = 1
    until_s: float = 3_600.0
    buffer: Buffer = "sqs"
    arrivals: Arrivals = Burst(1_000)
    payload_bytes: int = 2_000
    partition_keys: PartitionKeys = Uniform()
    mapping: MappingSettings = MappingSettings()
    function: Function = Function()
    downstream: Downstream = Downstream()
    api: bool = False
    transit_ms: Duration = Fixed(0)
    quotas: Mapping[str, float] = field(default_factory=dict)
