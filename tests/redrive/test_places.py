"""A thousand dead letters of each kind, there and back, on the embedded services; and what is no letter of ours."""

import base64
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from aws_kinesis_agg.aggregator import AggRecord

from pipeline.aggregation import deaggregate
from pipeline.callbacks_table import CallbacksTable, Claim, GivenUp, NotYet, Settled
from producers.redrive.choice import Choice
from producers.redrive.listing import list_place
from producers.redrive.place import PlaceName
from tests.redrive.conftest import NOW, World, batch_failure, event_failure, object_key, record

pytestmark = pytest.mark.long

THOUSAND = 1_000
IDS = [f"id{number}" for number in range(THOUSAND)]
DONE = set(IDS[::10])
TO_SEND = set(IDS) - DONE


def ids_of(bodies: list[Any]) -> Counter[str]:
    return Counter(json.loads(body)["request_id"] for body in bodies)


def aggregate(*records: tuple[str, str]) -> bytes:
    made = AggRecord()
    for key, body in records:
        made.add_user_record(key.encode(), body.encode())
    return made.get_contents()[2]


def test_a_thousand_messages_of_the_dead_letter_queue_go_back_but_for_those_with_results(world: World) -> None:
    dead, queue = world.stack.sqs_dead_letter_queue_url, world.stack.queue_url
    world.lay_messages(dead, [record(each) for each in IDS])
    world.answer(*DONE)

    replayed = world.replay("sqs")

    assert (replayed.sent, replayed.done, replayed.removed) == (900, 100, 1_000)
    assert replayed.whole
    assert world.depth(dead) == (0, 0)
    assert ids_of(world.messages(queue)) == Counter(TO_SEND)


def test_a_thousand_failed_events_are_published_again_but_for_those_with_results(world: World) -> None:
    dead = world.stack.sns_failure_queue_url
    world.lay_messages(dead, [event_failure(record(each)) for each in IDS])
    world.answer(*DONE)

    replayed = world.replay("sns")

    assert (replayed.sent, replayed.done, replayed.removed) == (900, 100, 1_000)
    assert world.depth(dead) == (0, 0)
    assert ids_of(world.published()) == Counter(TO_SEND)


@pytest.mark.parametrize("name", ["kinesis", "kinesis-efo"])
def test_a_thousand_requests_of_failed_batches_are_put_again_each_by_its_own_key(world: World, name: PlaceName) -> None:
    stream, bucket = {
        "kinesis": (world.stack.stream_name, world.stack.kinesis_failure_bucket),
        "kinesis-efo": (world.stack.kinesis_efo_stream_name, world.stack.kinesis_efo_failure_bucket),
    }[name]
    assert stream is not None
    assert bucket is not None
    # 500 alone, ten to a batch, and 500 in aggregates of 25, two to a batch.
    alone = [[(f"key-{each}", record(each).encode()) for each in IDS[at : at + 10]] for at in range(0, 500, 10)]
    together = [
        [
            (
                "key-of-the-aggregate",
                aggregate(*((f"key-{each}", record(each)) for each in IDS[at + half : at + half + 25])),
            )
            for half in (0, 25)
        ]
        for at in range(500, 1_000, 50)
    ]
    world.lay_objects(bucket, [batch_failure(*batch) for batch in alone + together])
    world.answer(*DONE)

    replayed = world.replay(name)

    assert (replayed.sent, replayed.done, replayed.removed) == (900, 100, 60)
    assert world.keys(bucket) == []
    records = world.records(stream)
    assert ids_of([each["Data"] for each in records]) == Counter(TO_SEND)
    assert all(each["PartitionKey"] == f"key-{json.loads(each['Data'])['request_id']}" for each in records)
    assert all(list(deaggregate(each["Data"])) == [each["Data"]] for each in records)


def test_a_thousand_callbacks_are_due_again_but_for_those_acknowledged(world: World) -> None:
    dead, queue = world.stack.callback_dead_letter_queue_url, world.stack.callback_queue_url
    letter = {"callback_url": "https://client.example/done", "reason": "503 Service Unavailable", "attempts": 8}
    world.lay_messages(dead, [json.dumps({"request_id": each, **letter}) for each in IDS])
    table = world.client("dynamodb")
    settled = {"dead_lettered_at": {"N": "1"}, "given_up": {"M": {}}, "attempts": {"N": "8"}, "expires_at": {"N": "9"}}
    for each in IDS:
        acknowledged = {"acknowledged_at": {"N": "1"}} if each in DONE else {}
        table.put_item(
            TableName=world.stack.callbacks_table, Item={"request_id": {"S": each}, **settled, **acknowledged}
        )

    replayed = world.replay("callback")

    assert (replayed.sent, replayed.done, replayed.removed) == (900, 100, 1_000)
    sent = [json.loads(body) for body in world.messages(queue)]
    assert Counter(each["request_id"] for each in sent) == Counter(TO_SEND)
    assert all(each == {"request_id": each["request_id"], "callback_url": letter["callback_url"]} for each in sent)
    items = table.get_paginator("scan").paginate(TableName=world.stack.callbacks_table).build_full_result()["Items"]
    assert {each["request_id"]["S"] for each in items if "dead_lettered_at" not in each} == TO_SEND
    assert all("acknowledged_at" in each for each in items if "given_up" in each or "attempts" in each)


