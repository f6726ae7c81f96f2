"""The stream as its driver sees it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.protocol import Offer, Refusal
from delivery.quotas import Quotas
from local.stream import Entry, InvalidSequenceNumberError, Put
from tests.wire.world import Clock, make_stream


def test_subscribers_hear_of_what_was_taken_in_once_it_can_be_read() -> None:
    clock = Clock()
    stream = make_stream("s", clock, 2, Quotas.with_overrides({"kinesis_shard_records_per_s": 2}))
    heard: list[tuple[list[int], list[bytes]]] = []

    def hear(offer: Offer) -> None:
        heard.append((list(offer.ids), [stream.record(id_).data for id_ in offer.ids]))

    stream.subscribe(hear)
    answers = stream.put([Entry(str(number).encode(), "k", number % 2 * 2**127) for number in range(6)])
    assert [answer.id if isinstance(answer, Put) else answer for answer in answers] == [
        *(0, 1, 2, 3),
        Refusal.THROUGHPUT_EXCEEDED,
        Refusal.THROUGHPUT_EXCEEDED,
    ]
    stream.put([Entry(b"x", "k", 0)])
    assert heard == [([0, 1, 2, 3], [b"0", b"1", b"2", b"3"])]


def test_records_past_their_retention_are_let_go_of() -> None:
    clock = Clock()
    stream = make_stream("s", clock, 1, Quotas.with_overrides({"kinesis_retention_s": 100}))
    for number in range(10):
        stream.put([Entry(str(number).encode(), "k")])
        clock.advance(30)
    # At 300 s, those put at 210 s, 240 s and 270 s are still there.
    page = stream.read(0, stream.oldest())
    assert page is not None
    assert [record.data for record in page.records] == [b"7", b"8", b"9"]
    with pytest.raises(KeyError):
        stream.record(6)
    assert stream.record(7).data == b"7"
    clock.advance(1_000)
    page = stream.read(0, stream.oldest())
    assert page is not None
    assert page.records == ()
    assert page.position == 10


def test_a_position_survives_the_trimming_of_what_lay_before_it() -> None:
    clock = Clock()
    stream = make_stream("s", clock, 1, Quotas.with_overrides({"kinesis_retention_s": 100}))
    puts = [stream.put([Entry(b"a", "k")])[0] for _ in range(5)]
    clock.advance(90)
    stream.put([Entry(b"b", "k")])
    first = puts[0]
    assert isinstance(first, Put)
    position = stream.position_of(0, first.sequence_number)
    clock.advance(20)
    page = stream.read(0, position)
    assert page is not None
    assert [record.data for record in page.records] == [b"b"]


@given(
    sizes=st.lists(st.integers(0, 400), max_size=40),
    hash_keys=st.lists(st.integers(0, 2**128 - 1), min_size=40, max_size=40),
    limits=st.lists(st.integers(1, 7), min_size=1, max_size=8),
)
def test_reading_page_by_page_gives_each_shards_records_once_and_in_order(
    sizes: list[int], hash_keys: list[int], limits: list[int]
) -> None:
    clock = Clock()
    stream = make_stream("s", clock, 3, Quotas.with_overrides({"kinesis_read_bytes": 500}))
    puts = stream.put([Entry(b"x" * size, "k", key) for size, key in zip(sizes, hash_keys, strict=False)])
    for shard in range(3):
        read: list[int] = []
        position = stream.oldest()
        turn = 0
        while True:
            clock.advance(1)
            page = stream.read(shard, position, limits[turn % len(limits)])
            assert page is not None
            if not page.records:
                break
            assert len(page.records) == 1 or sum(len(record.data) + 1 for record in page.records) <= 500
            read += [record.id for record in page.records]
            position = page.position
            turn += 1
        assert read == [put.id for put in puts if isinstance(put, Put) and put.shard == shard]


def test_sequence_numbers_lead_back_to_their_records() -> None:
    stream = make_stream("s", Clock(), 4)
    puts: list[Any] = stream.put([Entry(b"x", str(number)) for number in range(20)])
    for put in puts:
        assert stream.position_of(put.shard, put.sequence_number) == put.id
        with pytest.raises(InvalidSequenceNumberError):
            stream.position_of((put.shard + 1) % 4, put.sequence_number)
    assert stream.position_of(0, stream.sequence_number(-1, 0)) == 0
    with pytest.raises(InvalidSequenceNumberError):
        stream.position_of(0, stream.sequence_number(20, 0))
