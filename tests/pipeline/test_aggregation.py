import hashlib

import pytest
from aws_kinesis_agg.aggregator import AggRecord
from hypothesis import given
from hypothesis import strategies as st

from pipeline.aggregation import DamagedAggregateError, deaggregate

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