def test_a_callback_that_was_given_up_is_claimed_anew_after_its_replay_and_one_in_work_is_left_to_who_has_it(
    world: World,
) -> None:
    table = CallbacksTable(world.client("dynamodb"), world.stack.callbacks_table)
    for name in ("dead", "in work"):
        claim = table.claim(name, 60.0)
        assert isinstance(claim, Claim)
        if name == "dead":
            table.give_up(claim, GivenUp("503 Service Unavailable", 8))
            table.bury(claim)
            assert table.claim(name, 60.0) == Settled()
    letter = {"callback_url": "https://client.example/done", "reason": "503 Service Unavailable", "attempts": 8}
    bodies = [json.dumps({"request_id": name, **letter}) for name in ("dead", "in work")]
    world.lay_messages(world.stack.callback_dead_letter_queue_url, bodies)

    assert world.replay("callback").sent == 2

    again = table.claim("dead", 60.0)
    assert isinstance(again, Claim)
    assert (again.attempt, again.given_up) == (1, None)
    assert isinstance(table.claim("in work", 60.0), NotYet)


def test_a_thousand_pushes_go_back_as_they_were(world: World) -> None:
    dead, queue = world.stack.push_dead_letter_queue_url, world.stack.push_queue_url
    bodies = [json.dumps({"request_id": each, "connection_id": f"c{each}"}, separators=(",", ":")) for each in IDS]
    world.lay_messages(dead, bodies)

    replayed = world.replay("push")

    assert (replayed.sent, replayed.removed) == (1_000, 1_000)
    assert Counter(world.messages(queue)) == Counter(bodies)


def test_a_message_of_a_fifo_queue_keeps_its_group_and_is_no_copy_of_its_first_sending(
    make_world: Callable[..., World],
) -> None:
    world = make_world(SqsFifo="true")
    sqs, stack = world.client("sqs"), world.stack
    for number in range(3):
        # The first sending, a moment ago: within five minutes the queue takes no message of that id again.
        body = record(f"id{number}")
        sqs.send_message(
            QueueUrl=stack.queue_url, MessageBody=body, MessageGroupId="camera-7", MessageDeduplicationId=f"id{number}"
        )
    world.messages(stack.queue_url)
    world.lay_messages(
        stack.sqs_dead_letter_queue_url,
        [record(f"id{number}") for number in range(3)],
        MessageGroupId=lambda _: "camera-7",
        MessageDeduplicationId=lambda body: json.loads(body)["request_id"],
    )

    assert world.replay("sqs").sent == 3

    messages = sqs.receive_message(
        QueueUrl=stack.queue_url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["MessageGroupId"]
    )["Messages"]
    assert [json.loads(each["Body"])["request_id"] for each in messages] == ["id0", "id1", "id2"]
    assert {each["Attributes"]["MessageGroupId"] for each in messages} == {"camera-7"}


def test_looking_changes_nothing_and_leaves_nothing_hidden(world: World) -> None:
    dead = world.stack.sqs_dead_letter_queue_url
    world.lay_messages(dead, [record(each) for each in IDS[:35]])
    world.answer("id3")

    listing = list_place(world.place("sqs"), Choice(NOW))

    assert (listing.letters, len(listing.requests), listing.foreign) == (35, 35, [])
    assert {each.request_id for each in listing.requests if each.done} == {"id3"}
    assert {(each.tries, each.receives) for each in listing.requests} == {(5, 1)}
    assert world.depth(dead) == (35, 0)


