"""What holds for every delivery, whatever arrives and whatever the function does."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_driver import drive

from delivery.async_invoke import AsyncInvoke
from delivery.environments import Account, Environments
from delivery.kinesis_fan_out_mapping import KinesisFanOutMapping
from delivery.kinesis_mapping import KinesisMapping
from delivery.kinesis_on_demand_stream import OnDemandStream
from delivery.kinesis_stream import HASH_KEYS, KinesisStream
from delivery.protocol import Error, Offer, Ok, PartialFailure, Throttled, Timeout
from delivery.quotas import Quotas
from delivery.sqs_fifo_mapping import SqsFifoMapping
from delivery.sqs_fifo_queue import SqsFifoQueue
from delivery.sqs_mapping import SqsMapping
from delivery.sqs_provisioned import ProvisionedPollers
from delivery.sqs_queue import SqsQueue

KINDS = ("kinesis", "kinesis-efo", "sqs", "sqs-fifo", "sns")
STREAM_KINDS = {"kinesis": KinesisMapping, "kinesis-efo": KinesisFanOutMapping}
QUEUE_KINDS = {"sqs": (SqsQueue, SqsMapping), "sqs-fifo": (SqsFifoQueue, SqsFifoMapping)}


@dataclass(frozen=True)
class Scenario:
    """A delivery, what arrives, and how its function behaves. Everything follows from it."""

    kind: str
    seed: int
    quotas: dict
    settings: dict
    arrivals: tuple  # of (time, how many)
    keys: int
    size: int
    trouble: float  # the share of invocations that do not simply succeed
    table: Quotas = field(init=False, compare=False)

    def __post_init__(self):
        object.__setattr__(self, "table", Quotas.with_overrides(self.quotas))

    def machine(self):
        capacity = Environments(Account(self.table), self.table)
        common = {"capacity": capacity, "random": Random(self.seed), "quotas": self.table}
        own = dict(self.settings)
        if self.kind in STREAM_KINDS:
            shards = own.pop("shards")
            stream = OnDemandStream(self.table) if shards is None else KinesisStream(shards, self.table)
            return STREAM_KINDS[self.kind](stream, **common, **own)
        if self.kind in QUEUE_KINDS:
            queue, mapping = QUEUE_KINDS[self.kind]
            receives = own.pop("max_receive_count")
            return mapping(
                queue(quotas=self.table, visibility_timeout_s=10.0, max_receive_count=receives), **common, **own
            )
        return AsyncInvoke(**common, **own)

    def key(self, record):
        return record % self.keys

    def offers(self):
        first = 0
        for at, count in self.arrivals:
            ids = range(first, first + count)
            keys = [self.key(record) for record in ids]
            if self.kind == "sqs-fifo":
                yield at, Offer(ids, self.size, groups=keys)
            else:
                yield at, Offer(ids, self.size, [key * HASH_KEYS // self.keys for key in keys])
            first += count

    def in_one_offer(self):
        """The same, told in advance."""
        offers = list(self.offers())
        times = [at for at, offer in offers for _ in offer.ids]
        keys = [key for _, offer in offers for key in offer.hash_keys or offer.groups]
        by = "groups" if self.kind == "sqs-fifo" else "hash_keys"
        return [(0.0, Offer(range(len(times)), self.size, times=times, **{by: keys}))]

    def service(self, invocation):
        dice = Random(f"{self.seed} {invocation.number}")
        seconds = dice.choice([0.01, 0.3, 0.3, 2.0])
        if dice.random() >= self.trouble:
            return seconds, Ok()
        failed = frozenset(record for record in invocation.ids if dice.random() < 0.3)
        return seconds, dice.choice(
            [PartialFailure(failed), PartialFailure(failed), Error(), Error(lost=True), Timeout(), Throttled()]
        )

    def run(self, **options):
        machine = self.machine()
        run = drive(machine, options.pop("offers", None) or self.offers(), self.service, **options)
        return machine, run


@st.composite
def scenarios(draw, kinds=KINDS):
    kind = draw(st.sampled_from(kinds))
    waits = draw(st.lists(st.sampled_from([0.0, 0.013, 0.4, 1.0, 7.7, 61.0]), min_size=1, max_size=12))
    at, arrivals = 0.0, []
    for wait in waits:
        at += wait
        arrivals.append((at, draw(st.sampled_from([1, 1, 2, 9, 60]))))
    quotas = {
        "account_concurrency": draw(st.sampled_from([1, 2, 7, 100])),
        "environments_per_10_s": draw(st.sampled_from([2, 1_000])),
        "event_bytes": 6_000,
        "sqs_message_bytes": 2_000,
        "async_first_retry_s": 6,
        "async_second_retry_s": 12,
        "async_throttle_max_s": 30,
        "async_reads_per_s": draw(st.sampled_from([0, 0, 3])),
        "async_duplicate_share": draw(st.sampled_from([0, 0, 0.3])),
        "sqs_in_flight_max": draw(st.sampled_from([15, 120_000])),
        "sqs_low_traffic_wait_s": draw(st.sampled_from([0, 4])),
        "sqs_retention_s": draw(st.sampled_from([20, 345_600])),
        "sqs_pollers_idle_sleep_s": draw(st.sampled_from([60, 300])),
        "sqs_fifo_window_messages": draw(st.sampled_from([7, 120_000])),
        "sqs_fifo_calls_per_s": draw(st.sampled_from([5, 300])),
        "sqs_provisioned_receives_per_s": draw(st.sampled_from([0.5, 10])),
        "sqs_provisioned_bytes_per_s": draw(st.sampled_from([2_000, 1 << 20])),
        "kinesis_shard_records_per_s": draw(st.sampled_from([20, 1_000])),
        "kinesis_retention_s": draw(st.sampled_from([100, 86_400])),
        "kinesis_on_demand_shards": draw(st.integers(1, 2)),
        "kinesis_on_demand_split_records_per_s": draw(st.sampled_from([1, 10])),
        "kinesis_on_demand_split_s": 1,
        "kinesis_on_demand_window_s": 1,
        "kinesis_fan_out_push_bytes": draw(st.sampled_from([150, 256 << 10])),
        "kinesis_read_records": draw(st.sampled_from([7, 10_000])),
    }
    settings = {"function_timeout_s": 3.0}
    if kind in STREAM_KINDS:
        settings |= {
            # None: in on-demand mode, where they are split as they go.
            "shards": draw(st.sampled_from([1, 2, 3, None, None])),
            "batch_size": draw(st.sampled_from([1, 5, 100])),
            "batching_window_s": draw(st.sampled_from([0, 1.5])),
            "parallelization_factor": draw(st.integers(1, 3)),
            "bisect": draw(st.booleans()),
            "maximum_retry_attempts": draw(st.sampled_from([0, 2, None])),
            "maximum_record_age_s": draw(st.sampled_from([20, None])),
        }
    elif kind in QUEUE_KINDS:
        settings |= {
            "max_receive_count": draw(st.sampled_from([1, 3, 6])),
            "batch_size": draw(st.sampled_from([1, 10])),
        }
        settings |= draw(
            st.sampled_from(
                [
                    {},
                    {"maximum_concurrency": 2},
                    {"maximum_concurrency": 20},
                    {"provisioned": ProvisionedPollers(2, 2)},
                    {"provisioned": ProvisionedPollers(2, 5)},
                ]
            )
        )
        if kind == "sqs":
            settings["batching_window_s"] = draw(st.sampled_from([0, 1.5]))
    else:
        settings |= {
            "maximum_retry_attempts": draw(st.integers(0, 2)),
            "maximum_event_age_s": draw(st.sampled_from([60, 21_600])),
        }
    if kind != "sns":
        settings["report_batch_item_failures"] = draw(st.booleans())
    return Scenario(
        kind,
        draw(st.integers(0, 10_000)),
        quotas,
        settings,
        tuple(arrivals),
        keys=draw(st.sampled_from([1, 5, 1_000])),
        size=draw(st.sampled_from([0, 100, 2_000])),
        trouble=draw(st.sampled_from([0.0, 0.2, 0.6])),
    )


@given(scenarios())
def test_every_record_offered_is_refused_or_ends_once(scenario):
    machine = scenario.machine()
    accepted, ended = Counter(), Counter()

    def offer(now, records):
        refused = machine.offer(now, records)
        accepted["records"] += len(records.ids) - len(refused)
        return refused

    drain = machine.drain

    def drained():
        facts = drain()
        ended["records"] += len(facts.done) + len(facts.dead) + len(facts.expired)
        return facts

    machine.drain = drained

    def sums_hold(now):
        assert accepted["records"] == machine.pending() + ended["records"]
        assert machine.in_flight() >= machine.running()
        if not machine.pending():
            assert machine.oldest_age_s(now) == 0

    run = drive(machine, scenario.offers(), scenario.service, front=offer, watch=sums_hold)
    assert machine.pending() == machine.running() == machine.in_flight() == 0
    assert set(run.ended_at) | set(run.refused) == set(range(run.offered))
    assert not set(run.ended_at) & set(run.refused)
    assert run.facts.received >= len(run.ended_at) - len(run.facts.expired)


@given(scenarios())
def test_no_limit_is_ever_exceeded(scenario):
    _, run = scenario.run()
    own, table = scenario.settings, scenario.table
    assert run.peak_running <= table.account_concurrency
    if scenario.kind in STREAM_KINDS:
        if own["shards"] is not None:
            assert run.peak_running <= own["shards"] * own["parallelization_factor"]
        for lane in {invocation.lane for invocation in run.started}:
            spans = sorted((i.start, at) for at, i, _ in run.ended if i.lane == lane)
            assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    if scenario.kind in QUEUE_KINDS:
        if "provisioned" in own:
            assert run.peak_running <= own["provisioned"].maximum * table.sqs_provisioned_invokes_per_poller
        assert run.peak_running <= own.get("maximum_concurrency", table.sqs_pollers_max)
        assert all(invocation.attempt <= own["max_receive_count"] for invocation in run.started)
        assert max(Counter(r for i in run.started for r in i.ids).values(), default=0) <= own[
            "max_receive_count"
        ] + sum(isinstance(outcome, Throttled) for _, _, outcome in run.ended)
    if scenario.kind == "sqs-fifo" and not run.facts.throttled:
        # A throttled batch may be sent off shortly before its messages become visible to others.
        for key in range(scenario.keys):
            spans = sorted((i.start, at) for at, i, _ in run.ended if any(scenario.key(r) == key for r in i.ids))
            assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    if scenario.kind == "sns":
        assert all(len(invocation.ids) == 1 for invocation in run.started)
        assert all(invocation.attempt <= 1 + own["maximum_retry_attempts"] for invocation in run.started)
    for invocation in run.started:
        assert 1 <= len(invocation.ids) <= own.get("batch_size", 1)
        assert len(invocation.ids) == len(set(invocation.ids))
        assert invocation.deadline == invocation.start + own["function_timeout_s"]
        if scenario.kind != "sns":
            assert len(invocation.ids) * scenario.size <= table.event_bytes


@given(scenarios(kinds=(*STREAM_KINDS, "sqs-fifo")))
def test_records_of_a_partition_key_or_message_group_are_processed_in_order(scenario):
    """None is sent before all that came before it have ended, but for those in front of it in its own batch."""
    _, run = scenario.run()
    before = {}
    for record in sorted(set(range(run.offered)) - set(run.refused)):
        before.setdefault(scenario.key(record), []).append(record)
    for invocation in run.started:
        ids = list(invocation.ids)
        if scenario.kind == "sqs-fifo":
            # A batch may hold several groups, one after the other.
            assert ids == [
                record
                for key in dict.fromkeys(map(scenario.key, ids))
                for record in sorted(ids)
                if scenario.key(record) == key
            ]
        else:
            assert ids == sorted(ids)
        for record in ids:
            same_key = before[scenario.key(record)]
            earlier = same_key[: same_key.index(record)]
            assert all(run.ended_at[other] <= invocation.start or other in ids for other in earlier)


@given(scenarios(), st.sampled_from([0.0371, 0.29]))
@settings(max_examples=40)
def test_polling_when_told_to_is_as_good_as_polling_all_the_time(scenario, every):
    """So wake_at is never late."""
    _, told = scenario.run()
    _, dense = scenario.run(also_poll_every=every)
    assert told.story() == dense.story()
    assert told.facts == dense.facts


@given(scenarios())
def test_arrivals_told_in_advance_are_as_good_as_arrivals_one_by_one(scenario):
    """A simulator offers a whole day at once; nothing may depend on being polled at each arrival."""
    _, one_by_one = scenario.run()
    _, at_once = scenario.run(offers=scenario.in_one_offer())
    assert one_by_one.story() == at_once.story()
    assert one_by_one.refused == at_once.refused
    assert one_by_one.facts == at_once.facts


@given(scenarios())
@settings(max_examples=15)
def test_the_same_seed_gives_the_same_run(scenario):
    _, one = scenario.run()
    _, other = scenario.run()
    assert one.story() == other.story()
    assert one.facts == other.facts


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("start", [0.0, 1.8e9])
def test_the_time_of_day_makes_no_difference(kind, start):
    """A real driver's seconds are those since the epoch: large numbers, where fractions are coarse."""
    stream, queue = {"shards": 2, "batching_window_s": 1.0}, {"max_receive_count": 5}
    own = {"kinesis": stream, "kinesis-efo": stream, "sqs": queue, "sqs-fifo": queue, "sns": {}}[kind]
    scenario = Scenario(
        kind,
        seed=3,
        quotas={"account_concurrency": 5},
        settings={"function_timeout_s": 3.0, **own},
        arrivals=tuple((start + n * 0.1, 7) for n in range(50)),
        keys=10,
        size=100,
        trouble=0.2,
    )
    machine, run = scenario.run()
    assert machine.pending() == 0
    assert len(run.ended_at) == 350
