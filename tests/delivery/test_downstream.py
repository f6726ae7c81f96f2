import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delivery.downstream import Downstream, Service


def downstream(strands=1, seed=1, **service):
    return Downstream(Service(**service), strands=strands, dice=np.random.default_rng(seed))


def ended(machine, until=math.inf):
    """Every batch that ends: (when, slot, stopped)."""
    found = []
    while True:
        _, batches = machine.advance(until)
        if not batches:
            return found
        found.extend((at, slot, bool(stopped)) for at, slot, stopped, _ in batches)


@pytest.mark.parametrize(
    ("records", "strands", "takes_s"),
    [
        pytest.param(1, 1, 0.1, id="one record, one call"),
        pytest.param(10, 1, 1.0, id="one strand: one after the other"),
        pytest.param(10, 4, 0.3, id="four strands: three rounds"),
        pytest.param(10, 20, 0.1, id="more strands than records: all at once"),
    ],
)
def test_without_a_quota_a_batch_takes_as_many_rounds_as_its_strands_need(records, strands, takes_s):
    machine = downstream(strands, median_s=0.1)
    slot = machine.begin(5.0, records=records, deadline=100.0)
    assert ended(machine) == [(pytest.approx(5 + takes_s), slot, False)]
    assert machine.answered_at(slot, records)[-1] == pytest.approx(5 + takes_s)
    assert (machine.calls, machine.throttles) == (records, 0)


def test_the_strand_that_is_free_first_takes_the_next_record():
    overtaken = 0
    for seed in range(50):
        machine = downstream(2, seed, median_s=0.1, sigma=1.0)
        slot = machine.begin(0.0, records=3, deadline=100.0)
        ended(machine)
        first, second, third = machine.answered_at(slot, 3)
        assert third > min(first, second)
        overtaken += third < first
    # Had the third been the first strand's from the start, it could never end before that strand's own record.
    assert overtaken > 0


def test_a_throttled_call_is_tried_again_until_its_attempts_are_used_up():
    machine = downstream(rate_per_s=1e-9, burst=1, attempts=5, backoff_first_s=1, backoff_max_s=4, median_s=0.1)
    slot = machine.begin(0.0, records=2, deadline=1_000.0)
    [(at, _, stopped)] = ended(machine)
    first, second = machine.answered_at(slot, 2)
    assert first == pytest.approx(0.1)
    assert math.isnan(second)
    assert not stopped
    assert (machine.calls, machine.throttles) == (1 + 5, 5)
    # Four waits, of at most 1, 2, 4 and 4 seconds: the longest wait is capped.
    assert 0.1 < at <= 0.1 + 1 + 2 + 4 + 4


def test_a_batch_that_is_not_done_at_its_deadline_is_stopped_there():
    machine = downstream(median_s=0.4)
    slot = machine.begin(0.0, records=5, deadline=1.0)
    assert ended(machine) == [(1.0, slot, True)]
    answered = machine.answered_at(slot, 5)
    assert answered[:2].tolist() == pytest.approx([0.4, 0.8])
    assert np.isnan(answered[2:]).all()


def test_a_patient_handler_hands_back_what_it_has_no_time_for():
    machine = downstream(
        rate_per_s=1e-9, burst=2, attempts=None, backoff_first_s=0.2, backoff_max_s=5, median_s=0.1, spare_s=1.0
    )
    slot = machine.begin(0.0, records=4, deadline=30.0)
    [(at, _, stopped)] = ended(machine)
    assert not stopped
    assert at <= 29.0
    assert np.isnan(machine.answered_at(slot, 4)).tolist() == [False, False, True, True]
    assert machine.throttles > 5, "the second record was asked for as long as there was time, the third never"


def test_a_poisoned_record_fails_each_time_and_takes_its_time_all_the_same():
    machine = downstream(median_s=0.1)
    slot = machine.begin(0.0, records=3, deadline=9.0, poisoned=np.array([False, True, False]))
    assert ended(machine) == [(pytest.approx(0.3), slot, False)]
    assert np.isnan(machine.answered_at(slot, 3)).tolist() == [False, True, False]
    machine.free(slot)
    again = machine.begin(1.0, records=3, deadline=9.0)
    ended(machine)
    assert not np.isnan(machine.answered_at(again, 3)).any(), "the poison does not stay in the slot"


def test_errors_come_as_often_as_they_are_said_to():
    machine = downstream(strands=10, median_s=0.001, error_rate=0.2)
    slot = machine.begin(0.0, records=20_000, deadline=1e9)
    ended(machine)
    failed = np.isnan(machine.answered_at(slot, 20_000)).mean()
    # Six standard deviations of a binomial.
    assert abs(failed - 0.2) < 6 * math.sqrt(0.2 * 0.8 / 20_000)


def test_known_times_are_those_of_the_first_calls_in_their_order_and_drawn_beyond():
    service = Service(median_s=0.1, sigma=0.5)
    machine = Downstream(service, strands=1, dice=np.random.default_rng(1), normals=(2.0, -1.0))
    slot = machine.begin(0.0, records=3, deadline=100.0)
    ended(machine)
    took = np.diff(machine.answered_at(slot, 3), prepend=0.0)
    assert took[:2] == pytest.approx([0.1 * math.e, 0.1 / math.sqrt(math.e)])
    assert took[2] not in took[:2]


def test_more_known_times_than_are_drawn_at_once_are_refused():
    with pytest.raises(ValueError, match="at the most"):
        Downstream(Service(sigma=0.5), strands=1, dice=np.random.default_rng(1), normals=[0.0] * 20_000)


