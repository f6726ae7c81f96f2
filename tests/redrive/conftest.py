"""infra.yaml's buffers, tables and failure destinations, without functions: what lies there stays."""

import asyncio
import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from delivery.protocol import Offer
from delivery.quotas import Quotas
from local.buffers import queues_of, stream_of, topic_of
from local.dynamodb.service import DynamoDb
from local.http import serve
from local.kinesis import Kinesis
from local.physical_names import PhysicalNames
from local.request_id import new_uuid
from local.sns import Sns
from local.sqs import Sqs
from local.template import ResolvedStack, Template, load
from local.wire import WireRequest, WireResponse, WireService
from pipeline.request import InlineImage, Request
from pipeline.stack import Stack
from producers.redrive import letter_queue
from producers.redrive.choice import Choice
from producers.redrive.place import Place, PlaceName
from producers.redrive.places import open_place
from producers.redrive.replay import Replay, Replayed
from producers.redrive.target import Target

ACCEPTED_AT = 1_732_400_000.0
NOW = ACCEPTED_AT + 3_600.0
SERVICES = ("dynamodb", "kinesis", "sns", "sqs")


def record(request_id: str, accepted_at: float = ACCEPTED_AT, **more: Any) -> str:
    """What a buffer carries."""
    text = Request(request_id, round(accepted_at * 1_000), "sqs", InlineImage(b"x")).to_json()
    return json.dumps({**json.loads(text), **more})


def invocation(condition: str = "RetriesExhausted", tries: int = 3, **more: Any) -> dict[str, Any]:
    """The failure record of an invocation."""
    return {
        "version": "1.0",
        "timestamp": "2024-11-23T22:15:00.000Z",
        "requestContext": {
            "requestId": "c9b8fa9f",
            "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:f",
            "condition": condition,
            "approximateInvokeCount": tries,
        },
        **more,
    }


def event_failure(*messages: Any, **more: Any) -> str:
    """What Lambda sends to the failure queue of an asynchronous invocation."""
    records = [{"EventSource": "aws:sns", "Sns": {"MessageId": "m", "Message": message}} for message in messages]
    return json.dumps(invocation(requestPayload={"Records": records}, **more))


def batch_info(
    stream_name: str, first: str = "1", last: str = "9", size: int = 1, shard_id: str = "shardId-000000000000"
) -> dict[str, Any]:
    """Where the records of a failed batch lay."""
    return {
        "shardId": shard_id,
        "startSequenceNumber": first,
        "endSequenceNumber": last,
        "batchSize": size,
        "streamArn": f"arn:aws:kinesis:us-east-1:000000000000:stream/{stream_name}",
    }


def batch_failure(*records: tuple[str, bytes]) -> str:
    """What a mapping of a stream writes to its failure bucket, of records with their partition keys."""
    event = {
        "Records": [
            {"kinesis": {"partitionKey": key, "sequenceNumber": "1", "data": base64.b64encode(data).decode()}}
            for key, data in records
        ]
    }
    return json.dumps(
        invocation(
            "RetryAttemptsExhausted",
            4,
            payload=json.dumps(event),
            KinesisBatchInfo=batch_info("stream", size=len(records)),
            responseContext={"statusCode": 200, "functionError": "Unhandled"},
        )
    )


def object_key(number: int) -> str:
    """As a mapping names them."""
    return f"aws/lambda/uuid/shardId-000000000000/2024/11/23/2024-11-23T22.15.00-{number:05}"


class Turnout:
    """Sends each request to the service of the test that runs."""

    def __init__(self) -> None:
        self.service: WireService | None = None

    async def handle(self, request: WireRequest) -> WireResponse:
        assert self.service is not None
        return await self.service.handle(request)


