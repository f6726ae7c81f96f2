"""FIFO queues through boto3: order in a group, one receive of a group at a time, each message once."""

import hashlib
from typing import Any

import pytest

from delivery.quotas import Quotas
from local.events import sqs_event
from tests.wire.test_sqs import code_of
from tests.wire.virtual_time import run
from tests.wire.world import STARTED_AT, World


def send(client: Any, world: World, body: str, group: str = "g", dedup: str | None = None) -> dict[str, Any]:
    answer: dict[str, Any] = client.send_message(
        QueueUrl=world.fifo.url,
        MessageBody=body,
        MessageGroupId=group,
        MessageDeduplicationId=dedup or f"{group}-{body}",
    )
    return answer


def receive(client: Any, world: World, most: int = 10, **more: Any) -> list[dict[str, Any]]:
    answer = client.receive_message(
        QueueUrl=world.fifo.url, MaxNumberOfMessages=most, MessageSystemAttributeNames=["All"], **more
    )
    messages: list[dict[str, Any]] = answer.get("Messages", [])
    return messages


def bodies(messages: list[dict[str, Any]]) -> list[str]:
    return [message["Body"] for message in messages]


def test_a_group_is_received_in_its_order_and_not_again_while_one_of_it_is_in_flight(sqs: Any, world: World) -> None:
    for body in "abc":
        send(sqs, world, body)
    first = receive(sqs, world, 2)
    assert bodies(first) == ["a", "b"]
    assert receive(sqs, world) == []
    for message in first:
        sqs.delete_message(QueueUrl=world.fifo.url, ReceiptHandle=message["ReceiptHandle"])
    assert bodies(receive(sqs, world)) == ["c"]


def test_one_groups_message_in_flight_stops_no_other_group(sqs: Any, world: World) -> None:
    for body in "ab":
        send(sqs, world, body, group=body)
    assert bodies(receive(sqs, world, 1)) == ["a"]
    assert bodies(receive(sqs, world, 1)) == ["b"]


def test_each_message_of_a_receive_has_a_receipt_of_its_own_and_comes_back_in_order(sqs: Any, world: World) -> None:
    for body in "abc":
        send(sqs, world, body)
    messages = receive(sqs, world)
    assert len({message["ReceiptHandle"] for message in messages}) == 3
    sqs.delete_message(QueueUrl=world.fifo.url, ReceiptHandle=messages[1]["ReceiptHandle"])
    world.clock.advance(31)
    again = receive(sqs, world)
    assert bodies(again) == ["a", "c"]
    assert [message["Attributes"]["ApproximateReceiveCount"] for message in again] == ["2", "2"]


def test_a_message_tells_its_group_its_deduplication_id_and_its_place(sqs: Any, world: World) -> None:
    sent = [send(sqs, world, body, dedup=f"d-{body}") for body in "ab"]
    received = receive(sqs, world)
    for message, answer, body in zip(received, sent, "ab", strict=True):
        attributes = message["Attributes"]
        assert (attributes["MessageGroupId"], attributes["MessageDeduplicationId"]) == ("g", f"d-{body}")
        assert attributes["SequenceNumber"] == answer["SequenceNumber"]
        assert len(answer["SequenceNumber"]) == 20
    assert int(sent[0]["SequenceNumber"]) < int(sent[1]["SequenceNumber"])


def test_a_message_sent_twice_within_five_minutes_is_there_once_and_answered_alike(sqs: Any, world: World) -> None:
    first = send(sqs, world, "a", dedup="d")
    world.clock.advance(299)
    again = send(sqs, world, "another body", dedup="d")
    assert (again["MessageId"], again["SequenceNumber"]) == (first["MessageId"], first["SequenceNumber"])
    assert bodies(receive(sqs, world)) == ["a"]
    world.clock.advance(2)
    assert send(sqs, world, "later", dedup="d")["MessageId"] != first["MessageId"]


def test_a_deleted_message_is_still_known_to_have_been_sent(sqs: Any, world: World) -> None:
    first = send(sqs, world, "a", dedup="d")
    (message,) = receive(sqs, world)
    sqs.delete_message(QueueUrl=world.fifo.url, ReceiptHandle=message["ReceiptHandle"])
    assert send(sqs, world, "a", dedup="d")["MessageId"] == first["MessageId"]
    assert receive(sqs, world) == []


