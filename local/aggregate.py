"""Aggregates as enhanced fan-out treats them: Lambda takes them apart before the function sees them.

User records whose hash key lies outside the shard of their aggregate are dropped then, without a word (Lambda developer
guide, with-kinesis; kinesis-aggregation, potential_data_loss.md). A damaged aggregate is passed on as it is.
"""

from collections.abc import Sequence

from delivery.kinesis_stream import hash_key_of
from pipeline.aggregation import DamagedAggregateError, UserRecord, user_records


def user_records_of(data: bytes) -> Sequence[UserRecord]:
    """The user records of a record's data; none if it is no aggregate, or one that cannot be read."""
    try:
        return user_records(data)
    except DamagedAggregateError:
        return ()


def user_key_of(record: UserRecord) -> int:
    """What decides where a user record belongs: the MD5 of its partition key, unless it names a hash key."""
    return hash_key_of(record.partition_key) if record.explicit_hash_key is None else record.explicit_hash_key
