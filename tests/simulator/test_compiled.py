"""The compiled twins of machines answer to the last byte as the machines do."""

import dataclasses
import importlib
import os
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator import simulation
from simulator.compiled.kept import forget_if_older, is_kept
from simulator.compiled.kinesis import CompiledKinesis
from simulator.compiled.play import Play
from simulator.compiled.sns import CompiledSns
from simulator.compiled.sqs import CompiledSqs
from simulator.duration import Fixed, Lognormal, Transit
from simulator.scenario import (
    Burst,
    Downstream,
    Function,
    Hot,
    MappingSettings,
    Provisioned,
    Rate,
    Scenario,
    Zipf,
)
from simulator.simulation import simulate

SLOW = Downstream(rate_per_s=50)
PATIENT = Downstream(rate_per_s=50, sdk_attempts=None)
VARYING = Lognormal(50, 400)


def spike(messages, per_s=400):
    return Rate(((0, per_s), (messages / per_s, per_s)))


@pytest.fixture
def played(monkeypatch):
    """Play a scenario by its twin and by its machine; says whether the twin came to its end, and what both found."""
    ended = []
    drive = Play.drive

    def watched(self, tick):
        seen = drive(self, tick)
        ended.append(seen is not None)
        return seen

    monkeypatch.setattr(Play, "drive", watched)

    def play(scenario):
        with monkeypatch.context() as patch:
            patch.setattr(simulation, "_MANY", 0)
            patch.setattr(simulation, "_MANY_ANEW", 0)
            ended.clear()
            twin = simulate(scenario)
        return list(ended), twin, simulate(scenario)

    return play


def assert_same(twin, machine):
    for field in dataclasses.fields(twin):
        one, other = getattr(twin, field.name), getattr(machine, field.name)
        if isinstance(one, np.ndarray):
            assert one.tobytes() == other.tobytes(), field.name
        else:
            assert one == other, field.name


