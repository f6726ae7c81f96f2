"""Every number AWS's delivery depends on: one table, each entry with its source and how sure it is.

    quotas = Quotas.with_overrides({"account_concurrency": 10})
    quotas.account_concurrency                     10
    Quotas.entry("account_concurrency").source     "Lambda quotas, gettingstarted-limits"

The names are the options of whoever drives a machine: a test run may shorten the waits, a scenario may try a
raised quota. Where AWS publishes nothing the entry says so (confidence L) and is there to be varied.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any, Literal, Self

AS_OF = "2026-11-23"

# H: AWS's documentation or API model. M: one secondary source, or derived from H. L: our assumption, unpublished.
Confidence = Literal["H", "M", "L"]


class UnknownQuotaError(KeyError):
    """A name that is not in the table; the text gives the nearest ones, or where all are."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True)
class Quota:
    """One number with what is known about it. `raisable` if AWS raises the default on request."""

    value: float
    unit: str
    source: str
    confidence: Confidence
    raisable: bool = False
    as_of: str = AS_OF


def _whole(value: int, unit: str, source: str, confidence: Confidence, *, raisable: bool = False) -> int:
    entry = Quota(value, unit, source, confidence, raisable)
    default: int = field(default=value, metadata={"quota": entry})
    return default


def _real(value: float, unit: str, source: str, confidence: Confidence, *, raisable: bool = False) -> float:
    entry = Quota(value, unit, source, confidence, raisable)
    default: float = field(default=value, metadata={"quota": entry})
    return default


_MIB = 1 << 20
_LAMBDA = "Lambda quotas, gettingstarted-limits"
_SCALING = "Lambda developer guide, scaling-behavior"
_ASYNC = "Lambda developer guide, invocation-async-error-handling"
_KINESIS = "Kinesis Data Streams quotas, service-sizes-and-limits"
_GET_RECORDS = "Kinesis API, GetRecords"
_ON_DEMAND = "Kinesis developer guide, how-do-i-size-a-stream"
_SUBSCRIBE = "Kinesis API, SubscribeToShard"
_STREAM_MAPPING = "Lambda developer guide, with-kinesis"
_QUEUE_SCALING = "Lambda developer guide, services-sqs-scaling"
_QUEUE_MAPPING = "Lambda developer guide, with-sqs"
_POLLER_CONFIG = "Lambda API, ProvisionedPollerConfig"
_SQS = "SQS API, SetQueueAttributes"
_SQS_MESSAGES = "SQS developer guide, quotas-messages"
_FIFO = "SQS developer guide, avoid-backlog-with-the-same-message-group-id"
_SNS_RETRIES = "SNS developer guide, sns-message-delivery-retries"
_WEBSOCKET = "API Gateway quotas, apigateway-execution-service-websocket-limits-table"
_UNPUBLISHED = "unpublished; assumed"


