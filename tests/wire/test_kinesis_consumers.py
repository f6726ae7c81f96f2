"""Enhanced fan-out through boto3: consumers are registered, told of and let go."""

from typing import Any

import pytest

from tests.wire.test_kinesis import code_of
from tests.wire.world import ACCOUNT, STARTED_AT, World


def register(client: Any, world: World, name: str) -> dict[str, Any]:
    consumer: dict[str, Any] = client.register_stream_consumer(StreamARN=world.stream.arn, ConsumerName=name)[
        "Consumer"
    ]
    return consumer


def test_a_registered_consumer_is_named_under_its_stream_and_active_soon_after(kinesis: Any, world: World) -> None:
    registered = register(kinesis, world, "vision")
    arn = f"{world.stream.arn}/consumer/vision:{int(STARTED_AT)}"
    assert (registered["ConsumerARN"], registered["ConsumerStatus"]) == (arn, "CREATING")
    for asked in ({"ConsumerARN": arn}, {"StreamARN": world.stream.arn, "ConsumerName": "vision"}):
        told = kinesis.describe_stream_consumer(**asked)["ConsumerDescription"]
        assert told["ConsumerCreationTimestamp"].timestamp() == STARTED_AT
        del told["ConsumerCreationTimestamp"]
        assert told == {
            "ConsumerName": "vision",
            "ConsumerARN": arn,
            "ConsumerStatus": "ACTIVE",
            "StreamARN": world.stream.arn,
        }


def test_the_stream_counts_its_consumers(kinesis: Any, world: World) -> None:
    for name in ("a", "b"):
        register(kinesis, world, name)
    summary = kinesis.describe_stream_summary(StreamName="photos")["StreamDescriptionSummary"]
    assert summary["ConsumerCount"] == 2


def test_a_list_comes_in_pages_and_another_streams_consumers_are_not_in_it(kinesis: Any, world: World) -> None:
    names = [f"consumer-{number}" for number in range(5)]
    for name in names:
        register(kinesis, world, name)
    pages = list(
        kinesis.get_paginator("list_stream_consumers").paginate(
            StreamARN=world.stream.arn, PaginationConfig={"PageSize": 2}
        )
    )
    assert [len(page["Consumers"]) for page in pages] == [2, 2, 1]
    assert [consumer["ConsumerName"] for page in pages for consumer in page["Consumers"]] == names
    assert kinesis.list_stream_consumers(StreamARN=world.wide.arn)["Consumers"] == []


def test_a_lists_token_is_for_its_stream_and_lives_five_minutes(kinesis: Any, world: World) -> None:
    for name in ("a", "b"):
        register(kinesis, world, name)
    token = kinesis.list_stream_consumers(StreamARN=world.stream.arn, MaxResults=1)["NextToken"]
    for wrong in ("nonsense", "", token):
        arn = world.wide.arn if wrong == token else world.stream.arn
        code, *_ = code_of(lambda wrong=wrong, arn=arn: kinesis.list_stream_consumers(StreamARN=arn, NextToken=wrong))  # type: ignore[misc]
        assert code in ("InvalidArgumentException", "ValidationException")
    world.clock.advance(301)
    code, *_ = code_of(lambda: kinesis.list_stream_consumers(StreamARN=world.stream.arn, NextToken=token))
    assert code == "ExpiredNextTokenException"


def test_a_deregistered_consumer_is_gone_and_its_name_free(kinesis: Any, world: World) -> None:
    arn = register(kinesis, world, "vision")["ConsumerARN"]
    kinesis.deregister_stream_consumer(ConsumerARN=arn)
    assert code_of(lambda: kinesis.describe_stream_consumer(ConsumerARN=arn))[0] == "ResourceNotFoundException"
    world.clock.advance(1)
    assert register(kinesis, world, "vision")["ConsumerARN"] != arn


def test_the_consumer_a_mapping_reads_by_stays(kinesis: Any, world: World) -> None:
    arn = register(kinesis, world, "vision")["ConsumerARN"]
    world.stream.mapped_consumers.add(arn)
    code, message, _ = code_of(lambda: kinesis.deregister_stream_consumer(ConsumerARN=arn))
    assert code == "ResourceInUseException"
    assert "event source mapping" in message
    assert kinesis.describe_stream_consumer(ConsumerARN=arn)


def test_a_name_taken_twice_and_one_consumer_too_many_are_refused(kinesis: Any, world: World) -> None:
    register(kinesis, world, "consumer-0")
    code, message, _ = code_of(lambda: register(kinesis, world, "consumer-0"))
    assert code == "ResourceInUseException"
    assert ACCOUNT in message
    for number in range(1, 20):
        register(kinesis, world, f"consumer-{number}")
    assert code_of(lambda: register(kinesis, world, "consumer-20"))[0] == "LimitExceededException"


@pytest.mark.parametrize(
    ("asked", "code", "why"),
    [
        ({}, "InvalidArgumentException", "nothing is named"),
        ({"ConsumerName": "vision"}, "InvalidArgumentException", "a name is no name without its stream"),
        ({"StreamARN": "arn:aws:kinesis:eu-central-1:123456789012:stream/none", "ConsumerName": "vision"},
         "ResourceNotFoundException", "no stream"),
        ({"ConsumerARN": "arn:aws:kinesis:eu-central-1:123456789012:stream/photos/consumer/x:1"},
         "ResourceNotFoundException", "no consumer"),
    ],
)  # fmt: skip
def test_a_consumer_that_is_not_named_or_not_there(kinesis: Any, asked: dict[str, str], code: str, why: str) -> None:
    assert code_of(lambda: kinesis.describe_stream_consumer(**asked))[0] == code, why


def test_subscribing_to_a_shard_is_refused_with_what_to_do_instead(kinesis: Any, world: World) -> None:
    arn = register(kinesis, world, "vision")["ConsumerARN"]
    code, message, _ = code_of(
        lambda: kinesis.subscribe_to_shard(
            ConsumerARN=arn, ShardId="shardId-000000000000", StartingPosition={"Type": "LATEST"}
        )
    )
    assert code == "UnknownOperationException"
    assert "GetRecords" in message
