"""Ceilings beside the calculation by hand, and beside simulations, which must never do better."""

import math

import pytest

from simulator.planner import ceilings
from simulator.planner.candidate import Candidate
from simulator.planner.trial import Trial, run
from simulator.scenario import MappingSettings, Provisioned


def ceiling(question, candidate, limit):
    return next(found for found in ceilings.of(question, candidate) if found.limit == limit)


SNS = Candidate("sns", MappingSettings(), reserved_concurrency=50)


def sqs(**settings):
    return Candidate("sqs", MappingSettings(**settings))


FIFO = Candidate("sqs-fifo", MappingSettings())
STREAM = Candidate("kinesis", MappingSettings(shards=3))
READY = Provisioned(4, 4)
# 99 % of peak x 60 s must be done 60 s after the spike: peak = rate x 120 / 59.4.
IN_TIME = 120 / 59.4


@pytest.mark.parametrize(
    ("why", "told", "candidate", "limit", "peak"),
    [
        # 200/s x 120 s, and one second's worth in the bucket.
        ("what the downstream does in time", {"downstream_per_s": 200.0}, SNS, "downstream", 24_200 / 59.4),
        ("a downstream that the baseline fills", {"downstream_per_s": 100.0}, SNS, "downstream", 0.0),
        # 50 environments do 10 records/s each; one does 50/s of a batch, five at a time.
        ("a push has one record an environment", {}, SNS, "concurrency", 500 * IN_TIME),
        ("of a batch five at a time", {}, sqs(batch_size=10, maximum_concurrency=8), "concurrency", 400 * IN_TIME),
        ("the account is a cap", {"quotas": {"account_concurrency": 20}}, SNS, "concurrency", 200 * IN_TIME),
        # 5, and 10 at the baseline; 5/s more to 100 after 17 s: 57.5 x 17 + 100 x 103 batch-seconds of 10 records.
        ("pollers grow", {}, sqs(maximum_concurrency=100), "pollers' growth", (57.5 * 17 + 10_300) * 10 / 59.4),
        # Batches of ten do five times as much; at the baseline they are not full, and pollers as many.
        (
            "pollers of larger batches grow",
            {},
            sqs(batch_size=10, maximum_concurrency=100),
            "pollers' growth",
            (57.5 * 17 + 10_300) * 50 / 59.4,
        ),
        # A poller receives ten times a second: one message each time, or ten, but of 20 kB only 52 to the MiB.
        ("a poller's receives", {}, sqs(provisioned=READY), "pollers' receives", 40 * IN_TIME),
        (
            "a poller's bytes",
            {"payload_bytes": 20_000},
            sqs(batch_size=10, provisioned=READY),
            "pollers' receives",
            4 * 1_048_576 / 20_000 * IN_TIME,
        ),
        ("the API's bucket helps a short spike", {"spike_s": 10.0}, SNS, "API Gateway", 10_500 / 0.99),
        # A second's worth saved up.
        ("SNS's publish quota", {}, SNS, "SNS publish quota", 30_000 * 61 / 60 / 0.99),
        ("a FIFO queue's calls", {}, FIFO, "FIFO calls", 300 * 61 / 60 / 0.99),
        ("a shard's records", {"payload_bytes": 500}, STREAM, "shards' writes", 3_000 * 61 / 60 / 0.99),
        # 9,964 and 36 of the key: 104.8576 to the MiB.
        ("a shard's bytes", {"payload_bytes": 9_964}, STREAM, "shards' writes", 3 * 104.8576 * 61 / 60 / 0.99),
    ],
)
def test_a_ceiling_is_what_the_hand_calculates(question, why, told, candidate, limit, peak):
    assert ceiling(question(**told), candidate, limit).peak_per_s == pytest.approx(peak)


def test_the_lowest_ceiling_comes_first(question):
    found = ceilings.of(question(downstream_per_s=200.0), SNS)
    assert [one.peak_per_s for one in found] == sorted(one.peak_per_s for one in found)
    assert found[0].limit == "downstream"


def test_the_api_is_no_ceiling_where_none_stands(question):
    assert not list(ceilings.api(question(api=False)))


@pytest.mark.parametrize(
    "candidate",
    [
        SNS,
        sqs(batch_size=10, maximum_concurrency=20),
        Candidate("kinesis", MappingSettings(batch_size=10, shards=2, parallelization_factor=10)),
    ],
    ids=lambda candidate: candidate.buffer,
)
def test_no_simulation_beats_the_soonest_that_arithmetic_allows(question, candidate):
    asked = question(spike_per_s=150.0, baseline_per_s=10.0, downstream_per_s=60.0)
    # 0.99 x 9,600 / 60 - 60 = 98.4 s, less the second's worth in the bucket.
    assert ceilings.soonest_s(asked, 60.0) == pytest.approx(98.4)
    outcome = run(Trial(asked, candidate, math.inf))
    assert 97.4 * 0.98 < outcome.latency_s < math.inf


def test_the_downstream_that_is_needed_is_the_one_whose_ceiling_is_the_spike(question):
    needed = ceilings.downstream_needed(question())
    asked = question(downstream_per_s=needed)
    assert ceiling(asked, SNS, "downstream").peak_per_s == pytest.approx(asked.peak_per_s)
