from random import Random

import pytest
from virtual_driver import always, drive

from delivery.async_invoke import AsyncInvoke
from delivery.environments import Account, Environments
from delivery.protocol import Offer, Refusal
from delivery.quotas import Quotas
from delivery.sns_topic import SnsTopic, publish_rate


def topic(subscribers=1, **quotas):
    numbers = Quotas.with_overrides({"account_concurrency": 1_000, **quotas})
    deliveries = [
        AsyncInvoke(capacity=Environments(Account(numbers), numbers), random=Random(1), quotas=numbers)
        for _ in range(subscribers)
    ]
    return SnsTopic(deliveries, numbers), deliveries


def test_every_message_is_handed_to_every_subscriber():
    front, deliveries = topic(subscribers=2)
    assert front.offer(0.0, Offer(range(10), 100)) == {}
    assert [delivery.pending() for delivery in deliveries] == [10, 10]


def test_messages_above_the_accounts_rate_are_throttled():
    front, [delivery] = topic(sns_messages_per_s=100)
    refused = {}
    for tick in range(100):
        refused.update(front.offer(tick / 10, Offer(range(50 * tick, 50 * tick + 50), 100)))
    assert set(refused.values()) == {Refusal.THROTTLED}
    assert delivery.pending() == pytest.approx(100 + 100 * 9.9, abs=2)
    assert delivery.pending() + len(refused) == 5_000


def test_a_message_above_the_size_limit_is_refused_for_that():
    front, [delivery] = topic()
    limit = Quotas().sns_message_bytes
    assert front.offer(0.0, Offer([1, 2], [limit, limit + 1])) == {2: Refusal.TOO_LARGE}
    assert delivery.pending() == 1


def test_a_consumer_without_concurrency_does_not_throttle_the_publisher():
    """Lambda accepts an asynchronous invocation whatever its concurrency; SNS has then delivered."""
    front, [delivery] = topic(account_concurrency=0)
    assert front.offer(0.0, Offer(range(1_000), 100)) == {}
    run = drive(delivery, [], always(0.1), until=1.0)
    assert run.facts.throttled >= 1_000


def test_arrivals_to_come_are_admitted_and_delivered_at_their_times():
    front, [delivery] = topic(sns_messages_per_s=1)
    assert set(front.offer(0.0, Offer([1, 2, 3], 100, times=[1.0, 1.5, 2.0]))) == {2}
    run = drive(delivery, [], always(0.1))
    assert [invocation.start for invocation in run.started] == [1.0, 2.0]


def test_a_batch_of_ten_counts_ten():
    front, [delivery] = topic(sns_messages_per_s=25)
    refused = [len(front.offer(0.0, Offer(range(10 * batch, 10 * batch + 10), 100))) for batch in range(4)]
    assert refused == [0, 0, 5, 10]
    assert delivery.pending() == 25


def test_all_topics_of_an_account_share_its_rate():
    numbers = Quotas.with_overrides({"sns_messages_per_s": 10})
    account = publish_rate(numbers)
    one, other = SnsTopic([], numbers, account=account), SnsTopic([], numbers, account=account)
    assert len(one.offer(0.0, Offer(range(8), 100))) == 0
    assert len(other.offer(0.0, Offer(range(8), 100))) == 6


def test_a_message_too_large_takes_nothing_from_the_rate():
    front, [delivery] = topic(sns_messages_per_s=2, sns_message_bytes=100)
    assert front.offer(0.0, Offer([1, 2, 3], [101, 100, 100])) == {1: Refusal.TOO_LARGE}
    assert delivery.pending() == 2


def test_a_topics_size_limit_may_be_raised_to_a_mebibyte():
    front, [delivery] = topic(sns_message_bytes=1 << 20)
    assert front.offer(0.0, Offer([1, 2], [1 << 20, (1 << 20) + 1])) == {2: Refusal.TOO_LARGE}
    assert delivery.pending() == 1