@dataclass(frozen=True)
class Served:
    """Servers of the services, from a thread of their own."""

    turnouts: dict[str, Turnout]
    urls: dict[str, str]


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="embedded AWS")
    thread.start()
    turnouts = {name: Turnout() for name in SERVICES}
    servers = {
        name: asyncio.run_coroutine_threadsafe(serve(turnout), loop).result(10) for name, turnout in turnouts.items()
    }
    try:
        yield Served(turnouts, {name: server.url for name, server in servers.items()})
    finally:
        for server in servers.values():
            asyncio.run_coroutine_threadsafe(server.close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(scope="session")
def template() -> Template:
    return load(Path(__file__).parents[2] / "infra.yaml")


class World:
    """A stack, and what arrived in it. Its clock goes on by itself and can be moved ahead."""

    def __init__(self, resolved: ResolvedStack, served: Served, session: Any) -> None:
        self.ahead = 0.0
        clock, quotas = (lambda: time.time() + self.ahead), Quotas()
        queues = queues_of(resolved.of_type("AWS::SQS::Queue"), quotas, clock)
        streams = [stream_of(each, quotas, (), clock) for each in resolved.of_type("AWS::Kinesis::Stream")]
        (topic,) = resolved.of_type("AWS::SNS::Topic")
        self._topic = topic_of(topic, (), (), quotas, (), clock)
        self._published: list[int] = []
        self._topic.subscribe(self._hear)
        tables = {resource.ref: resource for resource in resolved.of_type("AWS::DynamoDB::Table")}
        self._tables = DynamoDb(tables, clock, new_uuid)
        services: dict[str, WireService] = {
            "dynamodb": self._tables,
            "kinesis": Kinesis(streams, "000000000000", clock, new_uuid),
            "sns": Sns([self._topic], new_uuid),
            "sqs": Sqs(queues.values(), clock, new_uuid),
        }
        for name, service in services.items():
            served.turnouts[name].service = service
        self.outputs = dict(resolved.outputs)
        self.stack = Stack.from_outputs(self.outputs)
        self.target = Target(self.stack, session, served.urls)
        self._clients = {name: self.target.client(name) for name in (*SERVICES, "s3")}
        for resource in resolved.of_type("AWS::S3::Bucket"):
            self.client("s3").create_bucket(Bucket=resource.ref)

    def _hear(self, offer: Offer) -> None:
        self._published += offer.ids

    def client(self, service: str) -> Any:
        return self._clients[service]

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def place(self, name: PlaceName) -> Place:
        return open_place(name, self.target)

    def replay(self, name: PlaceName, *, dry_run: bool = False, **choice: Any) -> Replayed:
        replay = Replay(self.place(name), Choice(NOW, **choice), dry_run=dry_run)
        replay.run()
        return replay.replayed

    def lay_messages(self, queue_url: str, bodies: list[str], **more: Callable[[str], str]) -> None:
        for start in range(0, len(bodies), 10):
            entries = [
                {"Id": str(number), "MessageBody": body, **{name: make(body) for name, make in more.items()}}
                for number, body in enumerate(bodies[start : start + 10])
            ]
            assert not self.client("sqs").send_message_batch(QueueUrl=queue_url, Entries=entries).get("Failed")

    def lay_objects(self, bucket: str, bodies: list[str], key: Callable[[int], str] = object_key) -> None:
        for number, body in enumerate(bodies):
            self.client("s3").put_object(Bucket=bucket, Key=key(number), Body=body)

    def answer(self, *request_ids: str) -> None:
        """Give requests their results."""
        for request_id in request_ids:
            self.put_item(self.stack.results_table, request_id, status={"S": "SUCCEEDED"})

    def put_item(self, table: str, request_id: str, **attributes: Any) -> None:
        """Without a client, which takes most of the time of a thousand."""
        body = json.dumps({"TableName": table, "Item": {"request_id": {"S": request_id}, **attributes}}).encode()
        headers = {"x-amz-target": "DynamoDB_20120810.PutItem"}
        assert asyncio.run(self._tables.handle(WireRequest("POST", "/", "", headers, body))).status == 200

    def messages(self, queue_url: str) -> list[str]:
        """All that can be received from a queue, which is emptied."""
        bodies: list[str] = []
        sqs = self.client("sqs")
        while messages := sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages"):
            bodies += (message["Body"] for message in messages)
            entries = [{"Id": str(at), "ReceiptHandle": each["ReceiptHandle"]} for at, each in enumerate(messages)]
            sqs.delete_message_batch(QueueUrl=queue_url, Entries=entries)
        return bodies

    def published(self) -> list[str]:
        """What was published to the topic."""
        return [self._topic.message(id_).publication.message for id_ in self._published]

    def records(self, stream_name: str) -> list[dict[str, Any]]:
        """All records of a stream, in the order of its shards."""
        kinesis = self.client("kinesis")
        found = []
        for shard in kinesis.list_shards(StreamName=stream_name)["Shards"]:
            iterator = kinesis.get_shard_iterator(
                StreamName=stream_name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            found += kinesis.get_records(ShardIterator=iterator)["Records"]
        return found

    def keys(self, bucket: str) -> list[str]:
        pages = self.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [entry["Key"] for page in pages for entry in page.get("Contents", ())]

    def depth(self, queue_url: str) -> tuple[int, int]:
        """Messages that can be received, and those in somebody's hand."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.client("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)["Attributes"]
        return int(attributes[names[0]]), int(attributes[names[1]])


@pytest.fixture(autouse=True)
def _short_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded SQS has one server, which an empty answer speaks for."""
    monkeypatch.setattr(letter_queue, "_WAIT_S", 0)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "a"),
        ("AWS_SECRET_ACCESS_KEY", "b"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield


@pytest.fixture(scope="session")
def session() -> Any:
    """One for all, since it reads the services' descriptions once."""
    return boto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1")


@pytest.fixture
def make_world(s3: None, served: Served, template: Template, session: Any) -> Iterator[Callable[..., World]]:
    """Stacks of the template with these parameters; the last one made is the one that answers."""
    made: list[World] = []
    names = PhysicalNames(queue_base_url=served.urls["sqs"])

    def make(**parameters: str) -> World:
        resolved = template.resolve({"CodeBucket": "code", "CodeKey": "code", **parameters}, names)
        made.append(World(resolved, served, session))
        return made[-1]

    yield make
    for world in made:
        world.close()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A stack of the template as it is."""
    return make_world()
