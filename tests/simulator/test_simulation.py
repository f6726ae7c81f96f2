from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delivery.quotas import UnknownQuotaError
from simulator import arrivals, simulation
from simulator.duration import Fixed, Lognormal, RecordedTimes
from simulator.scenario import (
    BUFFERS,
    Burst,
    Downstream,
    Function,
    Hot,
    MappingSettings,
    Rate,
    RecordedKeys,
    Scenario,
    Uniform,
    Zipf,
)
from simulator.simulation import simulate

NO_COLD_START = Fixed(0)
FROZEN_POLLERS = {"sqs_pollers_per_minute": 0}


def steady(rate, seconds):
    return Rate(((0, rate), (seconds, rate)), poisson=False)


@pytest.mark.parametrize(
    ("scenario", "drain_s"),
    [
        pytest.param(
            Scenario(
                buffer="sqs",
                arrivals=Burst(100),
                quotas=FROZEN_POLLERS,
                function=Function(cold_start_ms=NO_COLD_START, per_record_ms=Fixed(100)),
            ),
            100 / 5 * 0.1,
            id="five pollers, one message each: twenty rounds of 0.1 s",
        ),
        pytest.param(
            Scenario(
                buffer="sqs",
                arrivals=Burst(400),
                quotas=FROZEN_POLLERS,
                mapping=MappingSettings(batch_size=10),
                function=Function(cold_start_ms=NO_COLD_START, per_record_ms=Fixed(100), in_batch_concurrency=5),
            ),
            400 / 50 * 0.2,
            id="batches of ten, five at a time: eight rounds of two times 0.1 s",
        ),
        pytest.param(
            Scenario(
                buffer="sns",
                arrivals=Burst(1_000),
                function=Function(cold_start_ms=Fixed(250), per_record_ms=Fixed(100)),
            ),
            0.25 + 0.1,
            id="pushed all at once, into a thousand new environments",
        ),
        pytest.param(
            Scenario(
                buffer="sns",
                arrivals=Burst(1_000),
                function=Function(cold_start_ms=Fixed(250), invocation_ms=Fixed(500), per_record_ms=Fixed(100)),
            ),
            0.25 + 0.5 + 0.1,
            id="what an invocation takes before its record is added",
        ),
        pytest.param(
            Scenario(
                buffer="kinesis",
                arrivals=steady(50, 60),
                mapping=MappingSettings(batch_size=100, shards=1),
                function=Function(
                    cold_start_ms=NO_COLD_START, invocation_ms=Fixed(400), per_record_ms=Lognormal(36, 36)
                ),
            ),
            3_000 * (0.036 + 0.4 / 100) - 60,
            id="to each batch of a hundred once, also where records are drawn",
        ),
        pytest.param(
            Scenario(
                buffer="kinesis",
                arrivals=steady(50, 60),
                mapping=MappingSettings(batch_size=100, shards=1),
                function=Function(cold_start_ms=NO_COLD_START, per_record_ms=Fixed(40)),
            ),
            3_000 * 0.04 - 60,
            id="one lane works 120 s on what came in 60",
        ),
        pytest.param(
            Scenario(
                buffer="sqs",
                arrivals=steady(100, 20),
                mapping=MappingSettings(maximum_concurrency=100),
                function=Function(cold_start_ms=NO_COLD_START, per_record_ms=Fixed(100)),
                downstream=Downstream(rate_per_s=50, sdk_attempts=None, backoff_first_s=0.05, backoff_max_s=0.2),
            ),
            (2_000 - 50) / 50 - 20,
            id="a downstream of 50/s, patiently asked, is the bottleneck: its second's burst, then 50 a second",
        ),
    ],
)
def test_the_time_to_drain_is_what_arithmetic_says(scenario, drain_s):
    result = simulate(scenario)
    assert result.completed == result.offered
    # An idle shard is looked at once a second, and a back-off ends a little after the token is there.
    assert drain_s - 0.05 <= result.drain_s <= drain_s + 1.1


