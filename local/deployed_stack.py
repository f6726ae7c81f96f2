"""A deployed stack: the buffers, functions and deliveries of a resolved template, running."""

import asyncio
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from delivery.async_invoke import AsyncInvoke
from delivery.environments import Account
from delivery.protocol import Offer
from delivery.quotas import Quotas
from local.async_source import TopicEvents
from local.buffers import queues_of, register_consumer, stream_of, subscription_of, topic_of
from local.clock import Clock
from local.deliveries import Deliveries
from local.driver import Driver
from local.execution_environment import Answer
from local.function import Function
from local.function_policy import API_GATEWAY, FunctionPolicy
from local.functions import functions_of
from local.lambda_api import MappingDescription
from local.queue import Queue
from local.recorder import UNRECORDED, Recorder
from local.resource_properties import NotServedError, last_segment
from local.service_error import ServiceError
from local.stream import Stream
from local.sync_calls import SyncCalls
from local.template import ResolvedStack, Resource
from local.topic import Topic
from local.wire import WireService

# How something stands: see `local.driver.Driver.state`.
State = Callable[[], Mapping[str, float | None]]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a stack is deployed into.

    `overridden` names the quotas set by hand, which go before the template. `endpoints` are the functions' variables
    AWS_ENDPOINT_URL_<SERVICE>; their code lies in `task_root`, their logs go to `log_folder` or nowhere. `recorder`
    makes the machines, `make_function` the functions.
    """

    clock: Clock
    quotas: Quotas
    overridden: Collection[str]
    region: str
    task_root: Path
    endpoints: Mapping[str, str]
    log_folder: Path | None
    s3: WireService
    seed: int
    recorder: Recorder = UNRECORDED
    make_function: Callable[..., Function] = Function


class HeldEvents:
    """Events that a caller of Invoke has left to Lambda, until they end."""

    def __init__(self) -> None:
        self._events: dict[int, Any] = {}
        self._next_id = 0

    def hold(self, event: Any) -> int:
        """Keep an event; answers with its id."""
        id_ = self._next_id
        self._next_id += 1
        self._events[id_] = event
        return id_

    def event(self, id_: int) -> Any:
        """The event of an id."""
        return self._events[id_]

    def discard(self, ids: Iterable[int]) -> None:
        """Let go of events."""
        for id_ in ids:
            self._events.pop(id_, None)


@dataclass(frozen=True, slots=True)
class _AsyncQueue:
    events: HeldEvents
    machine: AsyncInvoke
    driver: Driver


@dataclass(slots=True)
class DeployedStack:
    """What runs. `drivers` are by name, `states` those and the functions that an API calls.

    There is one driver at the most for sns, sqs, kinesis and kinesis-efo. The queue that is the output QueueUrl is sqs;
    any other's is named as its mapping is: CallbackMapping is callback.
    """

    streams: list[Stream] = field(default_factory=list)
    queues: dict[str, Queue] = field(default_factory=dict)
    topics: list[Topic] = field(default_factory=list)
    functions: dict[str, Function] = field(default_factory=dict)
    mappings: list[MappingDescription] = field(default_factory=list)
    drivers: dict[str, Driver] = field(default_factory=dict)
    states: dict[str, State] = field(default_factory=dict)
    _own_queue: str | None = None
    _deliveries: Deliveries | None = None
    _configurations: dict[str, Resource] = field(default_factory=dict)
    _async_queues: dict[str, _AsyncQueue] = field(default_factory=dict)
    _sync_calls: dict[str, SyncCalls] = field(default_factory=dict)

    @classmethod
    def of(cls, stack: ResolvedStack, into: Surroundings) -> Self:
        """Deploy a stack; its functions start with their first invocations.

        Raises:
            NotServedError, ConfigurationError: the template asks for what cannot be done here.
            ConcurrencyError: it reserves concurrency that the account does not have.
            ValueError: a setting that AWS refuses too.
        """
        deployed = cls()
        deployed.streams = [
            stream_of(resource, into.quotas, into.overridden, into.clock, into.recorder)
            for resource in stack.of_type("AWS::Kinesis::Stream")
        ]
        for resource in stack.of_type("AWS::Kinesis::StreamConsumer"):
            register_consumer(resource, deployed.streams)
        deployed.queues = queues_of(stack.of_type("AWS::SQS::Queue"), into.quotas, into.clock, into.recorder)
        deployed.functions = functions_of(
            stack.of_type("AWS::Lambda::Function"),
            into.recorder.make("account", Account, into.quotas),
            into.quotas,
            into.clock,
            region=into.region,
            task_root=into.task_root,
            endpoints=into.endpoints,
            log_folder=into.log_folder,
            recorder=into.recorder,
            make=into.make_function,
        )
        deployed._deliveries = Deliveries(
            functions=deployed.functions,
            queues=deployed.queues,
            buckets={resource.attributes["Arn"]: resource.ref for resource in stack.of_type("AWS::S3::Bucket")},
            s3=into.s3,
            quotas=into.quotas,
            clock=into.clock,
            seed=into.seed,
            recorder=into.recorder,
        )
        deployed._configurations = {
            last_segment(str(resource.properties["FunctionName"])): resource
            for resource in stack.of_type("AWS::Lambda::EventInvokeConfig")
        }
        deployed._own_queue = stack.outputs.get("QueueUrl")
        for resource in stack.of_type("AWS::Lambda::EventSourceMapping"):
            deployed._map(resource)
        subscriptions = stack.of_type("AWS::SNS::Subscription")
        for resource in stack.of_type("AWS::SNS::Topic"):
            deployed._subscribe(resource, subscriptions, into)
        policy = FunctionPolicy(stack.resources)
        for resource in stack.of_type("AWS::Lambda::Function"):
            function = deployed.functions[resource.attributes["Arn"]]
            if policy.knows(function.configuration.arn, API_GATEWAY):
                deployed._tell(_named_after(resource, "Function"), resource, deployed._calls_of(function).state)
        return deployed

    async def invoke(self, function: Function, event: bytes) -> Answer:
        """Invoke a function and wait for what comes of it, as Invoke with InvocationType RequestResponse does.

        Raises:
            RefusedError: it is not invoked, for want of concurrency or rate, or since the event is too large.
        """
        return await self._calls_of(function).invoke(event)

    def accept_event(self, function: Function, event: Any, size: int) -> None:
        """Take an event into a function's asynchronous queue, as Invoke with InvocationType Event does.

        Raises:
            ServiceError: it is too large.
        """
        assert self._deliveries is not None
        name = function.configuration.name
        if name not in self._async_queues:
            events = HeldEvents()
            machine, driver = self._deliveries.of_events(function, self._configurations.get(name), events)
            self._async_queues[name] = _AsyncQueue(events, machine, driver)
        queue = self._async_queues[name]
        offer = Offer([queue.events.hold(event)], size)
        if queue.machine.offer(self._deliveries.clock(), offer):
            queue.events.discard(offer.ids)
            raise ServiceError("RequestTooLargeException", f"an event of {size} bytes is too large", status=413)
        queue.driver.offered(offer)

    async def close(self) -> None:
        """Stop the drivers, then the functions' processes."""
        drivers = [*self.drivers.values(), *(queue.driver for queue in self._async_queues.values())]
        await asyncio.gather(
            *(driver.close() for driver in drivers), *(calls.close() for calls in self._sync_calls.values())
        )
        await asyncio.gather(*(function.close() for function in self.functions.values()))

    def _map(self, resource: Resource) -> None:
        assert self._deliveries is not None
        source = str(resource.properties.get("EventSourceArn"))
        for stream in self.streams:
            if source == stream.arn:
                self._add("kinesis", resource, self._deliveries.of_stream(resource, stream))
                break
            if stream.consumers.by_arn(source) is not None:
                self._add("kinesis-efo", resource, self._deliveries.of_consumer(resource, stream, source))
                break
        else:
            if source not in self.queues:
                raise NotServedError(
                    resource.logical_id, f"its source {source} is no stream, stream consumer or queue of the template"
                )
            queue = self.queues[source]
            name = "sqs" if queue.url == self._own_queue else _named_after(resource, "Mapping")
            self._add(name, resource, self._deliveries.of_queue(resource, queue))
        function = self._deliveries.function(resource)
        self.mappings.append(MappingDescription(resource.ref, function, resource.properties))

    def _subscribe(self, resource: Resource, all_subscriptions: list[Resource], into: Surroundings) -> None:
        assert self._deliveries is not None
        own = [entry for entry in all_subscriptions if entry.properties.get("TopicArn") == resource.ref]
        if len(own) > 1:
            raise NotServedError(resource.logical_id, f"a topic has one subscription here, not {len(own)}")
        if not own:
            self.topics.append(topic_of(resource, (), (), into.quotas, into.overridden, into.clock, into.recorder))
            return
        subscription = subscription_of(own[0], self.functions)
        function = self.functions[subscription.endpoint]
        events = TopicEvents(subscription.arn)
        configuration = self._configurations.get(function.configuration.name)
        machine, driver = self._deliveries.of_events(function, configuration, events)
        topic = topic_of(resource, [subscription], [machine], into.quotas, into.overridden, into.clock, into.recorder)
        events.attach(topic)
        topic.subscribe(driver.offered)
        self.topics.append(topic)
        self._add("sns", own[0], driver)

    def _calls_of(self, function: Function) -> SyncCalls:
        assert self._deliveries is not None
        name = function.configuration.name
        if name not in self._sync_calls:
            self._sync_calls[name] = self._deliveries.of_calls(function)
        return self._sync_calls[name]

    def _add(self, name: str, resource: Resource, driver: Driver) -> None:
        self._tell(name, resource, driver.state)
        self.drivers[name] = driver

    def _tell(self, name: str, resource: Resource, state: State) -> None:
        if name in self.states:
            raise NotServedError(resource.logical_id, f"there is something called {name} already, and one is served")
        self.states[name] = state


def _named_after(resource: Resource, ending: str) -> str:
    """A resource's logical id without its ending, in kebab case: RequestHandlerFunction is request-handler."""
    name = resource.logical_id.removesuffix(ending) or resource.logical_id
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()
