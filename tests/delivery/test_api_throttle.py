import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.api_throttle import ApiThrottle, ThrottleLimits, account_bucket
from delivery.protocol import Offer, Refusal
from delivery.quotas import Quotas
from delivery.regions import quotas_in


class Buffer:
    """Takes whatever it is offered, but for the ids it refuses."""

    def __init__(self, refuses=()):
        self.offers = []
        self.refuses = refuses

    def offer(self, now, offer):
        self.offers.append((now, offer))
        return {record: Refusal.TOO_LARGE for record in offer.ids if record in self.refuses}

    @property
    def taken(self):
        return [record for _, offer in self.offers for record in offer.ids]


def throttle(buffer, *, quotas=None, own=None):
    return ApiThrottle(buffer.offer, account_bucket(quotas or Quotas()), own and own.bucket())


def test_a_burst_passes_5000_and_the_rest_is_answered_429():
    buffer = Buffer()
    refused = throttle(buffer).offer(0.0, Offer(range(8_000), 100))
    assert buffer.taken == list(range(5_000))
    assert refused == dict.fromkeys(range(5_000, 8_000), Refusal.TOO_MANY_REQUESTS)


def test_10000_a_second_pass_forever():
    buffer = Buffer()
    front = throttle(buffer)
    for tick in range(100):
        assert front.offer(tick / 10, Offer(range(1_000 * tick, 1_000 * tick + 1_000), 100)) == {}


def test_small_regions_pass_a_quarter():
    buffer = Buffer()
    throttle(buffer, quotas=quotas_in("eu-south-1")).offer(0.0, Offer(range(8_000), 100))
    assert len(buffer.taken) == 1_250


def test_all_apis_of_an_account_share_one_bucket():
    account = account_bucket(Quotas())
    one, other = Buffer(), Buffer()
    ApiThrottle(one.offer, account).offer(0.0, Offer(range(4_000), 100))
    ApiThrottle(other.offer, account).offer(0.0, Offer(range(4_000), 100))
    assert (len(one.taken), len(other.taken)) == (4_000, 1_000)


def test_a_stages_limit_holds_before_the_accounts():
    buffer = Buffer()
    refused = throttle(buffer, own=ThrottleLimits(rate=100, burst=50)).offer(0.0, Offer(range(80), 100))
    assert len(buffer.taken) == 50
    assert set(refused.values()) == {Refusal.TOO_MANY_REQUESTS}


def test_methods_of_a_stage_share_its_bucket_unless_they_have_their_own():
    account, stage = account_bucket(Quotas()), ThrottleLimits(10, 10).bucket()
    one, other, own = Buffer(), Buffer(), Buffer()
    for buffer, bucket in ((one, stage), (other, stage), (own, ThrottleLimits(10, 10).bucket())):
        ApiThrottle(buffer.offer, account, bucket).offer(0.0, Offer(range(7), 100))
    assert [len(buffer.taken) for buffer in (one, other, own)] == [7, 3, 7]


def test_what_a_stage_refuses_takes_nothing_from_the_account():
    account = account_bucket(Quotas.with_overrides({"api_burst_requests": 10}))
    greedy, modest = Buffer(), Buffer()
    ApiThrottle(greedy.offer, account, ThrottleLimits(1, 4).bucket()).offer(0.0, Offer(range(1_000), 100))
    ApiThrottle(modest.offer, account).offer(0.0, Offer(range(10), 100))
    assert (len(greedy.taken), len(modest.taken)) == (4, 6)


def test_what_the_buffer_behind_refuses_is_told_too():
    refused = throttle(Buffer(refuses={1}), own=ThrottleLimits(1, 2)).offer(0.0, Offer(range(3), 100))
    assert refused == {1: Refusal.TOO_LARGE, 2: Refusal.TOO_MANY_REQUESTS}


def test_what_stands_beside_a_request_goes_with_it():
    buffer = Buffer()
    front = throttle(buffer, own=ThrottleLimits(rate=1, burst=1))
    front.offer(0.0, Offer([1, 2, 3], [10, 20, 30], hash_keys=[100, 200, 300], times=[5.0, 5.5, 6.0]))
    [(_, passed)] = buffer.offers
    assert passed == Offer([1, 3], [10, 30], hash_keys=[100, 300], times=[5.0, 6.0])


def test_a_buffer_never_hears_of_an_offer_refused_whole():
    buffer = Buffer()
    throttle(buffer, own=ThrottleLimits(0, 0)).offer(0.0, Offer(range(3), 100))
    assert buffer.offers == []


def test_limits_below_nothing_are_refused():
    with pytest.raises(ValueError, match="0 or more"):
        ThrottleLimits(-1, 5)


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.02, 0.3, 4.0]), st.integers(1, 30)), max_size=30))
def test_requests_told_in_advance_pass_as_they_would_one_by_one(arrivals):
    limits, quotas = ThrottleLimits(20, 10), Quotas.with_overrides({"api_requests_per_s": 15, "api_burst_requests": 12})
    one_by_one, at_once = Buffer(), Buffer()
    front = throttle(one_by_one, quotas=quotas, own=limits)
    now, times, refused = 0.0, [], {}
    for wait, count in arrivals:
        now += wait
        ids = range(len(times), len(times) + count)
        times += [now] * count
        for record in ids:
            refused.update(front.offer(now, Offer([record], 100)))
    in_advance = throttle(at_once, quotas=quotas, own=limits).offer(0.0, Offer(range(len(times)), 100, times=times))
    assert one_by_one.taken == at_once.taken
    assert set(in_advance) | set(at_once.taken) == set(range(len(times)))
