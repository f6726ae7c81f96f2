"""KPL aggregates: many records in one Kinesis record, as aws-kinesis-agg and the Kinesis Producer Library make them.

The library's own deaggregator hides damage: a wrong checksum passes the whole blob on as if it were a record, and a
parse error is printed and the rest skipped. Here damage is an error, so that the record ends where the failed ones go.
"""

import hashlib
from typing import TYPE_CHECKING

from aws_kinesis_agg import DIGEST_SIZE, MAGIC

if TYPE_CHECKING:
    from collections.abc import Sequence


class DamagedAggregateError(ValueError):
    """A record that starts as an aggregate and is not whole; the text says how."""


def deaggregate(data: bytes) -> "Sequence[bytes]":
    """The records in a Kinesis record's data; data that is no aggregate is a record itself.

    Raises:
        DamagedAggregateError: it is cut short, altered or no aggregate after all.
    """
    if not data.startswith(MAGIC):
        return (data,)
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
    return [record.data for record in aggregate.records]