def test_messages_in_hand_of_another_reader_are_told_and_a_long_group_of_a_fifo_queue(
    world: World, make_world: Callable[..., World]
) -> None:
    dead = world.stack.push_dead_letter_queue_url
    world.lay_messages(dead, ['{"request_id": "a", "connection_id": "c"}'] * 5)
    world.client("sqs").receive_message(QueueUrl=dead, MaxNumberOfMessages=2, VisibilityTimeout=900)

    assert list_place(world.place("push"), Choice(NOW)).unseen == 2
    assert world.replay("push").unseen == 2

    fifo = make_world(SqsFifo="true")
    bodies = [record(each) for each in IDS[:25]]
    names = {"MessageDeduplicationId": lambda body: json.loads(body)["request_id"], "MessageGroupId": lambda _: "g"}
    fifo.lay_messages(fifo.stack.sqs_dead_letter_queue_url, bodies, **names)

    listing = list_place(fifo.place("sqs"), Choice(NOW))

    assert (listing.letters, listing.unseen) == (10, 15)
    some = fifo.replay("sqs", request_ids=frozenset(IDS[3:7]))

    assert (some.sent, some.unseen) == (4, 15)
    assert fifo.depth(fifo.stack.sqs_dead_letter_queue_url) == (21, 0)
    assert (fifo.replay("sqs").sent, fifo.depth(fifo.stack.sqs_dead_letter_queue_url)) == (21, (0, 0))


def test_a_dry_run_counts_what_a_replay_would_do_and_changes_nothing(world: World) -> None:
    dead, bucket = world.stack.sqs_dead_letter_queue_url, world.stack.kinesis_failure_bucket
    world.lay_messages(dead, [record(each) for each in IDS[:25]])
    world.lay_objects(bucket, [batch_failure(*((each, record(each).encode()) for each in IDS[:5]))])
    world.answer("id3")

    for name, removed in (("sqs", 25), ("kinesis", 1)):
        dry = world.replay(name, dry_run=True)  # type: ignore[arg-type]
        assert (dry.sent, dry.done, dry.removed) == ({"sqs": 24, "kinesis": 4}[name], 1, removed)

    assert world.depth(dead) == (25, 0)
    assert world.messages(world.stack.queue_url) == []
    assert len(world.keys(bucket)) == 1
    assert world.records(world.stack.stream_name) == []


def test_a_choice_in_a_batch_is_sent_alone_and_noted_until_the_last_goes(world: World) -> None:
    bucket, stream = world.stack.kinesis_failure_bucket, world.stack.stream_name
    world.lay_objects(bucket, [batch_failure(*((each, record(each).encode()) for each in ("a", "b", "c")))])

    first = world.replay("kinesis", request_ids=frozenset({"b"}))
    again = world.replay("kinesis", request_ids=frozenset({"b"}))

    assert (first.sent, first.kept, first.removed) == (1, 1, 0)
    assert (again.sent, again.repeated) == (0, 1)
    assert len(world.keys(bucket)) == 2

    last = world.replay("kinesis")

    assert (last.sent, last.repeated, last.removed) == (2, 1, 1)
    assert ids_of([each["Data"] for each in world.records(stream)]) == Counter("abc")
    assert world.keys(bucket) == []


def test_a_request_in_several_messages_is_sent_once_and_those_not_in_hand_then_wait_for_its_result(
    world: World,
) -> None:
    dead = world.stack.sqs_dead_letter_queue_url
    world.lay_messages(dead, [record("many")] * 12)

    first = world.replay("sqs")

    assert (first.sent, first.repeated, first.returned) == (1, 9, 2)
    assert world.depth(dead) == (2, 0)
    assert len(world.messages(world.stack.queue_url)) == 1

    world.answer("many")
    again = world.replay("sqs")

    assert (again.sent, again.done, again.removed) == (0, 2, 2)


def test_a_request_in_several_batches_is_sent_once(world: World) -> None:
    bucket = world.stack.kinesis_failure_bucket
    world.lay_objects(bucket, [batch_failure(("k", record("many").encode()))] * 60)

    replayed = world.replay("kinesis")

    assert (replayed.sent, replayed.repeated, replayed.removed) == (1, 59, 60)
    assert len(world.records(world.stack.stream_name)) == 1


DEEP = "[" * 100_000
HOSTILE_MESSAGES = {
    "no JSON": "no JSON at all",
    "a message of somebody else's": '{"order": 7}',
    "a list": "[]",
    "a number too long to be read": "1" * 5_000,
    "nested beyond any reader": DEEP,
    "of 1 MB": json.dumps({"request_id": 7, "padding": "x" * 1_000_000}),
    "an id that is empty": '{"request_id": "", "callback_url": "https://client.example"}',
    "an id that no table takes": json.dumps({"request_id": "i" * 2_000, "callback_url": "https://client.example"}),
    "an id that is half a character": '{"request_id": "\\ud800", "callback_url": "https://client.example"}',
    "what would steer a terminal": "\u0085\u202e\U000e0001 <script>",
}