KNOWN = {
    "sqs: a burst that every batch takes as long for": Scenario(
        buffer="sqs", arrivals=Burst(3_000), mapping=MappingSettings(batch_size=10)
    ),
    "sqs: batches of one": Scenario(buffer="sqs", arrivals=spike(600), until_s=400),
    "sqs: a spike whose messages come back until they are given up": Scenario(
        buffer="sqs", arrivals=spike(3_000, 2_000), downstream=SLOW, mapping=MappingSettings(batch_size=10), until_s=1e9
    ),
    "sqs: a handler that hands back what it has no time for": Scenario(
        buffer="sqs", arrivals=spike(2_000), downstream=PATIENT, mapping=MappingSettings(batch_size=10)
    ),
    "sqs: a batch fails as a whole, and takes a poller away": Scenario(
        buffer="sqs",
        arrivals=spike(2_000),
        function=Function(error_rate=0.1, per_record_ms=VARYING),
        mapping=MappingSettings(batch_size=10, partial_failures=False, max_receive_count=3),
    ),
    "sqs: poison, and strands": Scenario(
        buffer="sqs",
        arrivals=spike(2_000),
        function=Function(error_rate=0.05, poison_rate=0.02, in_batch_concurrency=3, per_record_ms=VARYING),
        mapping=MappingSettings(batch_size=7),
    ),
    "sqs: throttled batches wait, and are dropped when their messages are visible again": Scenario(
        buffer="sqs",
        arrivals=spike(4_000, 2_000),
        downstream=SLOW,
        mapping=MappingSettings(batch_size=10, visibility_timeout_s=61),
        quotas={"account_concurrency": 10},
        until_s=2_000,
    ),
    "sqs: no more than may be in flight": Scenario(
        buffer="sqs",
        arrivals=Burst(4_000),
        downstream=SLOW,
        mapping=MappingSettings(batch_size=10),
        quotas={"sqs_in_flight_max": 505},
        until_s=2_000,
    ),
    "sqs: an event has no room for a whole batch": Scenario(
        buffer="sqs",
        arrivals=spike(1_500, 1_500),
        payload_bytes=1_000_000,
        downstream=SLOW,
        mapping=MappingSettings(batch_size=10),
        until_s=2_000,
    ),
    "sqs: environments age while it is idle, and pollers fall asleep": Scenario(
        buffer="sqs",
        arrivals=Rate(
            ((0, 100), (5, 100), (5, 0), (400, 0), (400, 100), (405, 100), (405, 0), (900, 0), (900, 50), (910, 50))
        ),
        mapping=MappingSettings(batch_size=10),
    ),
    "sqs: environments grow slowly": Scenario(
        buffer="sqs",
        arrivals=Burst(3_000),
        function=Function(per_record_ms=Fixed(500)),
        mapping=MappingSettings(batch_size=10),
        quotas={"environments_per_10_s": 20},
    ),
    "sqs: stopped by its timeout, its environment with it": Scenario(
        buffer="sqs",
        arrivals=spike(1_500),
        function=Function(timeout_s=1, per_record_ms=Lognormal(300, 2_000)),
        mapping=MappingSettings(batch_size=5),
        until_s=2_000,
    ),
    "sqs: stopped in the middle of a batch that takes as long each time": Scenario(
        buffer="sqs", arrivals=spike(900), function=Function(timeout_s=0.3), mapping=MappingSettings(batch_size=10)
    ),
    "sqs: cut off": Scenario(
        buffer="sqs", arrivals=spike(6_000, 2_000), downstream=SLOW, mapping=MappingSettings(batch_size=10), until_s=45
    ),
    "sqs: cut off in the middle of batches that take as long each time": Scenario(
        buffer="sqs",
        arrivals=Burst(5_000),
        function=Function(per_record_ms=Fixed(700)),
        mapping=MappingSettings(batch_size=10),
        until_s=20.1,
    ),
    "sqs: a reservation, a maximum concurrency, a time before the first record": Scenario(
        buffer="sqs",
        arrivals=spike(2_000),
        function=Function(reserved_concurrency=7, invocation_ms=Lognormal(20, 200)),
        mapping=MappingSettings(batch_size=10, maximum_concurrency=12),
    ),
    "sqs: arrivals and visibility timeouts at the same moments": Scenario(
        buffer="sqs",
        arrivals=Rate(((0, 4), (900, 4)), poisson=False),
        function=Function(error_rate=0.4, cold_start_ms=Fixed(0)),
        mapping=MappingSettings(batch_size=3, visibility_timeout_s=60, max_receive_count=None),
        until_s=1_500,
    ),
    "sqs: what comes back at the moment at which others arrive, in the middle of a batch": Scenario(
        buffer="sqs",
        arrivals=Rate(((0, 4), (300, 4)), poisson=False),
        function=Function(error_rate=0.4, cold_start_ms=Fixed(0), per_record_ms=Fixed(250)),
        mapping=MappingSettings(
            batch_size=3, maximum_concurrency=2, visibility_timeout_s=60, max_receive_count=None, partial_failures=False
        ),
        until_s=1_500,
    ),
    "sqs: pollers are at their cap, then idle until they start over, and busy again": Scenario(
        buffer="sqs",
        arrivals=Rate(((0, 90), (13, 90), (13, 0), (90, 0), (90, 90), (103, 90))),
        function=Function(error_rate=0.02, per_record_ms=Fixed(100)),
        quotas={"sqs_pollers_max": 9, "sqs_pollers_per_minute": 100},
    ),
    "sqs: some are turned away at the door, and some overtake others": Scenario(
        buffer="sqs", arrivals=Burst(20_000), api=True, transit_ms=Transit(5, 20, 10, 1.0, 0.01, 500), until_s=300
    ),
    "sns: a burst": Scenario(buffer="sns", arrivals=Burst(4_000), quotas={"account_concurrency": 100}),
    "sns: a spike whose events are throttled and retried": Scenario(
        buffer="sns", arrivals=spike(4_000, 2_000), downstream=SLOW, until_s=1e9
    ),
    "sns: arrivals told in advance while there is no concurrency": Scenario(
        buffer="sns",
        arrivals=spike(6_000, 2_000),
        function=Function(error_rate=0.1, per_record_ms=VARYING),
        quotas={"account_concurrency": 10},
        until_s=3_000,
    ),
    "sns: too old, and lost": Scenario(
        buffer="sns",
        arrivals=spike(4_000, 2_000),
        downstream=SLOW,
        mapping=MappingSettings(maximum_event_age_s=120, maximum_retry_attempts=1, on_failure=False),
        quotas={"account_concurrency": 50},
    ),
    "sns: too old while it sleeps for want of concurrency": Scenario(
        buffer="sns",
        arrivals=spike(2_000, 2_000),
        function=Function(per_record_ms=Fixed(500)),
        mapping=MappingSettings(maximum_event_age_s=61),
        quotas={"account_concurrency": 10},
    ),
    "sns: too old before the least wait is over": Scenario(
        buffer="sns",
        arrivals=spike(4_000, 500),
        function=Function(per_record_ms=VARYING),
        mapping=MappingSettings(maximum_event_age_s=3),
        quotas={"account_concurrency": 10},
    ),
    "sns: too old while it sleeps after an error": Scenario(
        buffer="sns",
        arrivals=spike(1_000),
        function=Function(error_rate=0.5),
        mapping=MappingSettings(maximum_event_age_s=70),
    ),
    "sns: no retries, a reservation, and a time before the record": Scenario(
        buffer="sns",
        arrivals=spike(2_000),
        function=Function(reserved_concurrency=7, error_rate=0.1, invocation_ms=Lognormal(20, 200)),
        mapping=MappingSettings(maximum_retry_attempts=0),
    ),
    "sns: poison, and a timeout": Scenario(
        buffer="sns",
        arrivals=spike(2_000),
        function=Function(poison_rate=0.03, timeout_s=0.2, per_record_ms=VARYING),
    ),
    "sns: environments grow slowly, and it is cut off": Scenario(
        buffer="sns",
        arrivals=Burst(3_000),
        function=Function(per_record_ms=Fixed(500)),
        quotas={"environments_per_10_s": 20},
        until_s=60,
    ),
    "kinesis: a burst": Scenario(
        buffer="kinesis", arrivals=Burst(3_000), mapping=MappingSettings(batch_size=100, shards=4)
    ),
    "kinesis: a spike, and what is throttled is tried again within the batch": Scenario(
        buffer="kinesis",
        arrivals=spike(4_000, 2_000),
        downstream=SLOW,
        mapping=MappingSettings(batch_size=100, shards=4),
        until_s=1e9,
    ),
    "kinesis: batches are split where they failed, and given up in the end": Scenario(
        buffer="kinesis",
        arrivals=spike(2_000),
        function=Function(error_rate=0.1, poison_rate=0.02, per_record_ms=VARYING),
        mapping=MappingSettings(batch_size=20, shards=3, maximum_retry_attempts=3),
        partition_keys=Zipf(200, 1.1),
        until_s=2_500,
    ),
    "kinesis: batches fail as a whole and are not split, and what is given up is lost": Scenario(
        buffer="kinesis",
        arrivals=spike(1_000),
        function=Function(poison_rate=0.02),
        mapping=MappingSettings(
            batch_size=20, shards=3, maximum_retry_attempts=2, bisect=False, partial_failures=False, on_failure=False
        ),
        until_s=2_500,
    ),
    "kinesis: failing batches are halved": Scenario(
        buffer="kinesis",
        arrivals=spike(1_000),
        function=Function(poison_rate=0.02),
        mapping=MappingSettings(batch_size=64, shards=2, maximum_retry_attempts=-1, partial_failures=False),
        until_s=300,
    ),
    "kinesis: lanes that are throttled wait in their order": Scenario(
        buffer="kinesis",
        arrivals=spike(4_000, 2_000),
        function=Function(error_rate=0.05),
        mapping=MappingSettings(batch_size=10, shards=40),
        quotas={"account_concurrency": 10},
        until_s=3_000,
    ),
    "kinesis: a window, a timeout, a hot key, records turned away": Scenario(
        buffer="kinesis",
        arrivals=spike(6_000, 3_000),
        function=Function(timeout_s=1, per_record_ms=Lognormal(10, 80)),
        mapping=MappingSettings(batch_size=200, shards=3, batching_window_s=5, maximum_retry_attempts=2),
        partition_keys=Hot(200, 0.3),
        until_s=2_000,
    ),
    "kinesis: an event has no room for a whole batch, and a read takes longer": Scenario(
        buffer="kinesis",
        arrivals=spike(1_000, 500),
        payload_bytes=200_000,
        function=Function(per_record_ms=Fixed(5)),
        mapping=MappingSettings(batch_size=100, shards=20),
        until_s=2_000,
    ),
    "kinesis: read at once, and cut off in the middle": Scenario(
        buffer="kinesis",
        arrivals=spike(3_000, 1_000),
        mapping=MappingSettings(batch_size=100, shards=2),
        quotas={"kinesis_poll_interval_s": 0},
        until_s=20.05,
    ),
    "kinesis: some are turned away by the API, and some overtake others": Scenario(
        buffer="kinesis",
        arrivals=Burst(12_000),
        api=True,
        transit_ms=Transit(5, 20, 10, 1.0, 0.01, 500),
        function=Function(per_record_ms=Fixed(2)),
        mapping=MappingSettings(batch_size=100, shards=5),
        until_s=300,
    ),
}  # fmt: skip


