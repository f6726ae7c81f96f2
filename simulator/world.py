"""The machines of a scenario: a buffer with what leads to it and what it leads to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from delivery.api_throttle import ApiThrottle
from delivery.async_invoke import AsyncInvoke
from delivery.environments import Account, Environments
from delivery.kinesis_fan_out_mapping import KinesisFanOutMapping
from delivery.kinesis_mapping import KinesisMapping
from delivery.kinesis_on_demand_stream import OnDemandStream
from delivery.kinesis_stream import KinesisStream, StreamReader
from delivery.protocol import Delivery, Offer, Refusal
from delivery.quotas import Quotas
from delivery.sns_topic import SnsTopic
from delivery.sqs_fifo_mapping import SqsFifoMapping
from delivery.sqs_fifo_queue import SqsFifoQueue
from delivery.sqs_mapping import SqsMapping
from delivery.sqs_provisioned import ProvisionedPollers
from delivery.sqs_queue import SqsQueue
from delivery.token_bucket import TokenBucket
from simulator.scenario import Scenario

# AWS's own limit on retries of an asynchronous invocation (API:PutFunctionEventInvokeConfig).
MOST_EVENT_RETRIES = 2


# Takes records in, and answers with those refused.
Door = Callable[[float, Offer], Mapping[int, Refusal]]


@dataclass(frozen=True, slots=True)
class World:
    """`offer` is the door, `machine` what is driven, `pollers` counts them where there are any."""

    offer: Door
    machine: Delivery
    environments: Environments
    pollers: Callable[[], int] | None


def door_of_stream(scenario: Scenario, reader: StreamReader) -> Door:
    """The door of a scenario's stream, of which nobody but `reader` is told. Its shards are given."""
    quotas = Quotas.with_overrides(scenario.quotas)
    stream = KinesisStream(scenario.mapping.shards or 1, quotas)
    stream.attach(reader)
    return _behind_api(scenario, quotas, stream.offer)


def build(scenario: Scenario) -> World:
    """Everything between the sender and the function, empty.

    Raises:
        ValueError: a setting AWS refuses too; the text says which and what it takes.
        UnknownQuotaError: `quotas` names none of the table.
    """
    quotas = Quotas.with_overrides(scenario.quotas)
    environments = Environments(Account(quotas), quotas, scenario.function.reserved_concurrency)
    offer, machine, pollers = _BUILDERS[scenario.buffer](scenario, quotas, environments)
    return World(_behind_api(scenario, quotas, offer), machine, environments, pollers)


def _behind_api(scenario: Scenario, quotas: Quotas, offer: Door) -> Door:
    if not scenario.api:
        return offer
    return ApiThrottle(offer, TokenBucket(quotas.api_requests_per_s, quotas.api_burst_requests)).offer


_Built = tuple[Door, Delivery, Callable[[], int] | None]


def _sns(scenario: Scenario, quotas: Quotas, environments: Environments) -> _Built:
    mapping = scenario.mapping
    machine = AsyncInvoke(
        capacity=environments,
        random=Random(f"{scenario.seed} events"),
        quotas=quotas,
        maximum_retry_attempts=min(mapping.maximum_retry_attempts, MOST_EVENT_RETRIES),
        maximum_event_age_s=mapping.maximum_event_age_s,
        function_timeout_s=scenario.function.timeout_s,
        on_failure=mapping.on_failure,
    )
    return SnsTopic([machine], quotas).offer, machine, None


def _sqs(scenario: Scenario, quotas: Quotas, environments: Environments) -> _Built:
    mapping = scenario.mapping
    queue = SqsQueue(
        quotas=quotas,
        visibility_timeout_s=mapping.visibility_timeout_s,
        max_receive_count=mapping.max_receive_count,
    )
    machine = SqsMapping(
        queue,
        capacity=environments,
        random=Random(f"{scenario.seed} pollers"),
        quotas=quotas,
        batch_size=mapping.batch_size,
        batching_window_s=mapping.batching_window_s,
        maximum_concurrency=mapping.maximum_concurrency,
        provisioned=_provisioned(scenario),
        report_batch_item_failures=mapping.partial_failures,
        function_timeout_s=scenario.function.timeout_s,
    )
    return machine.offer, machine, machine.pollers


def _sqs_fifo(scenario: Scenario, quotas: Quotas, environments: Environments) -> _Built:
    mapping = scenario.mapping
    queue = SqsFifoQueue(
        quotas=quotas,
        visibility_timeout_s=mapping.visibility_timeout_s,
        max_receive_count=mapping.max_receive_count,
        high_throughput=mapping.high_throughput,
    )
    machine = SqsFifoMapping(
        queue,
        capacity=environments,
        random=Random(f"{scenario.seed} pollers"),
        quotas=quotas,
        batch_size=mapping.batch_size,
        maximum_concurrency=mapping.maximum_concurrency,
        provisioned=_provisioned(scenario),
        report_batch_item_failures=mapping.partial_failures,
        function_timeout_s=scenario.function.timeout_s,
    )
    return machine.offer, machine, machine.pollers


def _provisioned(scenario: Scenario) -> ProvisionedPollers | None:
    pollers = scenario.mapping.provisioned
    return None if pollers is None else ProvisionedPollers(pollers.minimum_pollers, pollers.maximum_pollers)


def _kinesis(scenario: Scenario, quotas: Quotas, environments: Environments) -> _Built:
    mapping = scenario.mapping
    stream = OnDemandStream(quotas) if mapping.shards is None else KinesisStream(mapping.shards, quotas)
    kind = KinesisFanOutMapping if scenario.buffer == "kinesis-efo" else KinesisMapping
    machine = kind(
        stream,
        capacity=environments,
        random=Random(f"{scenario.seed} shards"),
        quotas=quotas,
        batch_size=mapping.batch_size,
        batching_window_s=mapping.batching_window_s,
        parallelization_factor=mapping.parallelization_factor,
        bisect=mapping.bisect,
        maximum_retry_attempts=None if mapping.maximum_retry_attempts < 0 else mapping.maximum_retry_attempts,
        maximum_record_age_s=mapping.maximum_record_age_s,
        report_batch_item_failures=mapping.partial_failures,
        function_timeout_s=scenario.function.timeout_s,
        on_failure=mapping.on_failure,
    )
    return machine.offer, machine, None


_BUILDERS: dict[str, Callable[[Scenario, Quotas, Environments], _Built]] = {
    "sns": _sns,
    "sqs": _sqs,
    "sqs-fifo": _sqs_fifo,
    "kinesis": _kinesis,
    "kinesis-efo": _kinesis,
}