@pytest.mark.parametrize("name", ["sqs", "sns", "callback", "push"])
def test_messages_that_are_no_letters_of_ours_are_shown_and_left_alone(world: World, name: PlaceName) -> None:
    dead, good = {
        "sqs": (world.stack.sqs_dead_letter_queue_url, record("good")),
        "sns": (world.stack.sns_failure_queue_url, event_failure(record("good"))),
        "callback": (
            world.stack.callback_dead_letter_queue_url,
            '{"request_id": "good", "callback_url": "https://c.example"}',
        ),
        "push": (world.stack.push_dead_letter_queue_url, '{"request_id": "good", "connection_id": "c"}'),
    }[name]
    for body in (*HOSTILE_MESSAGES.values(), good):
        world.client("sqs").send_message(QueueUrl=dead, MessageBody=body)

    listing = list_place(world.place(name), Choice(NOW))
    replayed = world.replay(name)

    assert [each.request_id for each in listing.requests] == ["good"]
    assert len(listing.foreign) == len(HOSTILE_MESSAGES)
    assert all(each.problem.isprintable() and len(each.problem) <= 201 for each in listing.foreign)
    assert (replayed.sent, replayed.removed, replayed.left_alone) == (1, 1, len(HOSTILE_MESSAGES))
    assert Counter(world.messages(dead)) == Counter(HOSTILE_MESSAGES.values())


def mapping_record(payload: Any) -> str:
    return json.dumps({"requestContext": {"condition": "RetryAttemptsExhausted"}, "payload": payload})


def records_of(data: str) -> str:
    return json.dumps({"Records": [{"kinesis": {"data": data, "partitionKey": "k"}}]})


CUT_SHORT = base64.b64encode(aggregate(("k", record("a")))[:-1]).decode()
HOSTILE_OBJECTS = {
    "no JSON": "no JSON",
    "nested beyond any reader": DEEP,
    "an object without a condition": "{}",
    "a payload that is a number": mapping_record(7),
    "a payload nested beyond any reader": mapping_record(DEEP),
    "no records and no place where they lay": mapping_record({"Records": []}),
    "data that is not base64": mapping_record(records_of("no base64!")),
    "data beyond ASCII": mapping_record(records_of("é")),
    "an aggregate cut short": mapping_record(records_of(CUT_SHORT)),
    "bytes that are no text": mapping_record(records_of(base64.b64encode(b"\xff\xfe\x00").decode())),
    "larger than any record of Lambda's": "x" * (16 * 1024 * 1024 + 1),
}


def test_objects_that_are_no_letters_of_ours_are_shown_and_left_alone(world: World) -> None:
    bucket, good = world.stack.kinesis_failure_bucket, batch_failure(("good", record("good").encode()))
    world.lay_objects(bucket, [*HOSTILE_OBJECTS.values(), good])
    # Another's, although its content could be Lambda's.
    world.client("s3").put_object(Bucket=bucket, Key="elsewhere/1", Body=good)

    listing = list_place(world.place("kinesis"), Choice(NOW))
    replayed = world.replay("kinesis")

    assert [each.request_id for each in listing.requests] == ["good"]
    hostile = {*(object_key(number) for number in range(len(HOSTILE_OBJECTS))), "elsewhere/1"}
    assert {each.letter for each in listing.foreign} == hostile
    assert all(each.problem.isprintable() and len(each.problem) <= 201 for each in listing.foreign)
    assert (replayed.sent, replayed.removed, replayed.left_alone) == (1, 1, len(hostile))
    assert set(world.keys(bucket)) == hostile


def test_of_a_batch_with_a_record_that_is_no_request_the_others_are_sent_and_it_stays(world: World) -> None:
    bucket = world.stack.kinesis_failure_bucket
    world.lay_objects(bucket, [batch_failure(("a", record("a").encode()), ("b", b"junk"))])

    first, again = world.replay("kinesis"), world.replay("kinesis")

    assert (first.sent, first.kept, first.left_alone) == (1, 1, 1)
    assert (again.sent, again.repeated) == (0, 1)
    assert len(world.records(world.stack.stream_name)) == 1


def test_a_journal_that_somebody_has_spoilt_is_as_good_as_none(world: World) -> None:
    bucket = world.stack.kinesis_failure_bucket
    world.lay_objects(bucket, [batch_failure(("a", record("a").encode()))])
    (key,) = world.keys(bucket)
    for spoilt in ("no JSON", "[]", '{"sent": 7}', '{"sent": [7, "b"]}'):
        world.client("s3").put_object(Bucket=bucket, Key=f"forebay-redrive/{key}", Body=spoilt)
        assert world.replay("kinesis", dry_run=True).sent == 1

    assert world.replay("kinesis").removed == 1
    assert world.keys(bucket) == []