@pytest.mark.parametrize("scenario", KNOWN.values(), ids=KNOWN.keys())
def test_a_twin_answers_as_its_machine(played, scenario):
    ended, twin, machine = played(scenario)
    assert ended == [True]
    assert_same(twin, machine)


@pytest.mark.parametrize(
    "scenario",
    [
        pytest.param(
            Scenario(
                buffer="sqs",
                arrivals=spike(1_000),
                downstream=SLOW,
                quotas={"sqs_retention_s": 200},
                mapping=MappingSettings(batch_size=10),
            ),
            id="a message is kept too long",
        ),
        pytest.param(
            Scenario(
                buffer="sqs",
                arrivals=Burst(300),
                function=Function(timeout_s=60, cold_start_ms=Fixed(3_000), per_record_ms=Fixed(5_950)),
                mapping=MappingSettings(batch_size=10, visibility_timeout_s=60),
            ),
            id="a delete comes after the visibility timeout, which the cold start does not stop",
        ),
        pytest.param(
            Scenario(
                buffer="sns",
                arrivals=spike(800),
                function=Function(timeout_s=0.5, invocation_ms=Lognormal(200, 2_000), error_rate=0.02),
            ),
            id="an invocation is over before its first record begins",
        ),
        pytest.param(
            Scenario(
                buffer="kinesis",
                arrivals=spike(6_000, 2_000),
                downstream=SLOW,
                mapping=MappingSettings(batch_size=10, shards=4, maximum_record_age_s=60),
            ),
            id="records grow too old",
        ),
    ],
)
def test_what_a_twin_does_not_know_its_machine_plays(played, scenario):
    ended, twin, machine = played(scenario)
    assert ended == [False]
    assert_same(twin, machine)


