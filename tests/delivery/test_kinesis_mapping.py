import math
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from virtual_driver import always, drive

from delivery.environments import Account, Environments
from delivery.kinesis_mapping import KinesisMapping
from delivery.kinesis_stream import HASH_KEYS, KinesisStream
from delivery.protocol import End, Error, Offer, Ok, PartialFailure, Throttled, Timeout
from delivery.quotas import Quotas


class Quarter(Random):
    """Always draws a quarter: a shard is read at 0.25 s past the second, and a wait is 7/8 of its whole length."""

    def random(self):
        return 0.25


def mapping(*, shards=1, quotas=None, concurrency=1_000, random=None, **settings):
    numbers = Quotas.with_overrides({"account_concurrency": concurrency, **(quotas or {})})
    return KinesisMapping(
        KinesisStream(shards, numbers),
        capacity=Environments(Account(numbers), numbers),
        random=random or Quarter(),
        quotas=numbers,
        **settings,
    )


def records(ids, keys=None, size=100):
    return Offer(ids, size, keys if keys is not None else [0] * len(ids))


def fails(*poison):
    """A function that takes 0.1 s and names the poison records in its batch."""
    return lambda invocation: (0.1, PartialFailure(frozenset(poison) & set(invocation.ids)))


# Polling


def test_an_idle_shard_is_read_once_a_second_at_its_phase():
    run = drive(mapping(), [(10.0, records([1]))], always(0.1))
    assert run.started_at(1) == [10.25]


def test_an_idle_shard_keeps_its_phase_however_often_the_driver_polls():
    arrivals = [(10.4, records([1])), (20.9, records([2])), (30.25, records([3]))]
    run = drive(mapping(), arrivals, always(0.1), also_poll_every=0.07)
    assert [invocation.start for invocation in run.started] == [11.25, 21.25, 30.25]


