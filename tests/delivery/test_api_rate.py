from delivery.api_throttle import ApiThrottle, account_bucket
from delivery.protocol import Offer, Refusal
from delivery.quotas import Quotas


def test_of_20000_a_second_the_bucket_and_10000_a_second_pass_and_none_is_kept_for_later():
    passed = []

    def buffer(_, offer):
        passed.extend(offer.ids)
        return {}

    front = ApiThrottle(buffer, account_bucket(Quotas()))
    refused = {}
    for tick in range(100):
        refused.update(front.offer(tick / 10, Offer(range(2_000 * tick, 2_000 * tick + 2_000), 100)))
    assert len(passed) == 5_000 + 99 * 1_000
    assert set(refused.values()) == {Refusal.TOO_MANY_REQUESTS}
    assert set(passed) | set(refused) == set(range(200_000))
