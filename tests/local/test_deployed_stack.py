"""From a buffer to a real handler and on: nothing that was accepted disappears, whatever becomes of the handler."""

import asyncio
import json
import os
import re
from pathlib import Path
from typing import Any

import boto3
import pytest

from local.proxy import HttpProxy
from local.queue import Sending
from local.resource_properties import NotServedError
from local.server_process import ServerProcess
from tests.local.world import NoStorage, until, world

BUFFERS = ("sns", "sqs", "kinesis", "kinesis-efo")


@pytest.mark.parametrize("buffer", BUFFERS)
async def test_every_record_is_handled_once_and_counted(tmp_path: Path, buffer: str) -> None:
    async with world(tmp_path, "sample.remembers") as here:
        bodies = [f"{number}" for number in range(30)]
        here.enter(buffer, *bodies)
        state = await here.until_empty(buffer)
        assert sorted(here.done()) == sorted(bodies)
    assert (state["accepted"], state["completed"]) == (30, 30)
    assert (state["dead_lettered"], state["expired"], state["in_flight"], state["concurrency"]) == (0, 0, 0, 0)
    assert state["cold_starts"] >= 1
    assert state["oldest_age_s"] is None


@pytest.mark.parametrize("buffer", BUFFERS)
async def test_a_handler_killed_in_the_middle_of_a_batch_loses_nothing(tmp_path: Path, buffer: str) -> None:
    marker = tmp_path / "marker"
    async with world(tmp_path, "sample.kills_itself_once", Marker=str(marker)) as here:
        bodies = [f"{number}" for number in range(10)]
        here.enter(buffer, *bodies)
        state = await here.until_empty(buffer)
        assert marker.exists(), "no handler died"
        assert set(here.done()) == set(bodies)
    assert (state["accepted"], state["completed"], state["dead_lettered"], state["expired"]) == (10, 10, 0, 0)


async def test_a_message_that_fails_alone_is_received_again_and_then_moved_to_the_dead_letter_queue(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, "sample.fails_the_poison") as here:
        here.send("good-1", "poison", "good-2")
        state = await here.until_empty("sqs")
        assert sorted(here.done()) == ["good-1", "good-2"]
        (moved,) = await here.queue("DeadLetters").receive(10)
    assert moved.message.sending.body == "poison"
    assert (state["completed"], state["dead_lettered"]) == (2, 1)


def fifo(text: str) -> str:
    """The template with FIFO queues; the mapping's batch is theirs."""
    queue = "  Queue:\n    Type: AWS::SQS::Queue\n    Properties:\n"
    assert queue in text
    text = text.replace(queue, f"{queue}      FifoQueue: true\n")
    return text.replace(
        'DeadLetters: {Type: "AWS::SQS::Queue"}',
        'DeadLetters: {Type: "AWS::SQS::Queue", Properties: {FifoQueue: true}}',
    )


def in_group(body: str, group: str) -> Sending:
    return Sending(body, group_id=group, deduplication_id=body)


async def test_a_fifo_queue_delivers_each_group_in_its_order_and_groups_side_by_side(tmp_path: Path) -> None:
    async with world(tmp_path, "sample.remembers", edit=fifo) as here:
        groups = {name: [f"{name}{number}" for number in range(25)] for name in "abc"}
        for bodies in zip(*groups.values(), strict=True):
            here.queue("Queue").send([in_group(body, body[0]) for body in bodies])
        state = await here.until_empty("sqs")
        done = here.done()
    assert {name: [body for body in done if body[0] == name] for name in groups} == groups
    assert (state["accepted"], state["completed"], state["dead_lettered"]) == (75, 75, 0)