@pytest.mark.parametrize(
    ("scenario", "who"),
    [
        pytest.param(Scenario(buffer="sqs"), [CompiledSqs], id="a standard queue"),
        pytest.param(Scenario(buffer="sns"), [CompiledSns], id="a topic"),
        pytest.param(
            Scenario(buffer="sqs", mapping=MappingSettings(batching_window_s=1)), [], id="pollers that gather batches"
        ),
        pytest.param(
            Scenario(buffer="sqs", mapping=MappingSettings(provisioned=Provisioned(2, 5))), [], id="provisioned pollers"
        ),
        pytest.param(Scenario(buffer="sqs-fifo"), [], id="a FIFO queue"),
        pytest.param(Scenario(buffer="kinesis"), [CompiledKinesis], id="a stream"),
        pytest.param(Scenario(buffer="kinesis", mapping=MappingSettings(shards=None)), [], id="shards on demand"),
        pytest.param(
            Scenario(buffer="kinesis", mapping=MappingSettings(parallelization_factor=2)), [], id="lanes beside others"
        ),
        pytest.param(Scenario(buffer="kinesis-efo"), [], id="a stream that pushes"),
        pytest.param(Scenario(buffer="sns", quotas={"async_reads_per_s": 300}), [], id="a queue that is read slowly"),
        pytest.param(Scenario(buffer="sns", quotas={"async_duplicate_share": 0.1}), [], id="events that are doubled"),
    ],
)
def test_a_twin_knows_the_plain_cases(scenario, who):
    assert [twin for twin in (CompiledSqs, CompiledSns, CompiledKinesis) if twin.knows(scenario)] == who


DURATIONS = st.sampled_from([Fixed(50), VARYING, Lognormal(5, 30)])
SCENARIOS = st.builds(
    Scenario,
    seed=st.integers(1, 1_000),
    until_s=st.sampled_from([37.0, 300.0, 4_000.0]),
    buffer=st.sampled_from(["sqs", "sns", "kinesis"]),
    arrivals=st.one_of(
        st.builds(Burst, st.integers(1, 400)),
        st.builds(spike, st.integers(20, 400), st.sampled_from([50, 500, 5_000])),
        st.just(Rate(((0, 30), (6, 30), (6, 0), (200, 0), (200, 30), (205, 30)), poisson=False)),
    ),
    payload_bytes=st.sampled_from([0, 2_000, 250_000]),
    mapping=st.builds(
        MappingSettings,
        batch_size=st.integers(1, 10),
        maximum_concurrency=st.sampled_from([None, None, 2, 9]),
        visibility_timeout_s=st.sampled_from([30.0, 47.3, 300.0]),
        max_receive_count=st.sampled_from([None, 1, 2, 5]),
        maximum_retry_attempts=st.integers(0, 3),
        shards=st.integers(1, 5),
        bisect=st.booleans(),
        maximum_event_age_s=st.sampled_from([61.0, 300.0, 21_600.0]),
        partial_failures=st.booleans(),
        on_failure=st.booleans(),
    ),
    function=st.builds(
        Function,
        reserved_concurrency=st.sampled_from([None, None, 1, 8]),
        timeout_s=st.sampled_from([0.3, 3.0, 30.0]),
        cold_start_ms=st.sampled_from([Fixed(0), Fixed(300), Lognormal(300, 900)]),
        invocation_ms=st.sampled_from([Fixed(0), Fixed(12), Lognormal(10, 100)]),
        per_record_ms=DURATIONS,
        in_batch_concurrency=st.integers(1, 3),
        error_rate=st.sampled_from([0.0, 0.0, 0.2]),
        poison_rate=st.sampled_from([0.0, 0.0, 0.1]),
    ),
    downstream=st.builds(
        Downstream, rate_per_s=st.sampled_from([None, 5.0, 50.0]), sdk_attempts=st.sampled_from([None, 1, 5])
    ),
    quotas=st.fixed_dictionaries(
        {},
        optional={
            "account_concurrency": st.sampled_from([1, 5, 30]),
            "environments_per_10_s": st.sampled_from([2, 20]),
            "sqs_in_flight_max": st.sampled_from([7, 50]),
            "sqs_pollers_per_minute": st.sampled_from([0, 6_000]),
            "environment_idle_s": st.sampled_from([1.0, 20.0]),
        },
    ),
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scenario=SCENARIOS)
def test_whatever_the_scenario_twin_and_machine_answer_alike(played, scenario):
    if scenario.quotas.get("account_concurrency", 1_000) < 200:
        # A reservation has to leave 100 to others.
        scenario = dataclasses.replace(
            scenario, function=dataclasses.replace(scenario.function, reserved_concurrency=None)
        )
    _, twin, machine = played(scenario)
    assert_same(twin, machine)


