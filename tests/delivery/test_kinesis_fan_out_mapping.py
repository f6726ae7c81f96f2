import math
from random import Random

import pytest
from virtual_driver import always, drive

from delivery.environments import Account, Environments
from delivery.kinesis_fan_out_mapping import KinesisFanOutMapping
from delivery.kinesis_mapping import KinesisMapping
from delivery.kinesis_stream import HASH_KEYS, KinesisStream
from delivery.protocol import End, Error, Offer, Ok, PartialFailure, Throttled
from delivery.quotas import Quotas

# Every push takes 50 ms: what is under test is not how the delay varies.
STEADY = {"kinesis_fan_out_push_min_s": 0.05, "kinesis_fan_out_push_max_s": 0.05}


class Quarter(Random):
    """Always draws a quarter: a wait is 7/8 of its whole length."""

    def random(self):
        return 0.25


def mapping(*, kind=KinesisFanOutMapping, stream=None, shards=1, quotas=None, random=None, **settings):
    numbers = Quotas.with_overrides(quotas if quotas is not None else STEADY)
    return kind(
        stream or KinesisStream(shards, numbers),
        capacity=Environments(Account(numbers), numbers),
        random=random or Quarter(),
        quotas=numbers,
        **settings,
    )


def records(ids, keys=None, size=100, times=None):
    return Offer(ids, size, keys if keys is not None else [0] * len(ids), times)


# Pushing


def test_a_record_is_pushed_within_70_ms_of_its_arrival():
    times = [n * 0.2 for n in range(1_000)]
    run = drive(mapping(quotas={}, random=Random(1)), [(0.0, records(range(1_000), times=times))], always(0.01))
    delays = sorted(run.started_at(n)[0] - times[n] for n in range(0, 1_000, 10))
    assert 0.02 <= delays[0] < 0.025
    assert 0.065 < delays[-1] <= 0.07


def test_nothing_waits_for_the_second_as_it_does_when_polled():
    arrivals = [(10.0 + n * 0.13, records([n])) for n in range(20)]
    run = drive(mapping(), arrivals, always(0.01))
    assert [invocation.start for invocation in run.started] == pytest.approx([at + 0.05 for at, _ in arrivals])


def test_records_that_arrive_while_one_is_on_its_way_come_by_the_next_push():
    """A record is never there sooner than the least delay after its arrival."""
    arrivals = [(0.0, records([0])), (0.01, records([1])), (0.03, records([2]))]
    run = drive(mapping(), arrivals, always(0.001))
    assert run.batches() == [[0], [1], [2]]
    assert [invocation.start for invocation in run.started] == pytest.approx([0.05, 0.06, 0.08])


def test_a_consumers_pipe_holds_2_mib_a_second_of_a_shard():
    size = 1 << 19
    machine = mapping(batch_size=1, quotas=STEADY | {"kinesis_shard_bytes_per_s": 1e9})
    run = drive(machine, [(0.0, records(range(12), size=size))], always(0.001))
    assert [invocation.start for invocation in run.started] == pytest.approx([0.05 + n * 0.25 for n in range(12)])


def test_each_shard_has_a_pipe_of_its_own():
    machine = mapping(shards=2, batch_size=1, quotas=STEADY | {"kinesis_shard_bytes_per_s": 1e9})
    keys = [n % 2 * (HASH_KEYS - 1) for n in range(24)]
    run = drive(machine, [(0.0, records(range(24), keys, size=1 << 19))], always(0.001))
    assert run.started[-1].start == pytest.approx(0.05 + 11 * 0.25)


def test_each_consumer_has_a_pipe_of_its_own_and_none_takes_from_the_read_limits():
    """Twenty consumers beside a polled mapping: each has every record as soon as if it were alone."""
    numbers = Quotas.with_overrides(STEADY | {"kinesis_shard_bytes_per_s": 1e9})
    stream = KinesisStream(1, numbers)
    polled = mapping(kind=KinesisMapping, stream=stream, batch_size=1)
    pushed = [mapping(stream=stream, batch_size=1) for _ in range(20)]
    stream.offer(0.0, records(range(4), size=1 << 19))
    for machine in pushed:
        run = drive(machine, [], always(0.001))
        assert [invocation.start for invocation in run.started] == pytest.approx([0.05, 0.3, 0.55, 0.8])
    assert drive(polled, [], always(0.001)).started[0].start == 0.25


def test_a_stream_has_20_consumers_at_most():
    stream = KinesisStream(1, Quotas())
    for _ in range(20):
        mapping(stream=stream)
    with pytest.raises(ValueError, match="kinesis_consumers"):
        mapping(stream=stream)
    mapping(kind=KinesisMapping, stream=stream)


def test_a_record_larger_than_a_push_is_pushed_alone():
    machine = mapping(quotas=STEADY | {"kinesis_fan_out_push_bytes": 1_000})
    run = drive(machine, [(0.0, Offer([1, 2, 3], [100, 5_000, 100], [0, 0, 0]))], always(0.0))
    assert run.batches() == [[1], [2], [3]]


