import hashlib

import pytest
from aws_kinesis_agg.aggregator import AggRecord
from hypothesis import given
from hypothesis import strategies as st

from pipeline.aggregation import DamagedAggregateError, UserRecord, deaggregate, user_records

MAGIC = b"\xf3\x89\x9a\xc2"


def aggregate(*records: bytes) -> bytes:
    made = AggRecord()
    for number, record in enumerate(records):
        made.add_user_record(f"key{number}".encode(), record)
    contents: bytes = made.get_contents()[2]
    return contents


def checksummed(message: bytes) -> bytes:
    return MAGIC + message + hashlib.md5(message).digest()


@given(st.lists(st.binary(max_size=5_000), min_size=1, max_size=30))
def test_aggregated_records_of_any_size_come_apart_as_they_were(records: list[bytes]) -> None:
    assert list(deaggregate(aggregate(*records))) == records


@given(st.binary(max_size=100).filter(lambda data: not data.startswith(MAGIC)))
def test_what_is_no_aggregate_is_a_record_itself(data: bytes) -> None:
    assert list(deaggregate(data)) == [data]


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=5), st.data())
def test_a_byte_changed_behind_the_magic_is_damage_and_never_a_record(
    records: list[bytes], data: st.DataObject
) -> None:
    whole = bytearray(aggregate(*records))
    at = data.draw(st.integers(len(MAGIC), len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))

    with pytest.raises(DamagedAggregateError, match="checksum"):
        deaggregate(bytes(whole))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        pytest.param(MAGIC, "checksum", id="nothing behind the magic"),
        pytest.param(MAGIC + b"x" * 15, "checksum", id="shorter than a checksum"),
        pytest.param(aggregate(b"a", b"b")[:-1], "checksum", id="cut off"),
        pytest.param(checksummed(b"\xff\xff\xff"), "cannot be read", id="a right checksum over garbage"),
        pytest.param(checksummed(b"\x1a\x02\x08\x00"), "cannot be read", id="a record without its data"),
    ],
)
def test_damage_is_an_error_that_says_what_is_wrong(data: bytes, problem: str) -> None:
    with pytest.raises(DamagedAggregateError, match=problem):
        deaggregate(data)


def test_a_record_whose_key_is_not_in_the_table_is_not_lost() -> None:
    # The library's deaggregator prints an error here and leaves out the rest.
    message = b"\x1a\x05\x08\x07\x1a\x01a" + b"\x1a\x05\x08\x00\x1a\x01b"

    assert list(deaggregate(checksummed(message))) == [b"a", b"b"]


def test_an_aggregate_of_nothing_holds_nothing() -> None:
    assert list(deaggregate(checksummed(b""))) == []


def test_user_records_come_with_the_keys_they_were_given() -> None:
    made = AggRecord()
    made.add_user_record("cat", b"1")
    made.add_user_record("dog", b"2", "340282366920938463463374607431768211455")
    made.add_user_record("cat", b"3", "0")
    assert list(user_records(made.get_contents()[2])) == [
        UserRecord(b"1", "cat", None),
        UserRecord(b"2", "dog", 2**128 - 1),
        UserRecord(b"3", "cat", 0),
    ]
    assert list(user_records(b"no aggregate")) == []


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        pytest.param(b"\x1a\x05\x08\x07\x1a\x01a", "0 keys and names number 7", id="the eighth key of none"),
        pytest.param(
            b"\x1a\x0e\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x1a\x01a", "names number", id="a place of 64 bits"
        ),
        pytest.param(
            b"\x0a\x01k\x12\x01x\x1a\x07\x08\x00\x10\x00\x1a\x01a", "'x' is no hash key", id="a hash key of letters"
        ),
        pytest.param(
            b"\x0a\x01k\x12\xd8\x36" + b"9" * 7_000 + b"\x1a\x07\x08\x00\x10\x00\x1a\x01a",
            "is no hash key",
            id="a hash key of thousands of digits",
        ),
    ],
)
def test_a_user_record_whose_key_cannot_be_told_is_damage(message: bytes, problem: str) -> None:
    with pytest.raises(DamagedAggregateError, match=problem):
        user_records(checksummed(message))
