"""What is worth simulating, and why the rest is not."""

from collections import Counter

import pytest

from simulator.duration import Fixed
from simulator.planner import ceilings, grid
from simulator.planner.candidate import Candidate
from simulator.planner.question import LatencyObjective
from simulator.scenario import BUFFERS, MappingSettings


def test_every_buffer_is_in_the_grid_and_none_of_it_twice(question):
    found = list(grid.everything(question()))
    assert {candidate.buffer for candidate in found} == set(BUFFERS)
    assert max(Counter(found).values()) == 1


def test_what_is_kept_and_what_is_pruned_is_the_whole_grid(question):
    kept, pruned = grid.candidates(question())
    assert len(kept) + sum(one.count for one in pruned) == len(list(grid.everything(question())))
    assert kept
    assert all(one.reason for one in pruned)


def test_what_is_kept_could_meet_the_objective_by_arithmetic(question):
    asked = question()
    kept, _ = grid.candidates(asked)
    assert all(ceilings.of(asked, candidate)[0].peak_per_s >= asked.peak_per_s for candidate in kept)


def test_what_arithmetic_rules_out_is_told_with_the_best_of_its_kind(question):
    asked = question(downstream_per_s=200.0)
    kept, pruned = grid.candidates(asked)
    assert not kept
    # 200/s x 120 s and a second's worth: 24,200 / 59.4.
    assert "downstream: at most 407/s, of 1,100/s at the peak" in {one.reason for one in pruned}
    _, pruned = grid.candidates(question(downstream_per_s=100.0))
    assert "downstream: less than the baseline, of 1,100/s at the peak" in {one.reason for one in pruned}


STREAM = Candidate("kinesis", MappingSettings(batch_size=10, shards=4, parallelization_factor=10))
FAN_OUT = Candidate("kinesis-efo", STREAM.mapping)
HUNDREDS = Candidate("sqs", MappingSettings(batch_size=100, batching_window_s=1.0, maximum_concurrency=500))
QUEUE = Candidate("sqs", MappingSettings(batch_size=10, maximum_concurrency=100))


@pytest.mark.parametrize(
    ("why", "told", "candidate", "says"),
    [
        ("a standard queue keeps no order", {"ordered": True}, QUEUE, "keeps no order"),
        ("nobody needs FIFO without an order", {}, Candidate("sqs-fifo", MappingSettings()), "higher price"),
        ("a poll once a second is too slow", {"latency": LatencyObjective(99.0, 1.0)}, STREAM, "1,580 ms"),
        ("a minute leaves time for a poll", {}, FAN_OUT, "costs more than polling"),
        ("SNS takes 256 KiB", {"payload_bytes": 300_000}, Candidate("sns", MappingSettings()), "300,000 bytes"),
        ("100 records of 1 s, five at a time, are 20 s", {"per_record": Fixed(1_000)}, HUNDREDS, "timeout"),
        ("an invocation for each of 1,100/s", {}, Candidate("sqs", MappingSettings()), "larger batches"),
    ],
)
def test_a_candidate_is_dropped_for_a_reason(question, why, told, candidate, says):
    reason = grid.why_not(question(**told), candidate)
    assert reason is not None
    assert says in reason


def test_fan_out_is_tried_where_a_poll_takes_much_of_the_objective(question):
    asked = question(latency=LatencyObjective(99.0, 10.0), ordered=True, in_batch_concurrency=1)
    roomy = Candidate("kinesis-efo", MappingSettings(batch_size=10, shards=12, parallelization_factor=10))
    assert grid.why_not(asked, roomy) is None


def test_reserved_concurrency_leaves_the_account_its_hundred(question):
    asked = question(quotas={"account_concurrency": 150})
    reserved = [one.reserved_concurrency for one in grid.everything(asked) if one.buffer == "sns"]
    assert all(number is None or number <= 50 for number in reserved)
    assert None in reserved


def test_visibility_is_six_timeouts_and_the_window(question):
    for candidate in grid.everything(question()):
        if candidate.buffer == "sqs":
            assert candidate.mapping.visibility_timeout_s == 180 + candidate.mapping.batching_window_s