@pytest.mark.parametrize(
    ("scenario", "rejected"),
    [
        pytest.param(Scenario(buffer="kinesis", arrivals=Burst(5_000), payload_bytes=100), 3_000, id="1,000 a shard"),
        pytest.param(
            Scenario(buffer="kinesis", arrivals=Burst(50), payload_bytes=1 << 18, mapping=MappingSettings(shards=1)),
            46,
            id="four of a quarter of a MiB make a shard's MiB",
        ),
        pytest.param(Scenario(buffer="sns", arrivals=Burst(31_000)), 1_000, id="30,000 publishes, us-east-1"),
        pytest.param(Scenario(buffer="sqs", arrivals=Burst(31_000)), 0, id="a standard queue takes all"),
        pytest.param(Scenario(buffer="sqs", arrivals=Burst(6_000), api=True), 1_000, id="the API's burst of 5,000"),
        pytest.param(Scenario(buffer="sqs-fifo", arrivals=Burst(400)), 100, id="300 calls a second"),
        pytest.param(Scenario(buffer="sqs", arrivals=Burst(3), payload_bytes=(1 << 20) + 1), 3, id="more than 1 MiB"),
    ],
)
def test_what_a_burst_is_refused_at_the_door(scenario, rejected):
    if scenario.buffer == "kinesis" and scenario.mapping.shards == 2:
        scenario = replace(scenario, partition_keys=Uniform(1_000_000))
    result = simulate(scenario)
    assert result.rejected == rejected
    assert sum(result.rejected_because.values()) == rejected
    assert result.completed == result.offered - rejected


def test_a_poisoned_record_is_dead_lettered_and_the_others_are_not():
    function = Function(per_record_ms=Fixed(1), poison_rate=0.01)
    for buffer in ("sns", "sqs", "kinesis"):
        mapping = MappingSettings(batch_size=10, visibility_timeout_s=60, max_receive_count=3, maximum_retry_attempts=2)
        result = simulate(Scenario(buffer=buffer, arrivals=steady(100, 30), mapping=mapping, function=function))
        assert 5 < result.dead_lettered < 80
        assert result.completed + result.dead_lettered == result.offered == 3_000
        assert sum(result.given_up_because.values()) == result.dead_lettered


def test_a_fifo_group_stops_at_its_first_failure_and_no_other_does():
    """What is behind a failed message of its group is handed back unprocessed, and order is kept."""
    function = Function(per_record_ms=Fixed(1), error_rate=0.2)
    mapping = MappingSettings(batch_size=10, visibility_timeout_s=60, max_receive_count=None)
    scenario = Scenario(
        buffer="sqs-fifo", arrivals=steady(50, 20), mapping=mapping, function=function, partition_keys=Uniform(3)
    )
    result = simulate(replace(scenario, until_s=1e6))
    groups = arrivals.keys(scenario.partition_keys, 1_000, simulation._dice(scenario, "keys"))
    assert (result.completed, result.duplicates) == (1_000, 0)
    for group in range(3):
        assert (np.diff(result.stored_at[groups == group]) > 0).all()


def test_without_a_destination_what_is_given_up_is_gone():
    function = Function(per_record_ms=Fixed(1), poison_rate=0.05)
    mapping = MappingSettings(batch_size=1, maximum_retry_attempts=0, on_failure=False)
    result = simulate(Scenario(buffer="sns", arrivals=steady(100, 10), mapping=mapping, function=function))
    assert result.expired > 0
    assert result.dead_lettered == 0
    assert result.completed + result.expired == 1_000


def test_a_batch_that_outlives_its_timeout_is_processed_again_and_counted():
    function = Function(per_record_ms=Fixed(600), timeout_s=1, cold_start_ms=NO_COLD_START)
    mapping = MappingSettings(batch_size=2, visibility_timeout_s=6, max_receive_count=4)
    result = simulate(Scenario(buffer="sqs", arrivals=Burst(2), mapping=mapping, function=function))
    # The first of two is stored each time, the second never: four receives, of which one was the first.
    assert (result.completed, result.dead_lettered, result.duplicates) == (1, 1, 3)