def test_times_are_lognormal_with_the_median_and_spread_asked_for():
    machine = downstream(median_s=0.3, sigma=0.5)
    slot = machine.begin(0.0, records=20_000, deadline=1e9)
    ended(machine)
    took = np.log(np.diff(machine.answered_at(slot, 20_000), prepend=0.0))
    assert np.mean(took) == pytest.approx(math.log(0.3), abs=6 * 0.5 / math.sqrt(20_000))
    assert np.std(took) == pytest.approx(0.5, rel=0.03)


@pytest.mark.parametrize(
    ("service", "names"),
    [
        pytest.param({"rate_per_s": 0}, "rate", id="a quota of nothing would never end"),
        pytest.param({"burst": 0.5}, "burst", id="no call would ever find a whole token"),
        pytest.param({"attempts": 0}, "attempts", id="a record is called for at least once"),
    ],
)
def test_what_makes_no_sense_is_refused(service, names):
    with pytest.raises(ValueError, match=names):
        Service(**service)


batches = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 1.0, 5.0]), st.integers(1, 12), st.sampled_from([2.0, 20.0])),
    min_size=1,
    max_size=90,
)
services = st.fixed_dictionaries(
    {
        "rate_per_s": st.sampled_from([0.5, 7.0, 50.0]),
        "burst": st.sampled_from([1.0, 3.0, 50.0]),
        "attempts": st.sampled_from([1, 3, 5, None]),
        "median_s": st.sampled_from([0.01, 0.3]),
    }
)


def run(service, strands, given_batches, seed=1, step=None):
    """Begin each batch when its time has come; `step` stops to look in between."""
    machine = downstream(strands, seed, **service)
    story, answers, at, looks = [], [], 0.0, 0
    for after, records, lasts in given_batches:
        at += after
        slots = {}
        while True:
            until = at if step is None else min(at, looks * step)
            looks += step is not None and until < at
            reached, over = machine.advance(until)
            story.extend((ended_at, bool(stopped)) for ended_at, _, stopped, _ in over)
            assert all(ended_at == reached for ended_at, _, _, _ in over)
            if not over and until == at:
                break
        slots[machine.begin(at, records=records, deadline=at + lasts)] = records
    story.extend((reached, stopped) for reached, _, stopped in ended(machine))
    for slot, (_, records, _) in enumerate(given_batches):
        answers.extend(machine.answered_at(slot, records).tolist())
    return machine, story, [answer for answer in answers if not math.isnan(answer)]


@given(services, st.sampled_from([1, 3]), batches)
@settings(max_examples=60, deadline=None)
def test_no_more_calls_are_let_in_than_the_quota_allows_in_any_stretch_of_time(service, strands, given_batches):
    _, story, answers = run(service, strands, given_batches)
    assert len(story) == len(given_batches), "every batch ends once"
    let_in = sorted(answer - service["median_s"] for answer in answers)
    for count, start in enumerate(let_in):
        for later in range(count, len(let_in)):
            stretch = let_in[later] - start
            assert later - count + 1 <= service["burst"] + service["rate_per_s"] * stretch + 1e-6


@given(services, st.sampled_from([1, 3]), batches, st.sampled_from([0.013, 0.7]))
@settings(max_examples=40, deadline=None)
def test_looking_in_between_changes_nothing(service, strands, given_batches, step):
    plain, story, answers = run(service, strands, given_batches)
    looked, same_story, same_answers = run(service, strands, given_batches, step=step)
    assert story == same_story
    assert answers == same_answers
    assert (plain.calls, plain.throttles) == (looked.calls, looked.throttles)


@given(services, batches)
@settings(max_examples=20, deadline=None)
def test_the_same_seed_gives_the_same_run(service, given_batches):
    assert run(service, 2, given_batches)[1:] == run(service, 2, given_batches)[1:]


@given(services, batches)
@settings(max_examples=40, deadline=None)
def test_no_batch_outlives_its_deadline(service, given_batches):
    machine, _, _ = run(service, 2, given_batches)
    begun = 0.0
    for slot, (after, records, lasts) in enumerate(given_batches):
        begun += after
        answers = machine.answered_at(slot, records)
        assert np.nanmax(np.append(answers, begun)) <= begun + lasts + 1e-9


@given(services, st.sampled_from([1, 3]), batches, st.sampled_from([0.5, 4.0]))
@settings(max_examples=60, deadline=None)
def test_batches_that_end_while_nothing_begins_may_be_asked_for_together(service, strands, given_batches, quiet_s):
    apart, together = (downstream(strands, 1, **service) for _ in range(2))
    for machine in (apart, together):
        for _, records, lasts in given_batches:
            machine.begin(0.0, records=records, deadline=lasts)
    one_by_one = []
    while batches_ended := apart.advance(math.inf)[1]:
        one_by_one.extend(batches_ended)
    story, reached = [], 0.0
    while True:
        further = reached + quiet_s
        at, over = together.advance(math.inf, further)
        if not over:
            break
        assert at == over[-1][0]
        assert all(ended_at < further or ended_at == over[0][0] for ended_at, _, _, _ in over)
        story.extend(over)
        reached = at
    assert story == one_by_one
    for slot, (_, records, _) in enumerate(given_batches):
        answers = together.answered_at(slot, records)
        assert answers.tolist() == pytest.approx(apart.answered_at(slot, records).tolist(), abs=0, nan_ok=True)
    for (_, slot, _, unanswered), records in ((over, given_batches[over[1]][1]) for over in story):
        assert unanswered == np.isnan(together.answered_at(slot, records)).sum()
