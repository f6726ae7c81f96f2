"""A stream's shards are split while a mapping reads them."""

from random import Random

import pytest
from virtual_driver import always, drive

from delivery.environments import Account, Environments
from delivery.kinesis_fan_out_mapping import KinesisFanOutMapping
from delivery.kinesis_mapping import KinesisMapping
from delivery.kinesis_stream import HASH_KEYS, KinesisStream
from delivery.protocol import Error, Offer, Ok
from delivery.quotas import Quotas


def mapping(stream, kind=KinesisMapping, **settings):
    numbers = Quotas()
    capacity = Environments(Account(numbers), numbers)
    return kind(stream, capacity=capacity, random=Random(1), quotas=numbers, **settings)


def records(ids, keys=None):
    return Offer(ids, 100, keys if keys is not None else [0] * len(ids))


def split_while_busy(machine, stream):
    """Records 0 to 2 before the split, 3 and 4 after it; 0 and 3 lie in the left half, the others in the right."""
    low, high = 0, HASH_KEYS - 1
    machine.offer(0.0, records(range(3), [low, high, high]))
    stream.split(0)
    machine.offer(0.1, records([3, 4], [low, high]))


@pytest.mark.parametrize("kind", [KinesisMapping, KinesisFanOutMapping])
def test_the_children_of_a_split_shard_are_read_once_their_parent_is_drained(kind):
    stream = KinesisStream(1, Quotas())
    machine = mapping(stream, kind, batch_size=2, parallelization_factor=2)
    split_while_busy(machine, stream)
    run = drive(machine, [], always(2.0))
    parents_end = max(at for at, invocation, _ in run.ended if invocation.lane < 2)
    assert sorted(run.facts.done) == [0, 1, 2, 3, 4]
    assert {invocation.lane // 2: list(invocation.ids) for invocation in run.started if invocation.lane >= 2} == {
        1: [3],
        2: [4],
    }
    assert all(invocation.start >= parents_end for invocation in run.started if invocation.lane >= 2)


def test_the_children_wait_for_a_parent_that_fails_until_it_is_given_up():
    stream = KinesisStream(1, Quotas())
    machine = mapping(stream, maximum_record_age_s=100.0)
    split_while_busy(machine, stream)
    run = drive(machine, [(110.0, records([5]))], lambda i: (0.1, Error() if 0 in i.ids else Ok()))
    assert [record for record, _ in run.facts.dead][:3] == [0, 1, 2]
    assert all(invocation.start >= 100 for invocation in run.started if invocation.lane > 0)
    assert run.facts.done == [5]


def test_the_children_of_a_shard_that_holds_nothing_are_read_at_once():
    stream = KinesisStream(1, Quotas())
    machine = mapping(stream)
    stream.split(0)
    run = drive(machine, [(10.0, records([1]))], always(0.1))
    assert 10.0 <= run.started[0].start < 11.0
