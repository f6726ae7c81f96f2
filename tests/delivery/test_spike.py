"""One spike through all three: they take it differently, for the reasons AWS documents."""

import math
from random import Random

import pytest
from virtual_driver import drive

from delivery.async_invoke import AsyncInvoke
from delivery.environments import Account, Environments
from delivery.kinesis_mapping import KinesisMapping
from delivery.kinesis_stream import KinesisStream
from delivery.protocol import Offer, Ok
from delivery.quotas import Quotas
from delivery.sqs_mapping import SqsMapping
from delivery.sqs_queue import SqsQueue

QUOTAS = Quotas.with_overrides({"account_concurrency": 10})
PER_IMAGE_S = 0.35
AT_ONCE = 5


def spike():
    """10 a second, and 120 a second from second 5 to second 15."""
    random, at, offers = Random(1), 0.0, []
    while at < 30:
        offers.append((at, Offer([len(offers)], 2_000, [random.getrandbits(128)])))
        at += random.expovariate(120 if 5 <= at < 15 else 10)
    return offers


def recognise(invocation):
    return PER_IMAGE_S * math.ceil(len(invocation.ids) / AT_ONCE) + (0.6 if invocation.slot.cold else 0.0), Ok()


@pytest.fixture(scope="module")
def runs():
    def common():
        return {
            "capacity": Environments(Account(QUOTAS), QUOTAS),
            "random": Random(7),
            "quotas": QUOTAS,
            "function_timeout_s": 30.0,
        }

    machines = {
        "sns": AsyncInvoke(**common()),
        "sqs": SqsMapping(
            SqsQueue(quotas=QUOTAS, visibility_timeout_s=180.0, max_receive_count=5),
            maximum_concurrency=5,
            **common(),
        ),
        "kinesis": KinesisMapping(
            KinesisStream(2, QUOTAS), batch_size=10, batching_window_s=1.0, parallelization_factor=2, **common()
        ),
    }
    return {name: drive(machine, spike(), recognise) for name, machine in machines.items()}


def longest_wait(run):
    arrived = {offer.ids[0]: at for at, offer in spike()}
    return max(done - arrived[record] for record, done in run.done_at.items())


def test_nothing_is_refused_and_nothing_is_lost(runs):
    for run in runs.values():
        assert run.refused == {}
        assert sorted(run.facts.done) == list(range(len(spike())))


def test_push_runs_into_the_concurrency_limit_and_pull_stays_below_it(runs):
    assert runs["sns"].peak_running == QUOTAS.account_concurrency
    assert runs["sns"].facts.throttled > len(spike())
    assert runs["sqs"].peak_running == 5
    assert runs["kinesis"].peak_running == 4
    assert runs["sqs"].facts.throttled == runs["kinesis"].facts.throttled == 0


def test_push_leaves_a_tail_that_capacity_does_not_explain(runs):
    """Its throttled events sleep while environments stand idle; the pulled backlog is worked off without a pause."""
    assert longest_wait(runs["sns"]) > 60
    assert longest_wait(runs["sqs"]) < 10
    assert longest_wait(runs["kinesis"]) < 20


def test_push_starts_the_most_environments_and_invocations(runs):
    assert runs["sns"].facts.cold_starts > runs["sqs"].facts.cold_starts > runs["kinesis"].facts.cold_starts
    assert len(runs["sns"].started) == len(spike())
    assert len(runs["kinesis"].started) < len(spike()) / 5