def test_all_shards_are_pushed_from_the_start():
    machine = mapping(shards=40, random=Random(1))
    run = drive(machine, [(0.0, records(range(40), [n * HASH_KEYS // 40 for n in range(40)]))], always(5.0))
    assert run.peak_running == 40


def test_an_idle_mapping_sleeps():
    machine = mapping()
    assert machine.wake_at() == math.inf
    drive(machine, [(0.0, records([1]))], always(0.1))
    assert machine.wake_at() == math.inf


# Aggregates


def test_user_records_that_do_not_belong_to_the_shard_are_dropped_in_silence():
    """The aggregate is done as if it had been whole: no error, no retry, no destination."""
    low, high = 0, HASH_KEYS - 1
    offer = Offer([1, 2], 100, [low, low], user_keys=[[low, high, high, 1], [low]])
    run = drive(mapping(shards=2), [(0.0, offer)], always(0.1))
    assert run.facts.done == [1, 2]
    assert run.facts.dropped == 2


def test_they_are_dropped_once_however_often_the_aggregate_is_sent():
    outcomes = iter([Error(), Error(), Ok()])
    offer = Offer([1], 100, [0], user_keys=[[HASH_KEYS - 1]])
    run = drive(mapping(shards=2), [(0.0, offer)], lambda _: (0.1, next(outcomes)))
    assert run.facts.dropped == 1


def test_a_polled_mapping_drops_no_user_record():
    offer = Offer([1], 100, [0], user_keys=[[HASH_KEYS - 1]])
    run = drive(mapping(kind=KinesisMapping, shards=2), [(0.0, offer)], always(0.1))
    assert run.facts.dropped == 0


# What follows a push is what follows a read


def fails(*poison):
    return lambda invocation: (0.1, PartialFailure(frozenset(poison) & set(invocation.ids)))


def raises(poison):
    return lambda invocation: (0.1, Error() if poison in invocation.ids else Ok())


PARTIAL = {"report_batch_item_failures": True}


@pytest.mark.parametrize(
    ("settings", "service", "keys", "why"),
    [
        ({"batch_size": 7}, always(0.1), None, "a batch holds no more than its size"),
        ({"batch_size": 9, "batching_window_s": 2.0}, always(0.1), None, "a full batch does not wait for its window"),
        ({"parallelization_factor": 3, "batch_size": 4}, always(0.5), range(40), "lanes by partition key"),
        ({"batch_size": 8, "bisect": True, "maximum_retry_attempts": 1}, raises(5), None, "bisect"),
        ({"batch_size": 8, "maximum_retry_attempts": 2}, raises(5), None, "retry attempts"),
        ({"batch_size": 8, "maximum_retry_attempts": 2} | PARTIAL, fails(3, 6), None, "lowest failed record"),
        ({"batch_size": 8, "bisect": True, "maximum_retry_attempts": 0} | PARTIAL, fails(3), None, "split there"),
        ({"batch_size": 8, "maximum_record_age_s": 30.0}, raises(5), None, "record age"),
        ({"batch_size": 8, "maximum_retry_attempts": 0, "on_failure": False}, raises(5), None, "no destination"),
    ],
)
def test_batches_lanes_and_failures_are_those_of_a_polled_mapping(settings, service, keys, why):
    """All records are there at once, so that polled and pushed differ by nothing but when the first batch starts."""
    offer = records(range(40), [0] * 40 if keys is None else list(keys))
    polled, pushed = (
        drive(mapping(kind=kind, **settings), [(0.0, offer)], service)
        for kind in (KinesisMapping, KinesisFanOutMapping)
    )
    assert pushed.batches() == polled.batches(), why
    assert [i.attempt for i in pushed.started] == [i.attempt for i in polled.started], why
    assert pushed.facts == polled.facts, why
    assert pushed.started[0].start < polled.started[0].start


def test_a_throttle_delays_and_never_loses():
    outcomes = iter([Throttled()] * 20 + [Ok()])
    run = drive(mapping(maximum_retry_attempts=0), [(0.0, records([1]))], lambda _: (0.0, next(outcomes)))
    assert run.facts.done == [1]
    assert run.facts.throttled == 20


def test_by_default_a_poison_record_blocks_its_shard_until_retention_is_over():
    machine = mapping(quotas=STEADY | {"kinesis_retention_s": 3_600})
    run = drive(machine, [(0.0, records([1])), (10.0, records([2]))], raises(1))
    assert run.facts.expired == [(1, End.RETENTION), (2, End.RETENTION)]


def test_a_window_gathers_until_it_is_over():
    arrivals = [(0.2 + n * 1.01, records([n])) for n in range(10)]
    run = drive(mapping(batching_window_s=3.0), arrivals, always(0.1))
    assert run.batches()[0] == [0, 1, 2]
    assert run.started[0].start == pytest.approx(3.25), "it opened with the first push, at 0.25"


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"batch_size": 0}, "batch size"),
        ({"batching_window_s": 301}, "batching window"),
        ({"parallelization_factor": 11}, "parallelization factor"),
        ({"maximum_record_age_s": 604_801}, "record age"),
    ],
)
def test_settings_that_aws_refuses_are_refused(settings, complaint):
    with pytest.raises(ValueError, match=complaint):
        mapping(**settings)
