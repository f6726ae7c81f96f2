"""Kinesis through boto3: what producers and consumers see."""

import base64
import hashlib
import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from delivery.quotas import Quotas
from local.stream import Entry
from tests.wire.world import STARTED_AT, World

SHARD_0 = "shardId-000000000000"


def put(client: Any, data: bytes = b"x", key: str = "k", stream: str = "photos", **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = client.put_record(StreamName=stream, Data=data, PartitionKey=key, **more)
    return answer


def iterator(client: Any, kind: str = "TRIM_HORIZON", shard: str = SHARD_0, stream: str = "photos", **more: Any) -> str:
    answer = client.get_shard_iterator(StreamName=stream, ShardId=shard, ShardIteratorType=kind, **more)
    return str(answer["ShardIterator"])


def data(page: dict[str, Any]) -> list[bytes]:
    return [record["Data"] for record in page["Records"]]


def code_of(call: Callable[[], Any]) -> tuple[str, str, int]:
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response["Error"]
    return error["Code"], error["Message"], caught.value.response["ResponseMetadata"]["HTTPStatusCode"]


def test_a_record_comes_back_as_it_was_put(kinesis: Any, world: World) -> None:
    world.clock.now = STARTED_AT + 1.234
    every_byte = bytes(range(256))
    answer = put(kinesis, every_byte, "clé \U0001f511")
    page = kinesis.get_records(ShardIterator=iterator(kinesis))
    (record,) = page["Records"]
    assert record["Data"] == every_byte
    assert record["PartitionKey"] == "clé \U0001f511"
    assert record["SequenceNumber"] == answer["SequenceNumber"]
    assert record["ApproximateArrivalTimestamp"].timestamp() == pytest.approx(STARTED_AT + 1.234)
    assert answer["ShardId"] == SHARD_0
    assert answer["ResponseMetadata"]["RequestId"] == "request-1"


def test_sequence_numbers_ascend_in_a_shard_and_have_56_digits(kinesis: Any, world: World) -> None:
    numbers = []
    for index in range(12):
        numbers.append(put(kinesis, key=str(index))["SequenceNumber"])
        world.clock.advance(0.01)
    assert all(len(number) == 56 and number.isdigit() for number in numbers)
    assert numbers == sorted(numbers, key=int)
    assert len(set(numbers)) == len(numbers)


def test_a_partition_key_goes_to_the_shard_whose_range_holds_its_md5(kinesis: Any) -> None:
    shards = kinesis.list_shards(StreamName="wide")["Shards"]
    seen = set()
    for key in (f"key-{number}" for number in range(40)):
        hash_key = int.from_bytes(hashlib.md5(key.encode()).digest(), "big")
        (holder,) = [
            shard["ShardId"]
            for shard in shards
            if int(shard["HashKeyRange"]["StartingHashKey"]) <= hash_key <= int(shard["HashKeyRange"]["EndingHashKey"])
        ]
        assert put(kinesis, key=key, stream="wide")["ShardId"] == holder
        seen.add(holder)
    assert len(seen) == 4


@pytest.mark.parametrize(
    ("hash_key", "shard"),
    [
        ("0", 0),
        (str(2**126 - 1), 0),
        (str(2**126), 1),
        (str(2**127), 2),
        (str(2**128 - 1), 3),
    ],
    ids=["first", "last of shard 0", "first of shard 1", "first of shard 2", "last"],
)
def test_an_explicit_hash_key_overrides_the_partition_key(kinesis: Any, hash_key: str, shard: int) -> None:
    answer = put(kinesis, stream="wide", ExplicitHashKey=hash_key)
    assert answer["ShardId"] == f"shardId-{shard:012d}"


def test_three_times_a_shards_limit_gets_a_third_of_it_in_and_the_rest_throttled_each_for_itself(
    kinesis: Any, world: World
) -> None:
    accepted = failed = 0
    seconds, per_second = 4, 3_000
    for _ in range(seconds * 10):
        entries = [{"Data": b"x", "PartitionKey": str(index)} for index in range(per_second // 10)]
        answer = kinesis.put_records(StreamName="photos", Records=entries)
        results = answer["Records"]
        refused = [result for result in results if "ErrorCode" in result]
        assert answer["FailedRecordCount"] == len(refused)
        assert len(results) == len(entries)
        for result in refused:
            assert result["ErrorCode"] == "ProvisionedThroughputExceededException"
            assert result["ErrorMessage"] == (
                f"Rate exceeded for shard {SHARD_0} in stream photos under account 123456789012."
            )
            assert "SequenceNumber" not in result
        accepted += len(results) - len(refused)
        failed += len(refused)
        world.clock.advance(0.1)
    # The bucket of a second's records is full at the start, hence one second's worth more.
    assert accepted == pytest.approx(1_000 * (seconds + 1), rel=0.05)
    assert accepted + failed == seconds * per_second
    page = world.stream.read(0, 0)
    assert page is not None
    assert len(page.records) == accepted


def test_a_throttled_record_is_refused_by_name_with_status_400(kinesis: Any, world: World) -> None:
    world.stream.put([entry() for _ in range(1_000)])
    code, message, status = code_of(lambda: put(kinesis))
    assert (code, status) == ("ProvisionedThroughputExceededException", 400)
    assert message == f"Rate exceeded for shard {SHARD_0} in stream photos under account 123456789012."


def test_a_throttled_shard_leaves_the_others_alone(kinesis: Any, world: World) -> None:
    world.wide.put([entry(hash_key=0) for _ in range(1_000)])
    entries = [{"Data": b"x", "PartitionKey": "k", "ExplicitHashKey": key} for key in ("0", str(2**127), "1")]
    answer = kinesis.put_records(StreamName="wide", Records=entries)
    assert [("ErrorCode" in result) for result in answer["Records"]] == [True, False, True]
    assert answer["FailedRecordCount"] == 2


@pytest.mark.parametrize(
    ("request_", "code", "says"),
    [
        ({"StreamName": "none"}, "ResourceNotFoundException", "Stream none under account 123456789012 not found."),
        ({"StreamName": None}, "InvalidArgumentException", "StreamName or StreamARN"),
        ({"StreamName": "a b"}, "ValidationException", "at 'streamName' failed to satisfy constraint: Member must sat"),
        (
            {"StreamARN": "arn:aws:kinesis:eu-central-1:123456789012:stream/wide"},
            "ResourceNotFoundException",
            "not found",
        ),
        ({"PartitionKey": ""}, "ValidationException", "greater than or equal to 1"),
        ({"PartitionKey": "k" * 257}, "ValidationException", "at 'partitionKey' failed to satisfy constraint: Member"),
        ({"PartitionKey": None}, "ValidationException", "Value null at 'partitionKey'"),
        ({"Data": None}, "ValidationException", "Value null at 'data' failed to satisfy constraint: Member must not"),
        ({"Data": b"x" * (1 << 20)}, "ValidationException", "less than or equal to 1048576"),
        ({"ExplicitHashKey": "-1"}, "ValidationException", "at 'explicitHashKey'"),
        ({"ExplicitHashKey": str(2**128)}, "InvalidArgumentException", "[0, 2^128-1]"),
        ({"DryRun": True}, "DryRunOperationException", "DryRun"),
    ],
    ids=[
        "unknown stream",
        "no stream named",
        "a name no stream can have",
        "name and ARN of two streams",
        "empty key",
        "key too long",
        "no key",
        "no data",
        "data and key over 1 MiB",
        "negative hash key",
        "hash key over the ring",
        "dry run",
    ],
)
def test_a_bad_put_is_refused_as_aws_does(world: World, request_: dict[str, Any], code: str, says: str) -> None:
    body = {"StreamName": "photos", "PartitionKey": "k", "Data": b"x", **request_}
    status, answer = put_json(world, {name: value for name, value in body.items() if value is not None})
    assert (status, answer["__type"]) == (400, code)
    assert says in answer["message"]
    assert world.stream.latest() == 0


def put_json(world: World, values: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    plain = {
        name: base64.b64encode(value).decode() if isinstance(value, bytes) else value for name, value in values.items()
    }
    response = world.call("kinesis", json.dumps(plain).encode(), x_amz_target="Kinesis_20131202.PutRecord")
    assert response.headers["x-amzn-errortype"] == json.loads(response.body)["__type"]
    return response.status, json.loads(response.body)


def entry(hash_key: int | None = None) -> Entry:
    return Entry(b"x", "k", hash_key)


@pytest.mark.parametrize(
    ("key", "answer"),
    [("key", 200), ("keys", 400), ("clé", 400)],
    ids=["data and key are 1 MiB", "a character more", "a byte more in UTF-8"],
)
def test_a_records_size_is_its_data_before_base64_and_its_partition_key(kinesis: Any, key: str, answer: int) -> None:
    blob = b"x" * ((1 << 20) - 3)
    if answer == 200:
        assert put(kinesis, blob, key)["ShardId"] == SHARD_0
    else:
        assert code_of(lambda: put(kinesis, blob, key))[::2] == ("ValidationException", answer)


def test_each_kind_of_iterator_starts_where_it_says(kinesis: Any, world: World) -> None:
    numbers = []
    for letter in (b"a", b"b", b"c"):
        numbers.append(put(kinesis, letter)["SequenceNumber"])
        world.clock.advance(10)
    starts = {
        "TRIM_HORIZON": iterator(kinesis),
        "LATEST": iterator(kinesis, "LATEST"),
        "AT": iterator(kinesis, "AT_SEQUENCE_NUMBER", StartingSequenceNumber=numbers[1]),
        "AFTER": iterator(kinesis, "AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=numbers[1]),
        "AT_TIMESTAMP": iterator(kinesis, "AT_TIMESTAMP", Timestamp=STARTED_AT + 10),
        "between two records": iterator(kinesis, "AT_TIMESTAMP", Timestamp=STARTED_AT + 10.5),
        "before all": iterator(kinesis, "AT_TIMESTAMP", Timestamp=1.0),
        "after all": iterator(kinesis, "AT_TIMESTAMP", Timestamp=STARTED_AT + 25),
    }
    put(kinesis, b"d")
    read = {}
    for name, start in starts.items():
        read[name] = b"".join(data(kinesis.get_records(ShardIterator=start)))
        world.clock.advance(1)
    assert read == {
        "TRIM_HORIZON": b"abcd",
        "LATEST": b"d",
        "AT": b"bcd",
        "AFTER": b"cd",
        "AT_TIMESTAMP": b"bcd",
        "between two records": b"cd",
        "before all": b"abcd",
        "after all": b"d",
    }


def test_a_consumer_reads_everything_once_and_in_order_page_by_page(kinesis: Any, world: World) -> None:
    for index in range(25):
        put(kinesis, str(index).encode(), key=str(index % 3))
    read: list[bytes] = []
    behind = []
    position = iterator(kinesis)
    for _ in range(4):
        world.clock.advance(1)
        page = kinesis.get_records(ShardIterator=position, Limit=10)
        position = page["NextShardIterator"]
        read += data(page)
        behind.append(page["MillisBehindLatest"])
    assert read == [str(index).encode() for index in range(25)]
    assert behind == [1_000, 2_000, 0, 0]
    put(kinesis, b"late")
    world.clock.advance(1)
    assert data(kinesis.get_records(ShardIterator=position)) == [b"late"]


def test_an_empty_shard_reads_as_caught_up(kinesis: Any) -> None:
    page = kinesis.get_records(ShardIterator=iterator(kinesis))
    assert (page["Records"], page["MillisBehindLatest"]) == ([], 0)


def test_the_sixth_read_of_a_shard_in_a_second_is_refused(kinesis: Any, world: World) -> None:
    position = iterator(kinesis)
    for _ in range(5):
        kinesis.get_records(ShardIterator=position)
    code, message, status = code_of(lambda: kinesis.get_records(ShardIterator=position))
    assert (code, status) == ("ProvisionedThroughputExceededException", 400)
    assert "Rate exceeded for shard" in message
    world.clock.advance(1)
    kinesis.get_records(ShardIterator=position)


def test_after_ten_mebibytes_a_shard_is_not_read_for_five_seconds(kinesis: Any, world: World) -> None:
    for _ in range(11):
        put(kinesis, b"x" * ((1 << 20) - 1))
        world.clock.advance(1)
    page = kinesis.get_records(ShardIterator=iterator(kinesis))
    assert len(page["Records"]) == 10
    world.clock.advance(4.9)
    assert code_of(lambda: kinesis.get_records(ShardIterator=page["NextShardIterator"]))[0].startswith("Provisioned")
    world.clock.advance(0.2)
    assert len(kinesis.get_records(ShardIterator=page["NextShardIterator"])["Records"]) == 1


def test_an_iterator_lives_five_minutes(kinesis: Any, world: World) -> None:
    position = iterator(kinesis)
    world.clock.advance(300)
    assert kinesis.get_records(ShardIterator=position)["Records"] == []
    world.clock.advance(0.1)
    assert code_of(lambda: kinesis.get_records(ShardIterator=position))[0] == "ExpiredIteratorException"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"ShardId": "shardId-000000000001"}, "ResourceNotFoundException"),
        ({"ShardIteratorType": "SOMEWHERE"}, "ValidationException"),
        ({"ShardIteratorType": "AT_SEQUENCE_NUMBER"}, "InvalidArgumentException"),
        ({"ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": "1"}, "InvalidArgumentException"),
        ({"ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": "x"}, "ValidationException"),
        ({"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": "of wide"}, "InvalidArgument"),
        ({"ShardIteratorType": "AT_TIMESTAMP"}, "InvalidArgumentException"),
        ({"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": STARTED_AT + 60}, "InvalidArgumentException"),
    ],
    ids=[
        "no such shard",
        "no such type",
        "no number",
        "no number of ours",
        "not a number",
        "a number of another shard",
        "no time",
        "a time to come",
    ],
)
def test_an_iterator_from_nowhere_is_refused(kinesis: Any, more: dict[str, Any], code: str) -> None:
    if more.get("StartingSequenceNumber") == "of wide":
        other = put(kinesis, stream="wide", ExplicitHashKey=str(2**127))["SequenceNumber"]
        more = {**more, "StartingSequenceNumber": other}
    request = {"StreamName": "photos", "ShardId": SHARD_0, "ShardIteratorType": "LATEST", **more}
    assert code_of(lambda: kinesis.get_shard_iterator(**request))[0].startswith(code)


@pytest.mark.parametrize("forged", ["x", "AAAA", "cGhvdG9zOjk6MDow", "bm9uZTowOjA6MA==", "é" * 10])
def test_a_forged_iterator_is_refused(kinesis: Any, forged: str) -> None:
    assert code_of(lambda: kinesis.get_records(ShardIterator=forged))[0] == "InvalidArgumentException"


def test_streams_and_shards_describe_themselves(kinesis: Any) -> None:
    assert kinesis.list_streams()["StreamNames"] == ["photos", "wide"]
    first = kinesis.list_streams(Limit=1)
    assert (first["StreamNames"], first["HasMoreStreams"]) == (["photos"], True)
    assert kinesis.list_streams(NextToken=first["NextToken"])["StreamNames"] == ["wide"]
    summary = kinesis.describe_stream_summary(StreamName="wide")["StreamDescriptionSummary"]
    assert (summary["OpenShardCount"], summary["StreamStatus"]) == (4, "ACTIVE")
    assert (summary["RetentionPeriodHours"], summary["MaxRecordSizeInKiB"]) == (24, 1024)
    described = kinesis.describe_stream(StreamARN=summary["StreamARN"], Limit=3)["StreamDescription"]
    assert (len(described["Shards"]), described["HasMoreShards"]) == (3, True)
    assert kinesis.get_waiter("stream_exists").wait(StreamName="wide") is None
    page = kinesis.list_shards(StreamName="wide", MaxResults=3)
    rest = kinesis.list_shards(NextToken=page["NextToken"])
    assert "NextToken" not in rest
    ids = [shard["ShardId"] for shard in page["Shards"] + rest["Shards"]]
    assert ids == [f"shardId-{shard:012d}" for shard in range(4)]
    after = kinesis.list_shards(StreamName="wide", ExclusiveStartShardId=ids[1])["Shards"]
    assert [shard["ShardId"] for shard in after] == ids[2:]
    ranges = [shard["HashKeyRange"] for shard in kinesis.list_shards(StreamName="wide")["Shards"]]
    assert ranges[0]["StartingHashKey"] == "0"
    assert ranges[-1]["EndingHashKey"] == str(2**128 - 1)
    assert all(
        int(left["EndingHashKey"]) + 1 == int(right["StartingHashKey"]) for left, right in itertools.pairwise(ranges)
    )


@pytest.mark.parametrize(
    ("records", "code", "says"),
    [
        (0, "ValidationException", "at 'records' failed to satisfy constraint: Member must have length greater than"),
        (501, "ValidationException", "less than or equal to 500"),
        (11, "InvalidArgumentException", "10 MB"),
    ],
    ids=["none", "over 500", "over 10 MiB"],
)
def test_a_batch_over_the_limits_is_refused_whole(
    kinesis: Any, world: World, records: int, code: str, says: str
) -> None:
    blob = b"x" * 1_000_000 if records == 11 else b"x"
    entries = [{"Data": blob, "PartitionKey": "k"} for _ in range(records)]
    answer = code_of(lambda: kinesis.put_records(StreamName="photos", Records=entries))
    assert answer[0] == code
    assert says in answer[1]
    assert world.stream.latest() == 0


@pytest.mark.parametrize("world", [World(quotas=Quotas.with_overrides({"kinesis_put_records_count": 3}))])
def test_a_batch_holds_no_more_records_than_the_quota(kinesis: Any, world: World) -> None:
    entries = [{"Data": b"x", "PartitionKey": "k"} for _ in range(4)]
    code, message, status = code_of(lambda: kinesis.put_records(StreamName="photos", Records=entries))
    assert (code, status) == ("ValidationException", 400)
    assert "at 'records' failed to satisfy constraint: Member must have length less than or equal to 3" in message
    assert world.stream.latest() == 0
    assert kinesis.put_records(StreamName="photos", Records=entries[:3])["FailedRecordCount"] == 0


def test_what_is_not_served_says_so(kinesis: Any) -> None:
    code, message, status = code_of(lambda: kinesis.delete_stream(StreamName="photos"))
    assert (code, status) == ("UnknownOperationException", 400)
    assert message == "DeleteStream is not served here"