@pytest.mark.parametrize("name", ["sqs: cut off", "sns: a burst"])
def test_a_twin_says_how_far_it_has_come_as_its_machine_does(monkeypatch, name):
    by_machine, by_twin = [], []
    simulate(KNOWN[name], by_machine.append)
    monkeypatch.setattr(simulation, "_MANY", 0)
    monkeypatch.setattr(simulation, "_MANY_ANEW", 0)
    simulate(KNOWN[name], by_twin.append)
    assert by_machine == by_twin


@pytest.mark.parametrize(
    ("messages", "function", "compiled", "twins"),
    [
        pytest.param(600, Function(error_rate=0.1), True, 1, id="many"),
        pytest.param(400, Function(error_rate=0.1), True, 0, id="few"),
        pytest.param(600, Function(error_rate=0.1), False, 0, id="not so many that it pays to compile first"),
        pytest.param(6_000, Function(error_rate=0.1), False, 1, id="so many"),
        pytest.param(600, Function(), True, 0, id="many that are soon played"),
        pytest.param(6_000, Function(), True, 1, id="ten times as many of those"),
    ],
)
def test_a_twin_plays_where_it_pays(monkeypatch, messages, function, compiled, twins):
    played = []
    drive = Play.drive
    monkeypatch.setattr(Play, "drive", lambda self, tick: played.append(self) or drive(self, tick))
    monkeypatch.setattr(Play, "is_compiled", classmethod(lambda cls: compiled))
    monkeypatch.setattr(simulation, "_MANY", 500)
    monkeypatch.setattr(simulation, "_MANY_ANEW", 5_000)
    simulate(Scenario(buffer="sqs", arrivals=Burst(messages), function=function))
    assert len(played) == twins


OUTER = """
from numba import njit
import inner_of_test

NUMBER = inner_of_test.number()


@njit(cache=True)
def between():
    return NUMBER


@njit(cache=True)
def number():
    return between()
"""


def test_what_was_compiled_of_older_sources_is_forgotten(tmp_path, monkeypatch):
    """The function between the two is in a file that has not changed, and would bring the old number with it."""

    def imported(number, mtime_ns):
        source = tmp_path / "inner_of_test.py"
        source.write_text(f"def number():\n    return {number}\n", encoding="utf-8")
        os.utime(source, ns=(mtime_ns, mtime_ns))
        for name in ("outer_of_test", "inner_of_test"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        outer = importlib.import_module("outer_of_test")
        forget_if_older(outer.number, [outer.inner_of_test])
        return outer.number

    (tmp_path / "outer_of_test.py").write_text(OUTER, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    written_ns = (tmp_path / "outer_of_test.py").stat().st_mtime_ns
    try:
        first = imported(1, written_ns)
        assert not is_kept(first)
        assert first() == 1
        assert is_kept(imported(1, written_ns))
        changed = imported(2, written_ns + 3_600 * 10**9)
        assert not is_kept(changed)
        assert changed() == 2
    finally:
        for name in ("outer_of_test", "inner_of_test"):
            sys.modules.pop(name, None)
