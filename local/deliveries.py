"""How the buffers of a stack reach its functions: event source mappings and subscriptions, each with its driver."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from delivery.async_invoke import AsyncInvoke
from delivery.kinesis_fan_out_mapping import KinesisFanOutMapping
from delivery.kinesis_mapping import KinesisMapping
from delivery.kinesis_stream_mapping import StreamMapping
from delivery.quotas import Quotas
from delivery.sqs_fifo_mapping import SqsFifoMapping
from delivery.sqs_mapping import SqsMapping
from delivery.sqs_provisioned import ProvisionedPollers
from delivery.sync_invoke import SyncInvoke
from local.async_source import AsyncSource, EventStore
from local.clock import Clock
from local.driver import Driver
from local.failure_destination import FailureBucket, FailureDestination, FailureQueue
from local.fifo_queue import FifoQueue
from local.function import Function
from local.gateway.configuration import truth
from local.kinesis_source import KinesisSource
from local.queue import Queue
from local.recorder import UNRECORDED, Recorder
from local.resource_properties import NotServedError, last_segment, read
from local.sqs_source import SqsSource
from local.standard_queue import StandardQueue
from local.stream import Stream
from local.sync_calls import SyncCalls
from local.template import Resource
from local.wire import WireService

# API:CreateEventSourceMapping.
_KINESIS_BATCH_SIZE: Final = 100
_SQS_BATCH_SIZE: Final = 10
# API:PutFunctionEventInvokeConfig; what holds for a function that has no such configuration, too.
_EVENT_RETRIES: Final = 2
_EVENT_AGE_S: Final = 21_600

_MAPPING: Final = (
    "FunctionName",
    "EventSourceArn",
    "BatchSize",
    "MaximumBatchingWindowInSeconds",
    "FunctionResponseTypes",
)


@dataclass(frozen=True, slots=True)
class Deliveries:
    """What it takes to make a delivery: the functions by ARN, and where failures may go."""

    functions: Mapping[str, Function]
    queues: Mapping[str, Queue]
    buckets: Mapping[str, str]
    s3: WireService
    quotas: Quotas
    clock: Clock
    seed: int
    recorder: Recorder = UNRECORDED

    def of_stream(self, resource: Resource, stream: Stream) -> Driver:
        """A mapping that polls a stream, its driver subscribed to it.

        Raises:
            NotServedError: it has a property that is not served, or names what is not in the template.
        """
        return self._of_shards(resource, stream, stream.arn, KinesisMapping)

    def of_consumer(self, resource: Resource, stream: Stream, consumer_arn: str) -> Driver:
        """A mapping that a stream pushes to by enhanced fan-out, its driver subscribed to the stream.

        Raises:
            NotServedError: it has a property that is not served, or names what is not in the template.
        """
        stream.mapped_consumers.add(consumer_arn)
        return self._of_shards(resource, stream, consumer_arn, KinesisFanOutMapping)

    def _of_shards(self, resource: Resource, stream: Stream, source_arn: str, make: type[StreamMapping]) -> Driver:
        properties = read(
            resource,
            heeded=(
                *_MAPPING, "ParallelizationFactor", "MaximumRetryAttempts", "MaximumRecordAgeInSeconds",
                "BisectBatchOnFunctionError", "DestinationConfig",
            ),
            # Nothing is in a stream before its mapping here, so every starting position is the same.
            harmless=("StartingPosition", "Tags"),
        )  # fmt: skip
        function = self.function(resource)
        destination = self._destination(resource)
        partial = _reports_failures(properties)
        machine = self.recorder.make(
            resource.logical_id,
            make,
            stream.machine,
            capacity=function.environments,
            random=self._random(resource),
            quotas=stream.quotas,
            batch_size=int(properties.get("BatchSize", _KINESIS_BATCH_SIZE)),
            batching_window_s=float(properties.get("MaximumBatchingWindowInSeconds", 0)),
            parallelization_factor=int(properties.get("ParallelizationFactor", 1)),
            bisect=truth(properties.get("BisectBatchOnFunctionError")),
            maximum_retry_attempts=_unless_minus_one(properties.get("MaximumRetryAttempts")),
            maximum_record_age_s=_unless_minus_one(properties.get("MaximumRecordAgeInSeconds")),
            report_batch_item_failures=partial,
            function_timeout_s=function.configuration.timeout_s,
            on_failure=destination is not None,
        )
        source = KinesisSource(
            stream,
            function.configuration,
            self.clock,
            mapping_id=resource.ref,
            source_arn=source_arn,
            partial=partial,
            destination=destination,
        )
        driver = Driver(machine, source, function, self.clock)
        stream.subscribe(driver.offered)
        return driver

    def of_queue(self, resource: Resource, queue: Queue) -> Driver:
        """An SQS mapping, its driver subscribed to the queue.

        Raises:
            NotServedError: it has a property that is not served, or names what is not in the template.
        """
        properties = read(resource, heeded=(*_MAPPING, "ScalingConfig", "ProvisionedPollerConfig"), harmless=("Tags",))
        function = self.function(resource)
        most = properties.get("ScalingConfig", {}).get("MaximumConcurrency")
        partial = _reports_failures(properties)
        window_s = float(properties.get("MaximumBatchingWindowInSeconds", 0))
        of_either_kind: dict[str, Any] = {
            "capacity": function.environments,
            "random": self._random(resource),
            "quotas": self.quotas,
            "batch_size": int(properties.get("BatchSize", _SQS_BATCH_SIZE)),
            "maximum_concurrency": None if most is None else int(most),
            "provisioned": _provisioned(properties.get("ProvisionedPollerConfig")),
            "report_batch_item_failures": partial,
            "function_timeout_s": function.configuration.timeout_s,
        }
        machine: SqsFifoMapping | SqsMapping
        if isinstance(queue, FifoQueue):
            if window_s:
                raise NotServedError(resource.logical_id, "a FIFO queue's mapping takes no batching window")
            machine = self.recorder.make(resource.logical_id, SqsFifoMapping, queue.machine, **of_either_kind)
        else:
            assert isinstance(queue, StandardQueue)
            machine = self.recorder.make(
                resource.logical_id, SqsMapping, queue.machine, batching_window_s=window_s, **of_either_kind
            )
        driver = Driver(machine, SqsSource(queue, machine, partial=partial), function, self.clock)
        queue.subscribe(driver.offered, driver.wake)
        return driver

    def of_events(
        self, function: Function, configuration: Resource | None, events: EventStore
    ) -> tuple[AsyncInvoke, Driver]:
        """A function's asynchronous queue. `configuration` is its `AWS::Lambda::EventInvokeConfig`, if it has one.

        Raises:
            NotServedError: it has a property that is not served, or names what is not in the template.
        """
        properties: Mapping[str, Any] = {}
        destination = None
        if configuration is not None:
            heeded = (
                "FunctionName",
                "Qualifier",
                "MaximumRetryAttempts",
                "MaximumEventAgeInSeconds",
                "DestinationConfig",
            )
            properties = read(configuration, heeded=heeded)
            destination = self._destination(configuration)
        machine = self.recorder.make(
            f"events of {function.configuration.name}",
            AsyncInvoke,
            capacity=function.environments,
            random=Random(f"{self.seed}/{function.configuration.name}"),
            quotas=self.quotas,
            maximum_retry_attempts=int(properties.get("MaximumRetryAttempts", _EVENT_RETRIES)),
            maximum_event_age_s=float(properties.get("MaximumEventAgeInSeconds", _EVENT_AGE_S)),
            function_timeout_s=function.configuration.timeout_s,
            on_failure=destination is not None,
        )
        source = AsyncSource(events, function.configuration, self.clock, destination=destination)
        return machine, Driver(machine, source, function, self.clock)

    def of_calls(self, function: Function) -> SyncCalls:
        """A function's synchronous invocations, for all that call it."""
        machine = self.recorder.make(
            f"calls of {function.configuration.name}",
            SyncInvoke,
            capacity=function.environments,
            quotas=self.quotas,
            function_timeout_s=function.configuration.timeout_s,
        )
        return SyncCalls(function, machine, self.clock)

    def function(self, resource: Resource) -> Function:
        """The function that a mapping invokes.

        Raises:
            NotServedError: it is not in the template.
        """
        name = last_segment(str(resource.properties["FunctionName"]))
        for function in self.functions.values():
            if function.configuration.name == name:
                return function
        raise NotServedError(resource.logical_id, f"there is no function {name} in the template")

    def _destination(self, resource: Resource) -> FailureDestination | None:
        configuration = resource.properties.get("DestinationConfig") or {}
        if set(configuration) - {"OnFailure"}:
            raise NotServedError(resource.logical_id, "only an OnFailure destination is served here")
        arn = configuration.get("OnFailure", {}).get("Destination")
        if arn is None:
            return None
        if arn in self.queues:
            if isinstance(self.queues[arn], FifoQueue):
                raise NotServedError(resource.logical_id, f"Lambda sends no failures to a FIFO queue, as {arn} is")
            return FailureQueue(self.queues[arn])
        if arn in self.buckets:
            return FailureBucket(self.buckets[arn], self.s3)
        raise NotServedError(
            resource.logical_id, f"its OnFailure destination {arn} is no queue or bucket of the template"
        )

    def _random(self, resource: Resource) -> Random:
        return Random(f"{self.seed}/{resource.logical_id}")


def _reports_failures(properties: Mapping[str, Any]) -> bool:
    return "ReportBatchItemFailures" in (properties.get("FunctionResponseTypes") or ())


def _provisioned(configuration: Mapping[str, Any] | None) -> ProvisionedPollers | None:
    if configuration is None:
        return None
    default = ProvisionedPollers()
    minimum = int(configuration.get("MinimumPollers", default.minimum))
    # A minimum above the default maximum is no contradiction of the template's.
    maximum = int(configuration.get("MaximumPollers", max(minimum, default.maximum)))
    return ProvisionedPollers(minimum, maximum)


def _unless_minus_one(value: object) -> int | None:
    # -1 is AWS's word for no limit.
    return None if value is None or int(str(value)) == -1 else int(str(value))