@dataclass(frozen=True)
class Quotas:
    """The numbers in force. Rates are per second, times in seconds, sizes in bytes, unless the name says otherwise."""

    # Lambda concurrency
    account_concurrency: int = _whole(1_000, "environments", _LAMBDA, "H", raisable=True)
    account_unreserved_min: int = _whole(100, "environments", "Lambda API, PutFunctionConcurrency", "H")
    environments_per_10_s: int = _whole(1_000, "environments per 10 s and function", _SCALING, "H")
    requests_per_10_s: int = _whole(10_000, "requests/s more per 10 s and function", _SCALING, "H")
    environment_idle_s: float = _real(300.0, "s", _UNPUBLISHED, "L")
    event_bytes: int = _whole(6 * _MIB, "bytes", _LAMBDA, "H")

    # Lambda synchronous invocation
    sync_requests_per_s_per_environment: float = _real(10.0, "requests/s per concurrency", _LAMBDA, "H")

    # Lambda asynchronous invocation
    async_event_bytes: int = _whole(_MIB, "bytes", _LAMBDA, "H")
    async_first_retry_s: float = _real(60.0, "s", _ASYNC, "H")
    async_second_retry_s: float = _real(120.0, "s", _ASYNC, "H")
    async_throttle_first_s: float = _real(1.0, "s", _ASYNC, "H")
    async_throttle_max_s: float = _real(300.0, "s", _ASYNC, "H")
    async_throttle_jitter: float = _real(0.5, "share of the wait that is random", _UNPUBLISHED, "L")
    async_event_age_max_s: float = _real(21_600.0, "s", _ASYNC, "H")

    async_reads_per_s: float = _real(0.0, "events/s read from the queue, 0 for no limit", _UNPUBLISHED, "L")
    async_duplicate_share: float = _real(0.0, "share of deliveries that are doubled", _UNPUBLISHED, "L")

    # API Gateway
    api_requests_per_s: float = _real(10_000.0, "requests/s", "API Gateway quotas, limits", "H", raisable=True)
    api_burst_requests: int = _whole(5_000, "requests", "API Gateway quotas, limits", "H")

    # API Gateway WebSocket
    websocket_connections_per_s: float = _real(500.0, "new connections/s", _WEBSOCKET, "H", raisable=True)
    websocket_connections_burst_s: float = _real(1.0, "s of the new connections, saved up", _UNPUBLISHED, "L")
    websocket_message_bytes: int = _whole(128 << 10, "bytes", _WEBSOCKET, "H")
    websocket_frame_bytes: int = _whole(32 << 10, "bytes", _WEBSOCKET, "H")
    websocket_idle_s: float = _real(600.0, "s", _WEBSOCKET, "H")
    websocket_connection_s: float = _real(7_200.0, "s", _WEBSOCKET, "H")
    websocket_integration_s: float = _real(29.0, "s", _WEBSOCKET, "H")
    websocket_send_buffer_bytes: int = _whole(_MIB, "bytes a client may lag behind", _UNPUBLISHED, "L")
    websocket_stuck_s: float = _real(30.0, "s a client may take nothing that waits for it", _UNPUBLISHED, "L")

    # Kinesis Data Streams
    kinesis_shard_records_per_s: float = _real(1_000.0, "records/s", _KINESIS, "H")
    kinesis_shard_bytes_per_s: float = _real(float(_MIB), "bytes/s", _KINESIS, "H")
    kinesis_shard_burst_s: float = _real(1.0, "s of the shard's rate, saved up", _UNPUBLISHED, "L")
    kinesis_record_bytes: int = _whole(_MIB, "bytes", "Kinesis API, MaxRecordSizeInKiB", "H", raisable=True)
    kinesis_put_records_count: int = _whole(500, "records", "Kinesis API, PutRecords", "H")
    kinesis_put_records_bytes: int = _whole(10 * _MIB, "bytes", "Kinesis API, PutRecords", "H")
    kinesis_shard_reads_per_s: float = _real(5.0, "calls/s", _GET_RECORDS, "H")
    kinesis_shard_read_bytes_per_s: float = _real(2.0 * _MIB, "bytes/s", _GET_RECORDS, "H")
    kinesis_read_records: int = _whole(10_000, "records", _GET_RECORDS, "H")
    kinesis_read_bytes: int = _whole(10 * _MIB, "bytes", _GET_RECORDS, "H")
    kinesis_retention_s: float = _real(86_400.0, "s", _KINESIS, "H", raisable=True)

    # Kinesis on-demand
    kinesis_on_demand_shards: int = _whole(4, "shards at the start", _ON_DEMAND, "H")
    kinesis_on_demand_split_bytes_per_s: float = _real(500_000.0, "bytes/s, shard", _ON_DEMAND, "H")
    kinesis_on_demand_split_records_per_s: float = _real(500.0, "records/s, shard", "derived", "M")
    kinesis_on_demand_split_s: float = _real(900.0, "s, at most", _ON_DEMAND, "H")
    kinesis_on_demand_window_s: float = _real(60.0, "s a shard's rate is taken over", _UNPUBLISHED, "L")
    kinesis_on_demand_bytes_per_s: float = _real(10e9, "bytes/s, us-east-1", _KINESIS, "H", raisable=True)

    # Kinesis enhanced fan-out
    kinesis_consumers: int = _whole(20, "consumers a stream", "Kinesis API, RegisterStreamConsumer", "H")
    kinesis_fan_out_bytes_per_s: float = _real(2.0 * _MIB, "bytes/s, shard and consumer", _SUBSCRIBE, "H")
    kinesis_fan_out_push_min_s: float = _real(0.02, "s", _UNPUBLISHED, "L")
    kinesis_fan_out_push_max_s: float = _real(0.07, "s, typically", "Kinesis Data Streams FAQ", "H")
    kinesis_fan_out_push_bytes: int = _whole(256 << 10, "bytes a push", _UNPUBLISHED, "L")

    # Kinesis event source mapping
    kinesis_poll_interval_s: float = _real(1.0, "s", _STREAM_MAPPING, "H")
    kinesis_retry_first_s: float = _real(1.0, "s", _UNPUBLISHED, "L")
    kinesis_retry_max_s: float = _real(60.0, "s", _UNPUBLISHED, "L")
    kinesis_throttle_first_s: float = _real(0.5, "s", _UNPUBLISHED, "L")
    kinesis_throttle_max_s: float = _real(10.0, "s", _UNPUBLISHED, "L")
    kinesis_event_overhead_bytes: int = _whole(512, "bytes a record, beside its base64", "derived", "M")

    # SQS
    sqs_message_bytes: int = _whole(_MIB, "bytes", "SQS API, SendMessage", "H")
    sqs_receive_messages: int = _whole(10, "messages a call", "SQS API, ReceiveMessage", "H")
    sqs_in_flight_max: int = _whole(120_000, "messages", "SQS API, ChangeMessageVisibility", "H", raisable=True)
    sqs_retention_s: float = _real(345_600.0, "s", _SQS, "H", raisable=True)
    sqs_fifo_window_messages: int = _whole(120_000, "messages looked at, those in flight among them", _FIFO, "H")
    sqs_fifo_calls_per_s: float = _real(300.0, "calls/s and action", _SQS_MESSAGES, "H", raisable=True)
    sqs_fifo_high_throughput_calls_per_s: float = _real(
        70_000.0, "calls/s and action, us-east-1", _SQS_MESSAGES, "M", raisable=True
    )
    sqs_fifo_calls_burst_s: float = _real(1.0, "s of the calls, saved up", _UNPUBLISHED, "L")
    sqs_fifo_deduplication_s: float = _real(300.0, "s", "SQS API, SendMessage MessageDeduplicationId", "H")

    # SQS event source mapping
    sqs_pollers_start: int = _whole(5, "pollers", _QUEUE_SCALING, "H")
    sqs_pollers_per_minute: float = _real(300.0, "pollers/min", _QUEUE_SCALING, "H")
    sqs_pollers_max: int = _whole(1_250, "pollers", _QUEUE_SCALING, "H", raisable=True)
    sqs_pollers_min: int = _whole(2, "pollers", _QUEUE_SCALING, "H")
    sqs_pollers_lost_per_failure: float = _real(1.0, "pollers", _UNPUBLISHED, "L")
    sqs_pollers_idle_reset_s: float = _real(60.0, "s", _UNPUBLISHED, "L")
    sqs_pollers_idle_sleep_s: float = _real(300.0, "s", _UNPUBLISHED, "L")
    sqs_low_traffic_wait_s: float = _real(20.0, "s", _QUEUE_MAPPING, "H")
    sqs_throttle_first_s: float = _real(1.0, "s", _UNPUBLISHED, "L")
    sqs_throttle_max_s: float = _real(30.0, "s", _UNPUBLISHED, "L")
    sqs_fifo_batch_max: int = _whole(10, "messages", "Lambda developer guide, services-sqs-configure", "H")
    sqs_event_overhead_bytes: int = _whole(768, "bytes a message", "derived", "M")

    # SQS event source mapping, provisioned mode
    sqs_provisioned_minimum_least: int = _whole(2, "pollers", _POLLER_CONFIG, "H")
    sqs_provisioned_minimum_max: int = _whole(200, "pollers", _POLLER_CONFIG, "H")
    sqs_provisioned_pollers_max: int = _whole(10_000, "pollers", _POLLER_CONFIG, "H")
    sqs_provisioned_invokes_per_poller: int = _whole(10, "invocations at once", _QUEUE_SCALING, "H")
    sqs_provisioned_invokes_per_minute: float = _real(1_000.0, "invocations at once/min", _QUEUE_SCALING, "H")
    sqs_provisioned_bytes_per_s: float = _real(float(_MIB), "bytes/s and poller", _QUEUE_SCALING, "H")
    sqs_provisioned_receives_per_s: float = _real(10.0, "ReceiveMessage calls/s and poller", _QUEUE_SCALING, "H")
    sqs_provisioned_burst_s: float = _real(1.0, "s of a poller's rates, saved up", _UNPUBLISHED, "L")

    # SNS
    sns_messages_per_s: float = _real(30_000.0, "messages/s", "SNS quotas, us-east-1", "H", raisable=True)
    sns_message_bytes: int = _whole(256 << 10, "bytes", "SNS API, CreateTopic MaximumMessageSize", "H", raisable=True)
    # SNS's delivery policy for Lambda: how often and after how long it retries what Lambda fails to accept
    sns_immediate_retries: int = _whole(3, "retries without a wait", _SNS_RETRIES, "H")
    sns_early_retries: int = _whole(2, "retries before the back-off", _SNS_RETRIES, "H")
    sns_backoff_retries: int = _whole(10, "retries of the back-off", _SNS_RETRIES, "H")
    sns_late_retries: int = _whole(100_000, "retries after the back-off", _SNS_RETRIES, "H")
    sns_retry_first_s: float = _real(1.0, "s, before each early one and where the back-off starts", _SNS_RETRIES, "H")
    sns_retry_max_s: float = _real(20.0, "s, where the back-off ends and before each late one", _SNS_RETRIES, "H")
    sns_retry_jitter: float = _real(0.1, "share of the wait that is random", _UNPUBLISHED, "L")

    # Rekognition
    rekognition_detect_labels_per_s: float = _real(50.0, "calls/s, us-east-1", "Rekognition quotas", "H", raisable=True)

    @classmethod
    def with_overrides(cls, overrides: Mapping[str, float]) -> Self:
        """The table with some numbers changed, by name.

        Raises:
            UnknownQuotaError: no number has that name.
            ValueError: it is negative, not finite, or broken where a whole number is needed.
        """
        kinds = {entry.name: entry.type for entry in fields(cls)}
        values: dict[str, Any] = {}
        for name, value in overrides.items():
            if name not in kinds:
                raise UnknownQuotaError(_unknown(name, list(kinds)))
            if not math.isfinite(value) or value < 0:
                raise ValueError(f"quota {name} is {value}; it must be a number of 0 or more")
            if kinds[name] is int and value != int(value):
                raise ValueError(f"quota {name} is {value}; it must be a whole number")
            values[name] = int(value) if kinds[name] is int else float(value)
        return cls(**values)

    @classmethod
    def entry(cls, name: str) -> Quota:
        """What is known about one number.

        Raises:
            UnknownQuotaError: no number has that name.
        """
        table = cls.table()
        if name not in table:
            raise UnknownQuotaError(_unknown(name, list(table)))
        return table[name]

    @classmethod
    def table(cls) -> dict[str, Quota]:
        """Every entry by name, with AWS's default value."""
        return {entry.name: entry.metadata["quota"] for entry in fields(cls)}


def _unknown(name: str, names: list[str]) -> str:
    near = get_close_matches(name, names, n=3)
    hint = f"did you mean {', '.join(near)}?" if near else "delivery/quotas.py has their names"
    return f"there is no quota {name!r}; {hint}"
