"""Runs made smaller, beside the whole."""

import math
from statistics import mean

import pytest

from delivery.quotas import Quotas
from simulator.planner.candidate import Candidate
from simulator.planner.ceilings import in_time
from simulator.planner.scaling import SHARED, factor, scaled
from simulator.planner.trial import Trial, run
from simulator.scenario import Downstream, MappingSettings, Provisioned, Scenario, Uniform

# Numbers of one shard, one poller, one batch or one message: a smaller run has fewer of them, each as before.
OF_ONE = {
    "sync_requests_per_s_per_environment", "kinesis_shard_records_per_s", "kinesis_put_records_count",
    "kinesis_shard_reads_per_s", "kinesis_read_records", "kinesis_consumers", "sqs_receive_messages",
    "sqs_pollers_lost_per_failure", "sqs_fifo_batch_max", "sqs_provisioned_minimum_least",
    "sqs_provisioned_minimum_max", "sqs_provisioned_pollers_max", "sqs_provisioned_invokes_per_poller",
    "sqs_provisioned_receives_per_s", "kinesis_on_demand_shards", "kinesis_on_demand_split_records_per_s",
    "sns_immediate_retries", "sns_early_retries", "sns_backoff_retries", "sns_late_retries",
}  # fmt: skip
# Of what no simulated run has.
OF_NONE = {"websocket_connections_per_s"}


def test_every_quota_that_counts_something_either_shrinks_or_is_of_one():
    counts = {
        name
        for name, entry in Quotas.table().items()
        if not (entry.unit == "s" or entry.unit.startswith(("s,", "s ", "bytes", "share")))
    }
    assert counts - OF_ONE - OF_NONE == SHARED, "a new quota: does a run at half the size have half of it, or as much?"
    assert not SHARED & OF_ONE


def test_what_is_shared_shrinks_and_what_is_of_one_stays():
    whole = Scenario(
        buffer="kinesis",
        mapping=MappingSettings(shards=40, maximum_concurrency=100, provisioned=Provisioned(40, 80)),
        downstream=Downstream(rate_per_s=400.0),
        partition_keys=Uniform(8_000),
    )
    small = scaled(whole, 4.0)
    assert (small.mapping.shards, small.mapping.maximum_concurrency) == (10, 25)
    assert small.mapping.provisioned == Provisioned(10, 20)
    assert small.downstream.rate_per_s == 100.0
    # Each shard has as many keys as before, and hence as uneven a share.
    assert small.partition_keys == Uniform(2_000)
    quotas = Quotas.with_overrides(small.quotas)
    assert (quotas.account_concurrency, quotas.sqs_pollers_per_minute) == (250, 75.0)
    assert quotas.kinesis_shard_records_per_s == 1_000.0
    assert small.function.per_record_ms == whole.function.per_record_ms


def test_a_small_question_is_simulated_whole(question):
    asked = question(spike_per_s=100.0, baseline_per_s=5.0)
    candidate = Candidate("sqs", MappingSettings(batch_size=10, maximum_concurrency=5))
    assert factor(asked, candidate, asked.spike_requests, 20_000) == 1.0
    outcome = run(Trial(asked, candidate, 20_000))
    assert outcome.scale == 1.0
    assert outcome.simulated == pytest.approx(6_300, rel=0.05)


@pytest.mark.parametrize("cap", [77, 100, 333])
def test_the_cap_that_binds_divides_evenly(question, cap):
    candidate = Candidate("sqs", MappingSettings(batch_size=100, maximum_concurrency=cap))
    by = factor(question(spike_per_s=10_000.0), candidate, 600_000, 20_000)
    assert by > 1
    assert cap / by == pytest.approx(round(cap / by))


@pytest.mark.parametrize(
    ("why", "candidate", "told"),
    [
        (
            "a capped queue works off its backlog at its cap",
            Candidate("sqs", MappingSettings(batch_size=10, maximum_concurrency=40)),
            {},
        ),
        (
            "pollers grow while the spike lasts",
            Candidate("sqs", MappingSettings(batch_size=10, maximum_concurrency=1_000)),
            {"spike_per_s": 8_000.0},
        ),
        (
            "a queue in front of a quota, with retries inside the function",
            Candidate("sqs", MappingSettings(batch_size=10, maximum_concurrency=40)),
            {"downstream_per_s": 1_000.0},
        ),
        ("a push beyond its concurrency backs off", Candidate("sns", MappingSettings(), 150), {}),
        (
            "uneven shards of a stream",
            Candidate("kinesis", MappingSettings(batch_size=10, shards=32, parallelization_factor=1)),
            {"keys": 2_000, "payload_bytes": 500},
        ),
    ],
)
def test_a_smaller_run_has_the_latency_of_the_whole(question, why, candidate, told):
    asked = question(**({"spike_per_s": 4_000.0, "spike_s": 30.0, "api": False} | told))
    whole = run(Trial(asked, candidate, math.inf))
    small = [run(Trial(asked, candidate, 20_000, seed=seed)) for seed in (1, 2, 3)]
    assert whole.scale == 1.0
    assert math.isfinite(whole.latency_s)
    assert all(outcome.scale > 2 for outcome in small)
    # What rounding does to the pollers' growth is bounded by a share of the time there is.
    off_s = 0.02 * in_time(asked)
    assert mean(one.latency_s for one in small) == pytest.approx(whole.latency_s, rel=0.05, abs=off_s)
    assert mean(one.p50_s for one in small) == pytest.approx(whole.p50_s, rel=0.05, abs=off_s)
    assert mean(one.backlog for one in small) == pytest.approx(whole.backlog, rel=0.05, abs=off_s * asked.peak_per_s)