async def test_a_message_of_a_fifo_queue_that_fails_alone_ends_in_a_fifo_dead_letter_queue(tmp_path: Path) -> None:
    async with world(tmp_path, "sample.fails_the_poison", edit=fifo, VisibilityTimeout="4") as here:
        here.queue("Queue").send([in_group("good-1", "a"), in_group("poison", "b"), in_group("good-2", "b")])
        state = await here.until_empty("sqs")
        (moved,) = await here.queue("DeadLetters").receive(10)
        assert sorted(here.done()) == ["good-1", "good-2"]
    assert (moved.message.sending.body, moved.message.sending.group_id) == ("poison", "b")
    assert (state["completed"], state["dead_lettered"]) == (2, 1)


async def test_provisioned_pollers_take_the_place_of_a_maximum_concurrency(tmp_path: Path) -> None:
    def provisioned(text: str) -> str:
        source = "      EventSourceArn: !GetAtt Queue.Arn\n"
        return text.replace(
            source, f"{source}      ProvisionedPollerConfig: {{MinimumPollers: 3, MaximumPollers: 5}}\n"
        )

    async with world(tmp_path, "sample.remembers", edit=provisioned) as here:
        bodies = [f"{number}" for number in range(40)]
        here.send(*bodies)
        state = await here.until_empty("sqs")
        assert sorted(here.done()) == sorted(bodies)
    assert state["completed"] == 40


async def test_an_event_that_fails_ends_as_a_destination_record_in_the_failure_queue(tmp_path: Path) -> None:
    async with world(tmp_path, "sample.raises") as here:
        here.publish("hopeless")
        state = await here.until_empty("sns")
        (received,) = await here.queue("Failures").receive(10)
        function = next(iter(here.stack.functions))
    record = json.loads(received.message.sending.body)
    assert record["version"] == "1.0"
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert record["requestContext"]["functionArn"] == f"{function}:$LATEST"
    assert record["requestPayload"]["Records"][0]["Sns"]["Message"] == "hopeless"
    assert record["responseContext"] == {
        "statusCode": 200,
        "executedVersion": "$LATEST",
        "functionError": "Unhandled",
    }
    assert record["responsePayload"]["errorType"] == "RuntimeError"
    # Lambda keeps an event's request id over its retries: the handler's last error carries the record's.
    assert record["responsePayload"]["requestId"] == record["requestContext"]["requestId"]
    assert (state["completed"], state["dead_lettered"]) == (0, 1)


