"""KPL aggregates: many records in one Kinesis record, as aws-kinesis-agg and the Kinesis Producer Library make them.

The library's own deaggregator hides damage: a wrong checksum passes the whole blob on as if it were a record, and a
parse error is printed and the rest skipped. Here damage is an error, so that the record ends where the failed ones go.
"""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aws_kinesis_agg import DIGEST_SIZE, MAGIC

if TYPE_CHECKING:
    from collections.abc import Sequence


class DamagedAggregateError(ValueError):
    """A record that starts as an aggregate and is not whole; the text says how."""


@dataclass(frozen=True, slots=True)
class UserRecord:
    """A record in an aggregate, with the keys it was given."""

    data: bytes
    partition_key: str
    explicit_hash_key: int | None


def deaggregate(data: bytes) -> "Sequence[bytes]":
    """The records in a Kinesis record's data; data that is no aggregate is a record itself.

    Raises:
        DamagedAggregateError: it is cut short, altered or no aggregate after all.
    """
    if not data.startswith(MAGIC):
        return (data,)
    return [record.data for record in _read(data).records]


def user_records(data: bytes) -> "Sequence[UserRecord]":
    """The records of an aggregate with their keys; none if the data is no aggregate.

    Raises:
        DamagedAggregateError: it is cut short, altered or no aggregate after all, or a record's key is not in it.
    """
    if not data.startswith(MAGIC):
        return ()
    aggregate = _read(data)
    return [
        UserRecord(
            record.data,
            _key(aggregate.partition_key_table, record.partition_key_index),
            _hash_key(_key(aggregate.explicit_hash_key_table, record.explicit_hash_key_index))
            if record.HasField("explicit_hash_key_index")
            else None,
        )
        for record in aggregate.records
    ]


def _key(table: "Sequence[str]", index: int) -> str:
    if index >= len(table):
        raise DamagedAggregateError(f"the aggregate cannot be read: it has {len(table)} keys and names number {index}")
    return table[index]


def _hash_key(text: str) -> int:
    # The largest, 2**128 - 1, has 39 digits; Python reads no number of thousands.
    if not (text.isascii() and text.isdigit() and len(text) <= 39):
        raise DamagedAggregateError(f"the aggregate cannot be read: {text[:40]!r} is no hash key")
    return int(text)


def _read(data: bytes) -> Any:
    """The aggregate's protobuf message."""
    message, digest = data[len(MAGIC) : -DIGEST_SIZE], data[-DIGEST_SIZE:]
    if len(data) < len(MAGIC) + DIGEST_SIZE or hashlib.md5(message, usedforsecurity=False).digest() != digest:
        raise DamagedAggregateError("the aggregate's checksum does not match what it holds")
    # Protobuf costs tens of ms at a cold start, and what comes through the API is never aggregated. The library finds
    # its generated modules only once its deaggregator has put their folder on the path.
    from aws_kinesis_agg import deaggregator
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    aggregate = deaggregator.messages_pb2.AggregatedRecord()
    try:
        aggregate.ParseFromString(message)
    except DecodeError as error:
        raise DamagedAggregateError(f"the aggregate cannot be read: {error}") from None
    if not aggregate.IsInitialized():
        raise DamagedAggregateError("the aggregate cannot be read: a record in it lacks a field")
    return aggregate
