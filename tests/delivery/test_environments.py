import math

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from delivery.environments import Account, ConcurrencyError, Environments
from delivery.protocol import Refusal
from delivery.quotas import Quotas


def quotas(**overrides):
    return Quotas.with_overrides({"account_unreserved_min": 0, **overrides})


def environments(reserved=None, **overrides):
    numbers = quotas(**overrides)
    return Environments(Account(numbers), numbers, reserved)


def test_the_first_invocation_is_a_cold_start_and_the_next_is_warm():
    pool = environments()
    [first] = pool.acquire_upto(0.0, 1)
    pool.release(1.0, first)
    [second] = pool.acquire_upto(1.0, 1)
    assert (first.cold, second.cold) == (True, False)
    assert first.environment == second.environment


def test_the_environment_used_last_is_reused_first():
    """So the others grow old and are stopped."""
    pool = environments()
    slots = pool.acquire_upto(0.0, 3)
    for number, slot in enumerate(slots):
        pool.release(float(number), slot)
    assert [slot.environment for slot in pool.acquire_upto(5.0, 2)] == [slots[2].environment, slots[1].environment]


def test_an_account_gives_no_more_than_its_concurrency():
    numbers = quotas(account_concurrency=10)
    account = Account(numbers)
    one, other = Environments(account, numbers), Environments(account, numbers)
    assert len(one.acquire_upto(0.0, 7)) == 7
    held = other.acquire_upto(0.0, 7)
    assert len(held) == 3
    other.release(1.0, held[0])
    assert len(one.acquire_upto(1.0, 7)) == 1


def test_idle_environments_take_no_concurrency():
    numbers = quotas(account_concurrency=2)
    account = Account(numbers)
    one, other = Environments(account, numbers), Environments(account, numbers)
    for slot in one.acquire_upto(0.0, 2):
        one.release(1.0, slot)
    assert len(other.acquire_upto(1.0, 2)) == 2


def test_reserved_concurrency_is_a_ceiling():
    pool = environments(reserved=2)
    assert len(pool.acquire_upto(0.0, 5)) == 2


def test_reserved_concurrency_is_a_floor_that_others_cannot_use():
    numbers = quotas(account_concurrency=10)
    account = Account(numbers)
    reserved, other = Environments(account, numbers, reserved=4), Environments(account, numbers)
    assert len(other.acquire_upto(0.0, 100)) == 6
    assert len(reserved.acquire_upto(0.0, 100)) == 4


def test_a_reserved_concurrency_of_0_stops_the_function():
    assert environments(reserved=0).acquire_upto(0.0, 1) == []


@pytest.mark.parametrize(
    ("account", "reserved", "why"),
    [
        (1_000, 901, "100 must stay unreserved"),
        (10, 1, "a new account has nothing to reserve"),
        (1_000, -1, "less than nothing"),
    ],
)
def test_a_reservation_that_aws_refuses_is_refused(account, reserved, why):
    numbers = Quotas.with_overrides({"account_concurrency": account})
    with pytest.raises(ConcurrencyError, match="reserve"):
        Environments(Account(numbers), numbers, reserved)


def test_900_of_1000_can_be_reserved():
    numbers = Quotas()
    Environments(Account(numbers), numbers, 900)


def test_new_environments_come_1000_at_once_and_then_100_a_second():
    pool = environments(account_concurrency=10_000)
    assert len(pool.acquire_upto(0.0, 5_000)) == 1_000
    assert len(pool.acquire_upto(1.0, 5_000)) == 100
    assert len(pool.acquire_upto(1.25, 5_000)) == 25


def test_growth_that_was_not_used_is_not_saved_up():
    pool = environments(account_concurrency=10_000)
    assert len(pool.acquire_upto(3_600.0, 5_000)) == 1_000


def test_growth_is_each_functions_own():
    numbers = quotas(account_concurrency=10_000)
    account = Account(numbers)
    one, other = Environments(account, numbers), Environments(account, numbers)
    assert len(one.acquire_upto(0.0, 2_000)) == 1_000
    assert len(other.acquire_upto(0.0, 2_000)) == 1_000


def test_warm_environments_do_not_count_as_growth():
    pool = environments(account_concurrency=10_000, environments_per_10_s=10)
    for slot in pool.acquire_upto(0.0, 10):
        pool.release(0.0, slot)
    assert len(pool.acquire_upto(0.0, 20)) == 10


def test_what_growth_refuses_does_not_hold_the_accounts_concurrency():
    numbers = quotas(account_concurrency=30, environments_per_10_s=10)
    account = Account(numbers)
    one, other = Environments(account, numbers), Environments(account, numbers)
    assert len(one.acquire_upto(0.0, 30)) == 10
    assert len(other.acquire_upto(0.0, 30)) == 10


def test_a_lost_environment_is_not_reused():
    pool = environments()
    [slot] = pool.acquire_upto(0.0, 1)
    pool.release(1.0, slot, lost=True)
    [after] = pool.acquire_upto(1.0, 1)
    assert after.cold
    assert after.environment != slot.environment


def test_one_that_sat_idle_too_long_is_named_to_be_stopped_and_not_reused():
    pool = environments(environment_idle_s=300)
    old, young = pool.acquire_upto(0.0, 2)
    pool.release(10.0, old)
    pool.release(20.0, young)
    assert pool.expire_at() == 310.0
    assert pool.expire(309.9) == []
    assert pool.expire(310.0) == [old.environment]
    assert [slot.environment for slot in pool.acquire_upto(311.0, 1)] == [young.environment]
    assert pool.expire_at() == math.inf