async def test_records_that_fail_end_as_an_object_with_their_payload_under_aws_own_key(tmp_path: Path) -> None:
    moto = await ServerProcess.start("local.storage.moto_server", [], dict(os.environ), 60)
    s3 = HttpProxy(moto.url)
    try:
        client: Any = boto3.client(
            "s3",
            endpoint_url=moto.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        await asyncio.to_thread(client.create_bucket, Bucket="forebay-bucket")
        async with world(tmp_path, "sample.fails_the_poison", s3=s3) as here:
            here.put("good-1", "poison", "good-2")
            state = await here.until_empty("kinesis")
            assert set(here.done()) == {"good-1", "good-2"}
        listed = await asyncio.to_thread(client.list_objects_v2, Bucket="forebay-bucket")
        (found,) = listed["Contents"]
        assert re.fullmatch(
            r"aws/lambda/[0-9a-f-]{36}/shardId-000000000000/\d{4}/\d\d/\d\d/"
            r"\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d-[0-9a-f-]{36}",
            found["Key"],
        )
        got = await asyncio.to_thread(client.get_object, Bucket="forebay-bucket", Key=found["Key"])
        record = json.loads(got["Body"].read())
    finally:
        await s3.close()
        await moto.stop()
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert record["KinesisBatchInfo"]["batchSize"] == 1
    (given_up,) = json.loads(record["payload"])["Records"]
    assert given_up["kinesis"]["sequenceNumber"] == record["KinesisBatchInfo"]["startSequenceNumber"]
    assert (state["completed"], state["dead_lettered"]) == (2, 1)


async def test_a_stream_destination_that_is_a_queue_is_told_only_where_the_records_lay(tmp_path: Path) -> None:
    def to_queue(text: str) -> str:
        return text.replace("!GetAtt Bucket.Arn", "!GetAtt Failures.Arn")

    async with world(tmp_path, "sample.raises", edit=to_queue) as here:
        here.put("hopeless")
        await here.until_empty("kinesis")
        (received,) = await here.queue("Failures").receive(10)
    record = json.loads(received.message.sending.body)
    assert "payload" not in record
    assert record["KinesisBatchInfo"]["shardId"] == "shardId-000000000000"
    assert record["responseContext"]["functionError"] == "Unhandled"


async def test_throttled_events_wait_and_are_not_lost(tmp_path: Path) -> None:
    quotas = {"account_concurrency": 1, "async_throttle_first_s": 0.05, "async_throttle_max_s": 0.1}
    async with world(tmp_path, "sample.remembers", quotas=quotas) as here:
        bodies = [f"{number}" for number in range(20)]
        here.publish(*bodies)
        state = await here.until_empty("sns")
        assert sorted(here.done()) == sorted(bodies)
    assert state["throttles"] > 0
    assert state["completed"] == 20


async def test_a_batch_that_hangs_is_stopped_at_its_timeout_and_given_up(tmp_path: Path) -> None:
    def short(text: str) -> str:
        return text.replace("Timeout: 4", "Timeout: 1").replace("MaximumRetryAttempts: 1", "MaximumRetryAttempts: 0")

    async with world(tmp_path, "sample.hangs", edit=short) as here:
        here.publish("a")
        state = await here.until_empty("sns")
        (received,) = await here.queue("Failures").receive(10)
    assert json.loads(received.message.sending.body)["responsePayload"]["errorType"] == "Sandbox.Timedout"
    assert state["dead_lettered"] == 1


async def test_the_consumer_of_a_fan_out_mapping_is_its_source_and_cannot_be_let_go(tmp_path: Path) -> None:
    async with world(tmp_path, "sample.ok") as here:
        (pushed,) = [stream for stream in here.stack.streams if stream.name == "forebay-PushedStream"]
        (consumer,) = pushed.consumers
        (mapping,) = [each for each in here.stack.mappings if each.properties["EventSourceArn"] == consumer.arn]
        assert pushed.mapped_consumers == {consumer.arn}
    assert consumer.arn.startswith(f"{pushed.arn}/consumer/recognition:")
    assert mapping.properties["StartingPosition"] == "TRIM_HORIZON"


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("BatchSize: 10", "FilterCriteria: {}", "FilterCriteria"),
        ("ShardCount: 1", "StreamModeDetails: {StreamMode: ON_DEMAND}", "PROVISIONED"),
        ("!GetAtt DeadLetters.Arn", "arn:aws:sqs:us-east-1:1:elsewhere", "elsewhere"),
        ("!GetAtt DeadLetters.Arn", "!Sub 'arn:aws:sqs:us-east-1:000000000000:forebay-Queue'", "dead-letter"),
        ("!GetAtt Failures.Arn", "arn:aws:sns:us-east-1:1:t", "OnFailure"),
        ("EventSourceArn: !GetAtt Queue.Arn", "EventSourceArn: arn:aws:kafka:x", "arn:aws:kafka:x"),
        ("EventSourceArn: !GetAtt Queue.Arn", "EventSourceArn: !GetAtt Stream.Arn", "one is served"),
        ("!GetAtt Consumer.ConsumerARN", "!GetAtt Stream.Arn", "one is served"),
        ('Queue:\n    Type: AWS::SQS::Queue\n    Properties:', 'Queue:\n    Type: AWS::SQS::Queue\n    Properties:\n'
         '      FifoQueue: true', "the dead-letter queue of a FIFO queue is FIFO"),
        ('Failures: {Type: "AWS::SQS::Queue"}', 'Failures: {Type: "AWS::SQS::Queue", Properties: {FifoQueue: true}}',
         "no failures to a FIFO queue"),
        ('Failures: {Type: "AWS::SQS::Queue"}',
         'Failures: {Type: "AWS::SQS::Queue", Properties: {FifoQueue: true, DeduplicationScope: messageGroup}}',
         "go together"),
        ('Failures: {Type: "AWS::SQS::Queue"}',
         'Failures: {Type: "AWS::SQS::Queue", Properties: {FifoQueue: true, DelaySeconds: 5}}', "DelaySeconds"),
        ("StreamARN: !GetAtt PushedStream.Arn", "StreamARN: arn:aws:kinesis:x", "arn:aws:kinesis:x"),
        ("Protocol: lambda", "Protocol: email", "function of this template"),
        ("Runtime: python3.13", "Runtime: python3.13, Layers: [x]".replace(", ", "\n      "), "Layers"),
    ],
)  # fmt: skip
async def test_what_cannot_be_served_is_refused_by_name(tmp_path: Path, old: str, new: str, named: str) -> None:
    def changed(text: str) -> str:
        assert old in text
        return text.replace(old, new)

    with pytest.raises(NotServedError, match=re.escape(named)):
        async with world(tmp_path, "sample.ok", edit=changed, s3=NoStorage()):
            pass


