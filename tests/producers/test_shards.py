import itertools
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.shards import Shards, hash_key

TOP = 2**128 - 1


def even(shards: int) -> Shards:
    edges = [TOP * n // shards for n in range(shards + 1)]
    return Shards([(low + (low > 0), high) for low, high in itertools.pairwise(edges)])


def test_a_key_is_hashed_as_kinesis_does() -> None:
    # MD5("a"), as a number with the first byte the highest.
    assert hash_key("a") == 0x0CC175B9C0F1B6A831C399E269772661


@given(st.text(max_size=30), st.integers(1, 20))
def test_every_key_leads_to_the_one_shard_whose_range_holds_it(key: str, count: int) -> None:
    shards = even(count)
    shard = shards.shard_of(key)

    assert shard is not None
    low, high = shards.ranges[shard]
    assert low <= hash_key(key) <= high


@given(st.integers(1, 20), st.integers(0, 10**9))
def test_a_key_drawn_for_a_shard_leads_there(count: int, start: int) -> None:
    shards, numbers = even(count), itertools.count(start)

    for shard in range(count):
        assert shards.shard_of(shards.key_for(shard, lambda: str(next(numbers)))) == shard


def test_a_shard_too_narrow_to_find_gets_any_key_instead_of_an_endless_search() -> None:
    numbers = itertools.count()

    assert Shards([(0, 0)]).key_for(0, lambda: str(next(numbers))) == "500"


@pytest.mark.usefixtures("aws")
def test_the_open_shards_of_a_stream_are_asked_for() -> None:
    client: Any = boto3.client("kinesis")
    client.create_stream(StreamName="s", ShardCount=2)
    first = client.list_shards(StreamName="s")["Shards"][0]
    middle = str((int(first["HashKeyRange"]["EndingHashKey"])) // 2)
    client.split_shard(StreamName="s", ShardToSplit=first["ShardId"], NewStartingHashKey=middle)

    ranges = sorted(Shards.of_stream(client, "s").ranges)

    assert len(ranges) == 3
    assert ranges[0][0] == 0
    assert ranges[-1][1] == TOP
    assert all(high + 1 == low for (_, high), (low, _) in itertools.pairwise(ranges))