ONE_LANE_OF_SINGLES = MappingSettings(batch_size=1, shards=1)
HANDLERS = [
    pytest.param(Downstream(), id="reckoned"),
    pytest.param(Downstream(rate_per_s=1e6, sdk_attempts=1), id="played"),
]


@pytest.mark.parametrize("downstream", HANDLERS)
@pytest.mark.parametrize("invocation_ms", [Fixed(2_000), Lognormal(3_000, 3_000)])
def test_an_invocation_that_takes_all_its_time_before_the_first_record_is_stopped_and_billed(downstream, invocation_ms):
    function = Function(timeout_s=2, cold_start_ms=NO_COLD_START, invocation_ms=invocation_ms, per_record_ms=Fixed(10))
    mapping = MappingSettings(max_receive_count=3, visibility_timeout_s=10)
    result = simulate(Scenario(arrivals=Burst(5), function=function, mapping=mapping, downstream=downstream))
    assert (result.completed, result.dead_lettered, result.lost) == (0, 5, 0)
    assert result.invocations == 15
    assert result.busy_s == pytest.approx(15 * 2)
    assert result.downstream_calls == 0


@pytest.mark.parametrize("downstream", HANDLERS)
def test_what_an_invocation_takes_leaves_less_of_its_timeout_for_records(downstream):
    function = Function(
        timeout_s=10,
        cold_start_ms=NO_COLD_START,
        invocation_ms=Fixed(5_000),
        per_record_ms=Fixed(900),
        in_batch_concurrency=2,
    )
    mapping = MappingSettings(batch_size=20, shards=1, maximum_retry_attempts=0, bisect=False)
    scenario = Scenario(buffer="kinesis", arrivals=Burst(20), function=function, mapping=mapping, downstream=downstream)
    result = simulate(scenario)
    assert result.completed == 2 * 5
    assert result.started_at[0] == pytest.approx(result.stored_at[0] - 0.9)


def test_what_is_inside_when_time_is_up_is_unfinished_not_lost():
    function = Function(cold_start_ms=NO_COLD_START, per_record_ms=Fixed(100))
    scenario = Scenario(buffer="sqs", arrivals=Burst(1_000), quotas=FROZEN_POLLERS, until_s=10.05, function=function)
    result = simulate(scenario)
    assert result.completed == 500
    assert (result.unfinished, result.lost) == (500, 0)
    assert result.drain_s is None


def test_transit_is_part_of_the_latency_and_takes_nothing_from_the_function():
    function = Function(cold_start_ms=NO_COLD_START, per_record_ms=Fixed(10))
    scenario = Scenario(buffer="sns", arrivals=steady(10, 100), function=function)
    direct = simulate(scenario)
    delayed = simulate(replace(scenario, transit_ms=Lognormal(40, 200)))
    assert np.median(direct.latency_ms) == pytest.approx(10)
    assert np.median(delayed.latency_ms) == pytest.approx(50, rel=0.1)
    assert delayed.busy_s == pytest.approx(direct.busy_s)
    assert (delayed.latency_ms >= 10).all()


@pytest.mark.parametrize(
    ("partition_keys", "peak"),
    [
        pytest.param(Uniform(100_000), 4, id="spread: all four shards work"),
        pytest.param(Hot(1_000, 1.0), 1, id="one hot key: one shard does it all"),
        pytest.param(Zipf(1, 1.0), 1, id="a single key"),
    ],
)
def test_a_hot_key_has_one_shard_to_itself(partition_keys, peak):
    scenario = Scenario(
        buffer="kinesis",
        arrivals=steady(100, 20),
        partition_keys=partition_keys,
        mapping=MappingSettings(batch_size=100, shards=4),
    )
    assert simulate(scenario).peak_concurrency == peak