def with_callbacks(text: str) -> str:
    """The template with a second queue, its own function, and an API that may call another."""
    return (
        text
        + """
  CallbackQueue:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 30
      RedrivePolicy: {deadLetterTargetArn: !GetAtt CallbackDeadLetterQueue.Arn, maxReceiveCount: 2}
  CallbackDeadLetterQueue: {Type: "AWS::SQS::Queue"}
  CallbackMapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      FunctionName: !Ref Function
      EventSourceArn: !GetAtt CallbackQueue.Arn
      FunctionResponseTypes: [ReportBatchItemFailures]
  RequestHandlerFunction:
    Type: AWS::Lambda::Function
    Properties: {Handler: sample.ok, Runtime: python3.13, Role: "arn:aws:iam::000000000000:role/test", Timeout: 4}
  Permission:
    Type: AWS::Lambda::Permission
    Properties:
      Action: lambda:InvokeFunction
      FunctionName: !Ref RequestHandlerFunction
      Principal: apigateway.amazonaws.com
"""
    )


async def test_every_queue_has_a_mapping_of_its_own_and_what_an_api_calls_is_told_beside_them(tmp_path: Path) -> None:
    async with world(tmp_path, "sample.remembers", edit=with_callbacks) as here:
        assert set(here.stack.states) == {*BUFFERS, "callback", "request-handler"}
        here.queue("CallbackQueue").send([Sending("call-back")])
        here.send("recognise")
        for name in ("callback", "sqs"):
            assert (await here.until_empty(name))["completed"] == 1
        assert sorted(here.done()) == ["call-back", "recognise"]
        function = next(
            each for each in here.stack.functions.values() if each.configuration.name.endswith("RequestHandlerFunction")
        )
        answer = await here.stack.invoke(function, b'{"a": 1}')
        assert json.loads(answer.payload)["echo"] == {"a": 1}
        await until(lambda: here.stack.states["request-handler"]()["completed"] == 1)


async def test_the_queue_of_the_output_is_called_sqs_whatever_its_mapping_is_called(tmp_path: Path) -> None:
    def renamed(text: str) -> str:
        return text.replace("  SqsMapping:", "  WorkMapping:") + "\nOutputs: {QueueUrl: {Value: !Ref Queue}}\n"

    async with world(tmp_path, "sample.remembers", edit=renamed) as here:
        assert set(here.stack.states) == set(BUFFERS)


async def test_two_that_would_have_one_name_are_refused(tmp_path: Path) -> None:
    def taken(text: str) -> str:
        return with_callbacks(text).replace("RequestHandlerFunction", "CallbackFunction")

    with pytest.raises(NotServedError, match="something called callback already"):
        async with world(tmp_path, "sample.remembers", edit=taken):
            pass