def test_a_queue_that_goes_by_content_makes_the_id_from_the_body_unless_one_is_given(sqs: Any, world: World) -> None:
    url = world.content_fifo.url
    ids = [
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId="g", **more)["MessageId"]
        for body, more in (("a", {}), ("a", {}), ("b", {}), ("a", {"MessageDeduplicationId": "own"}))
    ]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
    (message, *_) = sqs.receive_message(QueueUrl=url, MessageSystemAttributeNames=["All"])["Messages"]
    assert message["Attributes"]["MessageDeduplicationId"] == hashlib.sha256(b"a").hexdigest()


def test_a_batchs_entries_keep_their_order_and_fail_each_for_itself(sqs: Any, world: World) -> None:
    entries = [
        {"Id": "0", "MessageBody": "a", "MessageGroupId": "g", "MessageDeduplicationId": "0"},
        {"Id": "1", "MessageBody": "b", "MessageDeduplicationId": "1"},
        {"Id": "2", "MessageBody": "c", "MessageGroupId": "g"},
        {"Id": "3", "MessageBody": "d", "MessageGroupId": "g", "MessageDeduplicationId": "3"},
    ]
    answer = sqs.send_message_batch(QueueUrl=world.fifo.url, Entries=entries)
    assert [entry["Id"] for entry in answer["Successful"]] == ["0", "3"]
    assert all("SequenceNumber" in entry for entry in answer["Successful"])
    assert [(entry["Id"], entry["Code"]) for entry in answer["Failed"]] == [
        ("1", "MissingParameter"), ("2", "InvalidParameterValue"),
    ]  # fmt: skip
    assert bodies(receive(sqs, world)) == ["a", "d"]


@pytest.mark.parametrize(
    ("given", "code", "says", "why"),
    [
        ({"MessageDeduplicationId": "d"}, "MissingParameter", "MessageGroupId", "no group"),
        ({"MessageGroupId": "g"}, "InvalidParameterValue", "ContentBasedDeduplication", "nothing to tell it by"),
        ({"MessageGroupId": "g g", "MessageDeduplicationId": "d"}, "InvalidParameterValue",
         "MessageGroupId", "a space"),
        ({"MessageGroupId": "g", "MessageDeduplicationId": "d" * 129}, "InvalidParameterValue",
         "MessageDeduplicationId", "too long"),
        ({"MessageGroupId": "g", "MessageDeduplicationId": ""}, "InvalidParameterValue",
         "MessageDeduplicationId", "empty"),
        ({"MessageGroupId": "g", "MessageDeduplicationId": "d", "DelaySeconds": 0}, "InvalidParameterValue",
         "not valid for this queue type", "the queue alone delays"),
    ],
)  # fmt: skip
def test_what_a_fifo_queue_does_not_take(
    sqs: Any, world: World, given: dict[str, Any], code: str, says: str, why: str
) -> None:
    found, message, status = code_of(lambda: sqs.send_message(QueueUrl=world.fifo.url, MessageBody="x", **given))
    assert (found, status) == (code, 400), why
    assert says in message, why
    assert receive(sqs, world) == []


def test_a_standard_queue_takes_a_group_but_no_deduplication_id(sqs: Any, world: World) -> None:
    sqs.send_message(QueueUrl=world.queue.url, MessageBody="x", MessageGroupId="tenant")
    code, message, _ = code_of(
        lambda: sqs.send_message(QueueUrl=world.queue.url, MessageBody="x", MessageDeduplicationId="d")
    )
    assert code == "InvalidParameterValue"
    assert "not valid for this queue type" in message


def test_a_message_received_too_often_moves_with_its_group_and_frees_it(sqs: Any, world: World) -> None:
    for body in ("poison", "good"):
        send(sqs, world, body)
    for _ in range(2):
        assert bodies(receive(sqs, world, 1)) == ["poison"]
        world.clock.advance(31)
    assert bodies(receive(sqs, world, 1)) == ["good"]
    (moved,) = sqs.receive_message(QueueUrl=world.dead_fifo.url, MessageSystemAttributeNames=["All"])["Messages"]
    assert moved["Body"] == "poison"
    assert moved["Attributes"]["MessageGroupId"] == "g"
    assert moved["Attributes"]["DeadLetterQueueSourceArn"] == world.fifo.arn