def test_one_that_sat_idle_too_long_is_not_reused_even_if_nobody_stopped_it():
    """On a virtual clock nobody has processes to stop."""
    pool = environments(environment_idle_s=300)
    [old] = pool.acquire_upto(0.0, 1)
    pool.release(0.0, old)
    [new] = pool.acquire_upto(300.0, 1)
    assert new.cold
    assert pool.expire_at() < 300.0
    assert pool.expire(300.0) == [old.environment]


@pytest.mark.parametrize(
    ("reserved", "overrides", "refusal", "why"),
    [
        (None, {"account_concurrency": 5}, Refusal.CONCURRENCY, "the account has no more"),
        (5, {}, Refusal.RESERVED_CONCURRENCY, "its reservation has no more"),
        (None, {"environments_per_10_s": 5}, Refusal.INVOCATION_RATE, "it may not grow so fast"),
        (8, {"environments_per_10_s": 5}, Refusal.RESERVED_INVOCATION_RATE, "nor with a reservation"),
    ],
)
def test_a_refusal_says_which_limit_it_was(reserved, overrides, refusal, why):
    pool = environments(reserved, **overrides)
    assert len(pool.acquire_upto(0.0, 6)) == 5
    assert pool.refusal() == refusal, why


def test_a_function_may_reach_its_reservation_or_what_nobody_reserved():
    numbers = quotas(account_concurrency=20)
    account = Account(numbers)
    own, other = Environments(account, numbers, reserved=5), Environments(account, numbers)
    assert (own.most, other.most) == (5, 15)


def test_a_reused_environment_starts_to_age_anew():
    pool = environments(environment_idle_s=300)
    [slot] = pool.acquire_upto(0.0, 1)
    pool.release(0.0, slot)
    [slot] = pool.acquire_upto(299.0, 1)
    assert pool.expire(301.0) == []
    pool.release(301.0, slot)
    assert pool.expire_at() == 601.0


def test_an_idle_environment_whose_process_died_is_struck_out():
    pool = environments()
    [slot] = pool.acquire_upto(0.0, 1)
    pool.release(1.0, slot)
    pool.forget(slot.environment)
    assert pool.idle == 0
    assert pool.acquire_upto(1.0, 1)[0].cold


class TwoFunctions(RuleBasedStateMachine):
    """Two functions of one account, one with a reservation, doing whatever they like."""

    def __init__(self):
        super().__init__()
        self.numbers = quotas(account_concurrency=20, environments_per_10_s=30, environment_idle_s=10)
        account = Account(self.numbers)
        self.pools = [Environments(account, self.numbers, reserved=5), Environments(account, self.numbers)]
        self.held = [[], []]
        self.alive = [set(), set()]
        self.now = 0.0

    @rule(seconds=st.floats(0, 20))
    def wait(self, seconds):
        self.now += seconds

    @rule(which=st.integers(0, 1), wanted=st.integers(0, 40))
    def acquire(self, which, wanted):
        idle = self.pools[which].idle
        slots = self.pools[which].acquire_upto(self.now, wanted)
        assert len(slots) <= wanted
        too_old = self.pools[which].expire(self.now)
        self.alive[which] -= set(too_old)
        assert sum(not slot.cold for slot in slots) == min(idle - len(too_old), len(slots)), "warm ones go first"
        for slot in slots:
            assert slot.cold == (slot.environment not in self.alive[which])
            self.alive[which].add(slot.environment)
        self.held[which] += slots

    @precondition(lambda self: any(self.held))
    @rule(data=st.data(), lost=st.booleans())
    def release(self, data, lost):
        which = data.draw(st.sampled_from([which for which in (0, 1) if self.held[which]]))
        slot = self.held[which].pop(data.draw(st.integers(0, len(self.held[which]) - 1)))
        self.pools[which].release(self.now, slot, lost=lost)
        if lost:
            self.alive[which].remove(slot.environment)

    @rule(which=st.integers(0, 1))
    def expire(self, which):
        for environment in self.pools[which].expire(self.now):
            self.alive[which].remove(environment)
        assert self.pools[which].expire_at() > self.now

    @invariant()
    def no_limit_is_exceeded(self):
        assert len(self.held[0]) <= 5
        assert len(self.held[1]) <= 15

    @invariant()
    def an_environment_runs_one_invocation_at_a_time(self):
        for which in (0, 1):
            busy = [slot.environment for slot in self.held[which]]
            assert len(busy) == len(set(busy)) == self.pools[which].running
            assert len(self.alive[which]) == len(busy) + self.pools[which].idle


TestTwoFunctions = TwoFunctions.TestCase


@pytest.mark.parametrize(
    ("reserved", "overrides", "exhausted", "why"),
    [
        (None, {"account_concurrency": 5}, True, "only a release helps"),
        (5, {}, True, "only a release helps"),
        (None, {"environments_per_10_s": 5}, False, "in a while it may grow"),
        (9, {"environments_per_10_s": 5}, False, "in a while it may grow"),
    ],
)
def test_concurrency_is_exhausted_when_time_alone_brings_none(reserved, overrides, exhausted, why):
    pool = environments(reserved, **overrides)
    slots = pool.acquire_upto(0.0, 6)
    assert pool.exhausted() == exhausted, why
    pool.release(1.0, slots[0])
    assert not pool.exhausted()