def test_each_shard_has_a_phase_of_its_own():
    machine = mapping(shards=50, random=Random(1))
    run = drive(machine, [(0.0, records(range(50), [n * HASH_KEYS // 50 for n in range(50)]))], always(0.1))
    starts = [invocation.start for invocation in run.started]
    assert len(set(starts)) == 50
    assert 0 <= min(starts) < 0.2
    assert 0.8 < max(starts) < 1


def test_a_shard_is_read_again_as_soon_as_its_invocation_has_ended():
    run = drive(mapping(), [(0.0, records([1])), (0.5, records([2]))], always(0.4))
    assert run.started_at(2) == [0.65], "not at 1.25, the next tick"


def test_backlog_is_worked_off_batch_after_batch_without_waiting_for_a_tick():
    run = drive(mapping(batch_size=10), [(0.0, records(range(50)))], always(0.1))
    assert [invocation.start for invocation in run.started] == pytest.approx([0.25, 0.35, 0.45, 0.55, 0.65])


def test_a_read_brings_no_more_than_10000_records_and_the_next_comes_a_fifth_of_a_second_later():
    machine = mapping(batch_size=10_000, quotas={"kinesis_shard_records_per_s": 50_000, "event_bytes": 1 << 30})
    run = drive(machine, [(0.0, records(range(12_000), size=10))], always(0.01))
    assert [len(batch) for batch in run.batches()] == [10_000, 2_000]
    assert [invocation.start for invocation in run.started] == pytest.approx([0.25, 0.45])


def test_reads_are_held_to_2_mib_a_second():
    size = 1 << 20
    machine = mapping(batch_size=1, quotas={"kinesis_shard_bytes_per_s": 40 * size, "kinesis_read_bytes": 2 * size})
    run = drive(machine, [(0.0, records(range(8), size=size))], always(0.01))
    assert run.started[-1].start == pytest.approx(0.25 + 3 + 0.01)


def test_all_shards_are_served_from_the_start():
    """There is no ramp of five pollers, as an SQS mapping has it."""
    machine = mapping(shards=40, random=Random(1))
    run = drive(machine, [(0.0, records(range(40), [n * HASH_KEYS // 40 for n in range(40)]))], always(5.0))
    assert run.peak_running == 40


# Batches


def test_a_batch_holds_no_more_than_its_size():
    run = drive(mapping(batch_size=7), [(0.0, records(range(20)))], always(0.1))
    assert [len(batch) for batch in run.batches()] == [7, 7, 6]


def test_an_event_holds_no_more_than_6_mb_once_its_data_is_base64():
    quotas = {"kinesis_shard_bytes_per_s": 1e9}
    run = drive(mapping(batch_size=100, quotas=quotas), [(0.0, records(range(30), size=300_000))], always(0.1))
    assert [len(batch) for batch in run.batches()] == [15, 15]
    assert 15 * (400_000 + 512) <= Quotas().event_bytes < 16 * (400_000 + 512)


def test_a_record_that_no_event_can_hold_goes_to_the_failure_destination_alone():
    """K10: records of up to 10 MiB can be in a stream, but not in an event."""
    quotas = {"kinesis_record_bytes": 10 << 20, "kinesis_shard_bytes_per_s": 1e9}
    offer = Offer([1, 2, 3], [100, 6 << 20, 100], [0, 0, 0])
    run = drive(mapping(quotas=quotas), [(0.0, offer)], always(0.1))
    assert run.facts.dead == [(2, End.TOO_LARGE)]
    assert run.batches() == [[1], [3]]


def test_a_batch_never_spans_shards():
    machine = mapping(shards=2, batch_size=100)
    run = drive(machine, [(0.0, records(range(10), [n % 2 * (HASH_KEYS - 1) for n in range(10)]))], always(0.1))
    assert sorted(run.batches()) == [[0, 2, 4, 6, 8], [1, 3, 5, 7, 9]]


def test_a_window_gathers_until_it_is_over():
    arrivals = [(0.2 + n, records([n])) for n in range(10)]
    run = drive(mapping(batching_window_s=3.0), arrivals, always(0.1))
    assert run.batches()[0] == [0, 1, 2, 3]
    assert run.started[0].start == 3.25, "it opened with the first read, at 0.25"


def test_a_full_batch_does_not_wait_for_its_window():
    run = drive(mapping(batch_size=10, batching_window_s=300.0), [(0.0, records(range(10)))], always(0.1))
    assert run.started[0].start == 0.25


def test_the_next_window_opens_when_the_invocation_has_ended():
    arrivals = [(0.0, records([1])), (3.0, records([2]))]
    run = drive(mapping(batching_window_s=2.0), arrivals, always(5.0))
    assert run.started_at(1) == [2.25]
    assert run.started_at(2) == [2.25 + 5.0 + 2.0]


# Lanes


def test_concurrency_is_shards_times_parallelization_factor():
    machine = mapping(shards=2, parallelization_factor=3, batch_size=1)
    keys = [n * HASH_KEYS // 600 for n in range(600)]
    run = drive(machine, [(0.0, records(range(600), keys))], always(1.0))
    assert run.peak_running == 6


def test_a_partition_key_keeps_to_one_lane():
    machine = mapping(parallelization_factor=4, batch_size=3)
    keys = [n % 7 for n in range(100)]
    run = drive(machine, [(0.0, records(range(100), keys))], always(0.5))
    lanes = {}
    for invocation in run.started:
        for record in invocation.ids:
            lanes.setdefault(keys[record], set()).add(invocation.lane)
    assert all(len(used) == 1 for used in lanes.values())
    assert len(set.union(*lanes.values())) == 4


def test_a_failing_lane_does_not_stop_the_others_of_its_shard():
    machine = mapping(parallelization_factor=2, batch_size=10)
    run = drive(
        machine,
        [(0.0, records(range(40), [n % 2 for n in range(40)]))],
        lambda invocation: (0.1, Error() if 0 in invocation.ids else Ok()),
        until=60.0,
    )
    assert sorted(run.facts.done) == list(range(1, 40, 2))


# Failures


def test_an_error_blocks_the_lane_and_the_same_batch_is_sent_again():
    outcomes = iter([Error(), Timeout(), Ok(), Ok()])
    run = drive(mapping(batch_size=2), [(0.0, records(range(4)))], lambda _: (0.1, next(outcomes)))
    assert run.batches() == [[0, 1], [0, 1], [0, 1], [2, 3]]
    assert [invocation.attempt for invocation in run.started] == [1, 2, 3, 1]
    assert run.facts.done == [0, 1, 2, 3]


def test_errors_back_off_longer_each_time():
    run = drive(mapping(), [(0.0, records([1]))], always(0.0, Error()), until=1_000.0)
    starts = [invocation.start for invocation in run.started]
    waits = [after - before for before, after in pairwise(starts)]
    assert waits[:7] == pytest.approx([7 / 8 * wait for wait in (1, 2, 4, 8, 16, 32, 60)])


def test_new_records_do_not_cut_a_back_off_short():
    arrivals = [(0.0, records([0])), (0.5, records(range(1, 300)))]
    run = drive(mapping(batch_size=10), arrivals, always(0.0, Error()), until=20.0)
    assert [invocation.start for invocation in run.started] == pytest.approx([0.25, 1.125, 2.875, 6.375, 13.375])


def test_the_lowest_failed_record_is_the_checkpoint_and_all_from_it_on_come_again():
    service = iter([PartialFailure(frozenset({4, 7})), Ok()])
    machine = mapping(batch_size=10, report_batch_item_failures=True)
    run = drive(machine, [(0.0, records(range(10)))], lambda _: (0.1, next(service)))
    assert run.batches() == [list(range(10)), list(range(4, 10))]
    assert run.facts.done == list(range(10))


@pytest.mark.parametrize(
    ("settings", "outcome", "sent_again", "why"),
    [
        ({"report_batch_item_failures": True}, PartialFailure(frozenset()), False, "an empty list is success"),
        ({"report_batch_item_failures": True}, PartialFailure(frozenset({99})), True, "an id that was not sent"),
        ({"report_batch_item_failures": True}, PartialFailure(frozenset({1, 99})), True, "one id that was not sent"),
        ({}, PartialFailure(frozenset({0})), False, "without ReportBatchItemFailures nobody reads the list"),
        ({}, Error(), True, "the function raised"),
        ({}, Timeout(), True, "the function was stopped"),
        ({}, Throttled(), True, "the function was not called"),
    ],
)
def test_what_an_answer_means_for_the_whole_batch(settings, outcome, sent_again, why):
    outcomes = iter([outcome, Ok()])
    run = drive(mapping(**settings), [(0.0, records(range(3)))], lambda _: (0.1, next(outcomes)))
    assert run.batches() == [[0, 1, 2]] * (1 + sent_again), why


def test_after_the_last_retry_the_batch_goes_to_the_failure_destination_and_the_lane_goes_on():
    machine = mapping(batch_size=2, maximum_retry_attempts=2)
    run = drive(
        machine,
        [(0.0, records(range(4)))],
        lambda invocation: (0.1, Error() if 0 in invocation.ids else Ok()),
    )
    assert run.batches() == [[0, 1]] * 3 + [[2, 3]]
    assert run.facts.dead == [(0, End.RETRIES_EXHAUSTED), (1, End.RETRIES_EXHAUSTED)]
    assert run.facts.done == [2, 3]


def test_without_a_destination_a_batch_given_up_is_lost():
    run = drive(mapping(maximum_retry_attempts=0, on_failure=False), [(0.0, records([1]))], always(0.1, Error()))
    assert run.facts.expired == [(1, End.RETRIES_EXHAUSTED)]


def test_by_default_a_poison_record_blocks_its_shard_until_retention_is_over():
    machine = mapping(quotas={"kinesis_retention_s": 3_600})
    run = drive(
        machine,
        [(0.0, records([1])), (10.0, records([2]))],
        lambda invocation: (0.1, Error() if 1 in invocation.ids else Ok()),
    )
    assert run.facts.expired == [(1, End.RETENTION), (2, End.RETENTION)], "the second was never tried"


def test_records_older_than_the_maximum_age_are_given_up():
    machine = mapping(batch_size=2, maximum_record_age_s=60.0)
    arrivals = [(0.0, records([1])), (50.0, records([2]))]
    run = drive(machine, arrivals, lambda invocation: (0.1, Error() if 1 in invocation.ids else Ok()))
    assert run.facts.dead == [(1, End.RECORD_AGE)]
    assert run.facts.done == [2]


def test_a_throttle_delays_and_never_loses_nor_counts_as_a_retry():
    outcomes = iter([Throttled()] * 20 + [Ok()])
    run = drive(mapping(maximum_retry_attempts=0), [(0.0, records([1]))], lambda _: (0.0, next(outcomes)))
    assert run.facts.done == [1]
    assert run.facts.throttled == 20
    assert {invocation.attempt for invocation in run.started} == {1}
    waits = [after.start - before.start for before, after in pairwise(run.started)]
    assert waits[:5] == pytest.approx([7 / 8 * wait for wait in (0.5, 1, 2, 4, 8)])
    assert waits[-1] == pytest.approx(7 / 8 * 10)


def test_a_throttle_of_one_lane_does_not_wake_another():
    """Were it so, two lanes under a remote throttle would wake each other without end."""
    machine = mapping(parallelization_factor=2, batch_size=1)
    run = drive(machine, [(0.0, records(range(2), [0, 1]))], always(0.0, Throttled()), until=60.0)
    assert len(run.started) < 40


def test_want_of_concurrency_is_a_throttle_too():
    machine = mapping(shards=4, concurrency=2, random=Random(3))
    run = drive(machine, [(0.0, records(range(40), [n % 4 * HASH_KEYS // 4 for n in range(40)]))], always(3.0))
    assert run.peak_running == 2
    assert run.facts.throttled > 0
    assert sorted(run.facts.done) == list(range(40))


def test_scarce_concurrency_is_shared_among_shards():
    """Whoever is served first in each poll would have it all, were they not taken in the order of their turns."""
    machine = mapping(shards=4, concurrency=1, batch_size=1, random=Random(3), quotas={"kinesis_throttle_max_s": 1})
    run = drive(
        machine, [(0.0, records(range(400), [n % 4 * HASH_KEYS // 4 for n in range(400)]))], always(0.5), until=120
    )
    served = [sum(invocation.lane == lane for invocation in run.started) for lane in range(4)]
    assert min(served) >= 20, served


# Bisect


def test_bisect_splits_a_failed_batch_until_the_poison_record_is_alone():
    machine = mapping(batch_size=8, bisect=True, maximum_retry_attempts=1)
    run = drive(machine, [(0.0, records(range(8)))], lambda i: (0.1, Error() if 5 in i.ids else Ok()))
    assert run.batches() == [[*range(8)], [0, 1, 2, 3], [4, 5, 6, 7], [4, 5], [4], [5], [5], [6, 7]]
    assert run.facts.dead == [(5, End.RETRIES_EXHAUSTED)]
    assert run.facts.done == [0, 1, 2, 3, 4, 6, 7]


def test_a_split_costs_no_retry_and_no_wait():
    machine = mapping(batch_size=8, bisect=True, maximum_retry_attempts=0)
    run = drive(machine, [(0.0, records(range(8)))], lambda i: (0.1, Error() if 5 in i.ids else Ok()))
    assert run.facts.dead == [(5, End.RETRIES_EXHAUSTED)]
    assert run.started[-1].start == pytest.approx(0.25 + 0.1 * (len(run.started) - 1))


def test_with_a_list_of_failures_the_split_is_at_the_lowest():
    machine = mapping(batch_size=8, bisect=True, report_batch_item_failures=True, maximum_retry_attempts=0)
    run = drive(machine, [(0.0, records(range(8)))], fails(3))
    assert run.batches()[:2] == [[*range(8)], [3, 4, 5, 6, 7]]
    assert run.facts.dead == [(3, End.RETRIES_EXHAUSTED)]
    assert sorted(run.facts.done) == [0, 1, 2, 4, 5, 6, 7]


def test_without_bisect_a_poison_record_takes_those_behind_it_along():
    machine = mapping(batch_size=8, report_batch_item_failures=True, maximum_retry_attempts=2)
    run = drive(machine, [(0.0, records(range(8)))], fails(3))
    assert run.facts.dead == [(record, End.RETRIES_EXHAUSTED) for record in range(3, 8)]


# The rest


def test_a_timeout_costs_the_environment_and_an_error_does_not():
    outcomes = iter([Error(), Timeout(), Error(lost=True), Ok()])
    run = drive(mapping(), [(0.0, records([1]))], lambda _: (0.1, next(outcomes)))
    assert [invocation.slot.cold for invocation in run.started] == [True, False, True, True]
    assert run.facts.cold_starts == 3


def test_the_deadline_is_the_functions_timeout():
    run = drive(mapping(function_timeout_s=30.0), [(0.0, records([1]))], always(0.1))
    assert run.started[0].deadline == run.started[0].start + 30.0


def test_arrivals_to_come_are_read_when_they_have_come():
    offer = Offer([1, 2, 3], 100, [0, 0, 0], times=[0.1, 5.1, 5.2])
    run = drive(mapping(), [(0.0, offer)], always(0.1))
    assert [(invocation.start, list(invocation.ids)) for invocation in run.started] == [(0.25, [1]), (5.25, [2, 3])]


def test_an_idle_mapping_sleeps():
    machine = mapping()
    assert machine.wake_at() == math.inf
    drive(machine, [(0.0, records([1]))], always(0.1))
    assert machine.wake_at() == math.inf


def test_what_is_inside_is_told():
    machine = mapping(batch_size=2)
    machine.offer(0.0, records(range(3)))
    [invocation] = machine.poll(0.25)
    assert (machine.pending(), machine.in_flight(), machine.running()) == (3, 2, 1)
    assert machine.oldest_age_s(10.0) == 10.0
    machine.settle(1.0, invocation, Ok())
    assert (machine.pending(), machine.in_flight(), machine.running()) == (1, 0, 0)


def test_an_invocation_settled_twice_is_refused():
    machine = mapping()
    machine.offer(0.0, records([1]))
    [invocation] = machine.poll(0.25)
    machine.settle(1.0, invocation, Ok())
    with pytest.raises(ValueError, match="not running"):
        machine.settle(1.0, invocation, Ok())


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"batch_size": 0}, "batch size"),
        ({"batch_size": 10_001}, "batch size"),
        ({"batching_window_s": 301}, "batching window"),
        ({"batching_window_s": -1}, "batching window"),
        ({"parallelization_factor": 0}, "parallelization factor"),
        ({"parallelization_factor": 11}, "parallelization factor"),
        ({"function_timeout_s": 0}, "timeout"),
        ({"maximum_retry_attempts": -1}, "retry attempts"),
        ({"maximum_retry_attempts": 10_001}, "retry attempts"),
        ({"maximum_record_age_s": -1}, "record age"),
        ({"maximum_record_age_s": 604_801}, "record age"),
    ],
)
def test_settings_that_aws_refuses_are_refused(settings, complaint):
    with pytest.raises(ValueError, match=complaint):
        mapping(**settings)


@pytest.mark.parametrize("count", [10, 500])
def test_hash_keys_said_by_their_upper_bits_have_the_lanes_they_would_have_in_full(count):
    bits = np.random.default_rng(3).integers(0, 2**64, count, dtype=np.uint64)
    full = Offer(range(count), 10, [int(upper) << 64 for upper in bits])
    upper = Offer(range(count), 10, key_bits=bits)
    settings = {"shards": 2, "parallelization_factor": 4, "batch_size": 7}
    one, other = (drive(mapping(**settings, random=Random(1)), [(0.0, offer)], always(0.1)) for offer in (full, upper))
    assert one.story() == other.story()
    assert len({invocation.lane for invocation in one.started}) >= 5