def test_the_visibility_of_a_message_received_alone_can_be_changed(sqs: Any, world: World) -> None:
    for body in "ab":
        send(sqs, world, body)
    (alone,) = receive(sqs, world, 1)
    sqs.change_message_visibility(QueueUrl=world.fifo.url, ReceiptHandle=alone["ReceiptHandle"], VisibilityTimeout=0)
    together = receive(sqs, world)
    assert bodies(together) == ["a", "b"]
    code, message, _ = code_of(
        lambda: sqs.change_message_visibility(
            QueueUrl=world.fifo.url, ReceiptHandle=together[0]["ReceiptHandle"], VisibilityTimeout=0
        )
    )
    assert code == "InvalidParameterValue"
    assert "MaxNumberOfMessages=1" in message
    assert receive(sqs, world) == []


def test_the_visibility_of_all_that_were_received_together_is_changed_by_one_call_that_names_them(
    sqs: Any, world: World
) -> None:
    for body in "abcd":
        send(sqs, world, body)
    first, *others = receive(sqs, world)
    sqs.delete_message(QueueUrl=world.fifo.url, ReceiptHandle=first["ReceiptHandle"])
    entries = [
        {"Id": str(number), "ReceiptHandle": each["ReceiptHandle"], "VisibilityTimeout": 0}
        for number, each in enumerate(others)
    ]

    some = sqs.change_message_visibility_batch(QueueUrl=world.fifo.url, Entries=entries[:2])
    assert {each["Id"] for each in some["Failed"]} == {"0", "1"}
    assert receive(sqs, world) == []

    answer = sqs.change_message_visibility_batch(
        QueueUrl=world.fifo.url,
        Entries=[*entries, {"Id": "foreign", "ReceiptHandle": "none of it", "VisibilityTimeout": 0}],
    )
    assert {each["Id"] for each in answer["Successful"]} == {"0", "1", "2"}
    assert [each["Id"] for each in answer["Failed"]] == ["foreign"]
    assert bodies(receive(sqs, world)) == ["b", "c", "d"]


@pytest.mark.parametrize("world", [World(quotas=Quotas.with_overrides({"sqs_fifo_calls_per_s": 3}))])
def test_calls_over_the_quota_are_throttled_and_a_batch_is_one_call(sqs: Any, world: World) -> None:
    entries = [
        {"Id": str(n), "MessageBody": "x", "MessageGroupId": "g", "MessageDeduplicationId": f"b{n}"} for n in range(10)
    ]
    assert len(sqs.send_message_batch(QueueUrl=world.fifo.url, Entries=entries)["Successful"]) == 10
    for dedup in ("1", "2"):
        send(sqs, world, "x", dedup=dedup)
    code, message, _ = code_of(lambda: send(sqs, world, "x", dedup="3"))
    assert (code, message) == ("RequestThrottled", "Rate exceeded")
    failed = sqs.send_message_batch(QueueUrl=world.fifo.url, Entries=[{**entries[0], "MessageDeduplicationId": "4"}])
    assert [entry["Code"] for entry in failed["Failed"]] == ["RequestThrottled"]
    world.clock.advance(1)
    send(sqs, world, "x", dedup="3")


def test_its_attributes_say_what_it_is(sqs: Any, world: World) -> None:
    attributes = sqs.get_queue_attributes(QueueUrl=world.content_fifo.url, AttributeNames=["All"])["Attributes"]
    assert attributes["FifoQueue"] == "true"
    assert attributes["ContentBasedDeduplication"] == "true"
    assert (attributes["DeduplicationScope"], attributes["FifoThroughputLimit"]) == ("queue", "perQueue")
    standard = sqs.get_queue_attributes(QueueUrl=world.queue.url, AttributeNames=["All"])["Attributes"]
    assert "FifoQueue" not in standard


def test_a_receive_attempt_id_is_refused_rather_than_passed_over(sqs: Any, world: World) -> None:
    code, message, _ = code_of(lambda: receive(sqs, world, ReceiveRequestAttemptId="again"))
    assert code == "InvalidParameterValue"
    assert "leave it out" in message


def test_an_event_of_a_fifo_queue_names_group_deduplication_id_and_place(sqs: Any, world: World) -> None:
    sent = send(sqs, world, "a", group="camera-7", dedup="d")
    batch = run(world.clock, world.fifo.receive(10))
    (record,) = sqs_event(batch, world.fifo.arn)["Records"]
    assert record["attributes"] == {
        "ApproximateReceiveCount": "1",
        "SentTimestamp": str(int(STARTED_AT * 1000)),
        "SenderId": "123456789012",
        "ApproximateFirstReceiveTimestamp": str(int(STARTED_AT * 1000)),
        "MessageGroupId": "camera-7",
        "MessageDeduplicationId": "d",
        "SequenceNumber": sent["SequenceNumber"],
    }