@pytest.mark.parametrize(
    ("hash_keys", "lanes"),
    [
        pytest.param((0, 1 << 64), 2, id="the two lanes of the first shard"),
        pytest.param((0, 2), 1, id="two keys of one lane"),
        pytest.param((0, 1), 2, id="keys that differ in their lower half alone"),
        pytest.param((0, 1, 1 << 127, (1 << 127) + 1), 4, id="both shards"),
    ],
)
def test_recorded_keys_go_to_the_very_lanes_of_the_recording(hash_keys, lanes):
    scenario = Scenario(
        buffer="kinesis",
        arrivals=Burst(100),
        partition_keys=RecordedKeys(hash_keys * (100 // len(hash_keys))),
        mapping=MappingSettings(batch_size=5, shards=2, parallelization_factor=2),
    )
    assert simulate(scenario).peak_concurrency == lanes


@pytest.mark.parametrize("times_ms", [(500.0, 100.0, 300.0), (250.0,) * 3], ids=["each its own", "all alike"])
def test_recorded_times_are_those_of_the_records_in_the_order_in_which_they_begin(times_ms):
    function = Function(cold_start_ms=NO_COLD_START, per_record_ms=RecordedTimes(times_ms))
    result = simulate(Scenario(buffer="kinesis", arrivals=Burst(3), mapping=ONE_LANE_OF_SINGLES, function=function))
    assert (result.stored_at - result.started_at) * 1_000 == pytest.approx(times_ms)


def test_beyond_the_recorded_times_they_are_drawn_alike():
    known = RecordedTimes((200.0, 50.0))
    assert known.like.p50_ms == pytest.approx(100)
    assert known.like.sigma == pytest.approx(np.log(2))
    result = simulate(Scenario(buffer="sns", arrivals=Burst(900), function=Function(per_record_ms=known)))
    took_ms = (result.stored_at - result.started_at) * 1_000
    assert np.median(took_ms) == pytest.approx(100, rel=0.1)
    assert len(set(took_ms.round(6))) > 890


@pytest.mark.parametrize("times_ms", [(), (5.0, 0.0)])
def test_recorded_times_that_cannot_be_are_refused(times_ms):
    with pytest.raises(ValueError, match="one at least, and each above 0"):
        RecordedTimes(times_ms)


def test_recorded_keys_are_the_groups_of_a_fifo_queue():
    scenario = Scenario(buffer="sqs-fifo", arrivals=Burst(60), partition_keys=RecordedKeys((7, 5, 7) * 20))
    assert simulate(scenario).peak_concurrency == 2


def test_the_series_adds_up_to_the_sums():
    arrivals = Rate(((0, 10), (5, 10), (5, 300), (15, 300), (15, 10), (25, 10)))
    result = simulate(Scenario(buffer="sqs", arrivals=arrivals, function=Function(per_record_ms=Fixed(200))))
    assert sum(second.offered for second in result.series) == result.offered
    assert sum(second.completed for second in result.series) == result.completed
    assert [second.t for second in result.series] == list(range(len(result.series)))
    assert result.series[-1].backlog == 0
    assert max(second.backlog for second in result.series) > 500
    assert max(second.concurrency for second in result.series) <= result.peak_concurrency
    assert max(second.pollers for second in result.series) > 5


def test_nothing_offered_is_nothing_done():
    for buffer in BUFFERS:
        result = simulate(Scenario(buffer=buffer, arrivals=Burst(0)))
        assert (result.offered, result.completed, result.lost, result.drain_s) == (0, 0, 0, None)


@pytest.mark.parametrize(
    ("scenario", "says"),
    [
        pytest.param(Scenario(quotas={"sqs_pollers": 1}), "sqs_pollers_", id="an unknown quota: the nearest are named"),
        pytest.param(Scenario(mapping=MappingSettings(batch_size=11)), "window", id="what AWS refuses is refused"),
        pytest.param(
            Scenario(function=Function(timeout_s=400)),
            "visibility timeout",
            id="a timeout above the queue's visibility",
        ),
        pytest.param(Scenario(arrivals=Rate(((5, 1), (0, 1)))), "ascend", id="time that goes back"),
        pytest.param(
            Scenario(buffer="kinesis", arrivals=Burst(3), partition_keys=RecordedKeys((1, 2))),
            "2 recorded partition keys for 3 records",
            id="a recording of another load",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_words(scenario, says):
    with pytest.raises((ValueError, UnknownQuotaError), match=says):
        simulate(scenario)


scenarios = st.builds(
    Scenario,
    seed=st.integers(0, 1_000),
    buffer=st.sampled_from(BUFFERS),
    until_s=st.sampled_from([5.0, 400.0, 100_000.0]),
    arrivals=st.one_of(
        st.builds(Burst, st.sampled_from([1, 7, 400])),
        st.builds(lambda rate, lasts: Rate(((0, 0), (1, rate), (lasts, rate), (lasts, 1), (20, 0))),
                  st.sampled_from([3, 40]), st.sampled_from([2, 9])),
    ),
    payload_bytes=st.sampled_from([1, 2_000, 300_000]),
    partition_keys=st.sampled_from([Uniform(5), Uniform(10_000), Zipf(50, 1.2), Hot(10, 0.6)]),
    mapping=st.builds(
        MappingSettings,
        batch_size=st.sampled_from([1, 10]),
        visibility_timeout_s=st.sampled_from([10.0, 60.0]),
        max_receive_count=st.sampled_from([1, 3]),
        shards=st.sampled_from([1, 3, None]),
        parallelization_factor=st.sampled_from([1, 3]),
        bisect=st.booleans(),
        maximum_retry_attempts=st.sampled_from([0, 2]),
        partial_failures=st.booleans(),
        on_failure=st.booleans(),
    ),
    function=st.builds(
        Function,
        timeout_s=st.sampled_from([2.0, 10.0]),
        invocation_ms=st.sampled_from([Fixed(0), Fixed(300), Lognormal(500, 5_000)]),
        per_record_ms=st.sampled_from([Fixed(20), Fixed(700), Lognormal(50, 900)]),
        in_batch_concurrency=st.sampled_from([1, 4]),
        error_rate=st.sampled_from([0.0, 0.1]),
        poison_rate=st.sampled_from([0.0, 0.1]),
    ),
    downstream=st.builds(
        Downstream, rate_per_s=st.sampled_from([None, 5.0]), sdk_attempts=st.sampled_from([1, 5, None])
    ),
    api=st.booleans(),
    transit_ms=st.sampled_from([Fixed(0), Lognormal(20, 300)]),
    quotas=st.sampled_from([{}, {"account_concurrency": 2}]),
)  # fmt: skip


@given(scenarios)
@settings(max_examples=80, deadline=None)
def test_every_record_has_one_end_whatever_the_scenario(scenario):
    result = simulate(scenario)
    ends = result.completed + result.failed + result.dead_lettered + result.expired + result.unfinished
    assert result.lost == 0
    assert result.offered == result.rejected + ends
    assert result.unfinished == 0 or result.drain_s is None
    stored = ~np.isnan(result.stored_at)
    assert stored.sum() == result.completed == len(result.latency_ms)
    assert (result.stored_at[stored] >= result.started_at[stored]).all()
    assert (result.started_at[stored] >= result.accepted_at[stored]).all()
    assert (result.accepted_at[stored] >= result.arrived_at[stored]).all()
    assert not (stored & ~np.isnan(result.ended_at)).any()
    assert result.peak_concurrency <= scenario.quotas.get("account_concurrency", 1_000)
    assert result.downstream_throttles <= result.downstream_calls


@given(scenarios)
@settings(max_examples=15, deadline=None)
def test_two_runs_are_the_same_to_the_last_bit(scenario):
    one, other = simulate(scenario), simulate(scenario)
    for name in ("arrived_at", "accepted_at", "started_at", "stored_at", "ended_at"):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes()
    assert one.series == other.series
    assert (one.throttles, one.cold_starts, one.busy_s) == (other.throttles, other.cold_starts, other.busy_s)
