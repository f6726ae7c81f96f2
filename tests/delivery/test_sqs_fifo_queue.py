import math

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from delivery.protocol import End, Offer, Refusal
from delivery.quotas import Quotas
from delivery.sqs_fifo_queue import SqsFifoQueue


def queue(quotas=None, **settings):
    return SqsFifoQueue(quotas=Quotas.with_overrides(quotas or {}), **settings)


def messages(groups, first=0, size=100):
    """One message for each letter, in the group of that letter."""
    return Offer(range(first, first + len(groups)), size, groups=[ord(letter) for letter in groups])


def received(lease):
    return [] if lease is None else list(lease.ids)


# Groups


def test_a_receive_takes_as_many_of_a_group_as_it_may_and_then_of_the_next():
    q = queue()
    q.offer(0.0, messages("abacab"))
    assert received(q.receive(0.0, 4)) == [0, 2, 4, 1]


def test_while_a_message_of_a_group_is_in_flight_the_group_gives_out_no_other():
    q = queue()
    q.offer(0.0, messages("aab"))
    assert received(q.receive(0.0, 1)) == [0]
    assert received(q.receive(0.0, 10)) == [2], "the other group goes on"
    assert q.receive(0.0, 10) is None
    assert not q.has_visible(0.0)
    assert (q.visible(0.0), q.in_flight(0.0)) == (1, 2)


def test_a_group_goes_on_when_all_it_had_in_flight_is_deleted():
    q = queue()
    q.offer(0.0, messages("aaa"))
    lease = q.receive(0.0, 2)
    q.delete(1.0, lease.number, [0])
    assert q.receive(1.0, 1) is None
    q.delete(2.0, lease.number, [1])
    assert received(q.receive(2.0, 1)) == [2]


def test_messages_that_come_back_stand_where_they_stood():
    q = queue(visibility_timeout_s=30)
    q.offer(0.0, messages("aaab"))
    q.receive(0.0, 2)
    q.offer(1.0, messages("ab", first=4))
    assert received(q.receive(30.0, 10)) == [0, 1, 2, 4, 3, 5]


def test_what_was_not_deleted_of_a_receive_comes_back_alone():
    q = queue(visibility_timeout_s=30)
    q.offer(0.0, messages("aaa"))
    lease = q.receive(0.0, 3)
    q.delete(1.0, lease.number, [0, 2])
    again = q.receive(30.0, 3)
    assert received(again) == [1]
    assert again.receive_count(1) == 2


def test_the_group_of_the_first_message_comes_first():
    q = queue()
    q.offer(0.0, messages("ab"))
    q.offer(1.0, messages("ba", first=2))
    assert [received(q.receive(1.0, 1)) for _ in range(3)] == [[0], [1], []]


# Limits


def test_behind_a_backlog_of_one_group_the_others_wait():
    """The first 120,000 messages are looked at; nothing further back is found."""
    q = queue(quotas={"sqs_fifo_window_messages": 3}, visibility_timeout_s=30)
    q.offer(0.0, messages("aaaab"))
    lease = q.receive(0.0, 1)
    assert q.receive(0.0, 1) is None
    q.delete(1.0, lease.number, [0])
    lease = q.receive(1.0, 2)
    assert received(lease) == [1, 2]
    assert q.receive(1.0, 1) is None, "3 is looked at, 4 is not yet"
    q.delete(2.0, lease.number, [1])
    assert received(q.receive(2.0, 1)) == [4]


def test_no_more_than_120000_are_in_flight_and_that_is_no_error():
    count = Quotas().sqs_fifo_window_messages + 10
    q = queue(high_throughput=True, quotas={"sqs_fifo_high_throughput_calls_per_s": 1_000_000})
    assert q.offer(0.0, Offer(range(count), 100, groups=range(count))) == {}
    leases = []
    while (lease := q.receive(0.0, 10)) is not None:
        leases.append(lease)
    assert q.in_flight(0.0) == sum(len(lease.ids) for lease in leases) == 120_000
    q.delete(1.0, leases[0].number, leases[0].ids)
    assert received(q.receive(1.0, 10)) == list(range(120_000, 120_010))


@pytest.mark.parametrize(
    ("settings", "accepted", "why"),
    [
        ({}, 300, "300 SendMessage calls a second"),
        ({"sent_per_call": 10}, 3_000, "300 SendMessageBatch calls of 10"),
        ({"high_throughput": True}, 70_000, "high throughput for FIFO queues, in a large Region"),
    ],
)
def test_more_calls_than_the_quota_has_are_refused(settings, accepted, why):
    q = queue(**settings)
    refused = q.offer(0.0, Offer(range(80_000), 100, groups=[1] * 80_000))
    assert 80_000 - len(refused) == accepted, why
    assert set(refused.values()) == {Refusal.THROTTLED}


def test_the_calls_come_back_with_time():
    q = queue()
    q.offer(0.0, Offer(range(300), 100, groups=[1] * 300))
    later = Offer(range(300, 902), 100, groups=[1] * 602, times=[0.5] * 151 + [1.5] * 451)
    assert sorted(q.offer(0.0, later)) == [450, *range(751, 902)]


def test_a_receive_beyond_the_quota_brings_nothing_until_there_is_a_call():
    q = queue(quotas={"sqs_fifo_calls_per_s": 4})
    q.offer(0.0, messages("abcd"))
    q.offer(1.0, messages("efgh", first=4))
    assert [received(q.receive(1.0, 1)) for _ in range(5)] == [[0], [1], [2], [3], []]
    assert q.has_visible(1.0)
    assert q.calls_at() == 1.25
    assert received(q.receive(1.25, 1)) == [4]


def test_a_receive_that_brings_nothing_costs_no_call():
    q = queue(quotas={"sqs_fifo_calls_per_s": 1})
    for _ in range(5):
        assert q.receive(0.0, 1) is None
    q.offer(0.0, messages("a"))
    assert received(q.receive(0.0, 1)) == [0]


def test_a_receive_brings_ten_at_most():
    q = queue()
    q.offer(0.0, messages("a" * 15))
    assert len(q.receive(0.0, 100).ids) == 10


def test_a_receive_takes_no_more_than_fits_into_an_event():
    q = queue(quotas={"sqs_event_overhead_bytes": 100})
    q.offer(0.0, messages("aaab", size=900))
    assert q.receive(0.0, 10, most_bytes=999) is None
    lease = q.receive(0.0, 10, most_bytes=2_500)
    assert received(lease) == [0, 1]
    assert lease.bytes == 2_000
    assert received(q.receive(0.0, 10, most_bytes=1_000)) == [3]


def test_a_message_too_large_is_refused():
    limit = Quotas().sqs_message_bytes
    q = queue()
    assert q.offer(0.0, Offer([1, 2], [limit, limit + 1], groups=[1, 1])) == {2: Refusal.TOO_LARGE}
    assert received(q.receive(0.0, 10)) == [1]


# Deduplication


def test_a_message_sent_again_within_five_minutes_is_not_taken_in_again():
    q = queue()
    assert q.offer(0.0, messages("ab"), deduplication=[7, 8]) == {}
    assert q.offer(299.0, messages("ab", first=2), deduplication=[7, 9]) == {2: Refusal.DUPLICATE}
    assert q.offer(300.0, messages("a", first=4), deduplication=[7]) == {}
    assert q.pending() == 4


def test_it_is_a_duplicate_also_when_the_first_one_is_done():
    q = queue()
    q.offer(0.0, messages("a"), deduplication=[7])
    q.delete(0.0, q.receive(0.0, 1).number, [0])
    assert q.offer(1.0, messages("a", first=1), deduplication=[7]) == {1: Refusal.DUPLICATE}


def test_a_message_that_was_refused_can_be_sent_again():
    q = queue(quotas={"sqs_fifo_calls_per_s": 1})
    assert q.offer(0.0, messages("aa"), deduplication=[7, 8]) == {1: Refusal.THROTTLED}
    assert q.offer(1.0, messages("a", first=2), deduplication=[8]) == {}


def test_with_high_throughput_a_duplicate_is_one_of_its_group():
    q = queue(high_throughput=True)
    assert q.offer(0.0, messages("aba"), deduplication=[7, 7, 7]) == {2: Refusal.DUPLICATE}


# Ends


def test_a_receipt_that_ran_out_deletes_nothing():
    """Unlike a standard queue's."""
    q = queue(visibility_timeout_s=30)
    q.offer(0.0, messages("a"))
    lease = q.receive(0.0, 1)
    assert q.delete(30.0, lease.number, [0]) == 0
    assert q.pending() == 1


def test_a_message_received_too_often_goes_to_the_dead_letter_queue_and_its_group_goes_on():
    q = queue(visibility_timeout_s=30, max_receive_count=2)
    q.offer(0.0, messages("aab"))
    for receive in range(2):
        assert received(q.receive(30.0 * receive, 1)) == [0]
    assert received(q.receive(60.0, 1)) == [1]
    assert q.drain().dead == [(0, End.RECEIVE_COUNT)]


def test_messages_kept_long_enough_are_gone():
    q = queue(retention_s=100, visibility_timeout_s=300)
    q.offer(0.0, messages("aab"))
    q.offer(50.0, messages("a", first=3))
    lease = q.receive(0.0, 1)
    assert q.expires_at() == 100.0
    assert q.visible(100.0) == 1
    assert q.drain().expired == [(1, End.RETENTION), (2, End.RETENTION)]
    assert q.expires_at() == 150.0
    q.delete(120.0, lease.number, [0])
    assert received(q.receive(120.0, 10)) == [3]


def test_a_message_that_comes_back_too_old_is_not_received_again():
    q = queue(retention_s=100, visibility_timeout_s=120)
    q.offer(0.0, messages("a"))
    q.receive(0.0, 1)
    assert q.receive(120.0, 1) is None
    assert q.drain().expired == [(0, End.RETENTION)]
    assert q.visible_at() == math.inf


def test_what_lies_behind_a_window_of_messages_in_flight_expires_too():
    q = queue(quotas={"sqs_fifo_window_messages": 2}, retention_s=100, visibility_timeout_s=300)
    q.offer(0.0, messages("abc"))
    q.receive(0.0, 2)
    assert q.visible(100.0) == 0
    assert q.drain().expired == [(2, End.RETENTION)]


def test_the_visibility_of_a_lease_is_changed():
    q = queue(visibility_timeout_s=30)
    q.offer(0.0, messages("ab"))
    lease = q.receive(0.0, 1)
    assert q.change_visibility(1.0, lease.number, 0)
    assert received(q.receive(1.0, 1)) == [0]
    assert not q.change_visibility(2.0, lease.number, 30), "it has run out"


def test_a_purged_queue_is_empty():
    q = queue(quotas={"sqs_fifo_window_messages": 4})
    q.offer(0.0, messages("aabbcc"))
    q.receive(0.0, 1)
    q.purge(1.0)
    assert sorted(q.drain().done) == list(range(6))
    assert (q.pending(), q.visible(1.0), q.in_flight(1.0), q.active_groups()) == (0, 0, 0, 0)
    assert q.visible_at() == q.expires_at() == math.inf
    q.offer(2.0, messages("a", first=6))
    assert received(q.receive(2.0, 1)) == [6]


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"visibility_timeout_s": -1}, "visibility timeout"),
        ({"visibility_timeout_s": 43_201}, "visibility timeout"),
        ({"max_receive_count": 0}, "maxReceiveCount"),
        ({"sent_per_call": 0}, "sent in a call"),
        ({"sent_per_call": 11}, "sent in a call"),
    ],
)
def test_settings_that_aws_refuses_are_refused(settings, complaint):
    with pytest.raises(ValueError, match=complaint):
        queue(**settings)


@pytest.mark.parametrize(
    ("offer", "deduplication", "complaint"),
    [
        (Offer([1], 100), None, "needs groups"),
        (Offer([1], 100, groups=[1]), [1, 2], "2 deduplication ids"),
    ],
)
def test_an_offer_that_lacks_something_says_what(offer, deduplication, complaint):
    with pytest.raises(ValueError, match=complaint):
        queue().offer(0.0, offer, deduplication=deduplication)


class AnyUse(RuleBasedStateMachine):
    """A queue used in any way, beside the plainest possible model of one: a list of messages."""

    leases = Bundle("leases")

    def __init__(self):
        super().__init__()
        self.queue = queue(
            quotas={"sqs_fifo_window_messages": 8, "sqs_fifo_calls_per_s": 1_000},
            visibility_timeout_s=10,
            max_receive_count=3,
            retention_s=60,
        )
        self.now = 0.0
        self.next_id = 0
        self.there = {}
        self.ended = 0

    @rule(seconds=st.sampled_from([0.0, 0.5, 3.0, 10.0, 25.0]))
    def wait(self, seconds):
        self.now += seconds

    @rule(groups=st.text("abc", min_size=1, max_size=6))
    def send(self, groups):
        assert self.queue.offer(self.now, messages(groups, self.next_id)) == {}
        for number, group in enumerate(groups, self.next_id):
            self.there[number] = {"group": group, "sent": self.now, "receives": 0, "lease": None, "until": self.now}
        self.next_id += len(groups)

    @rule(target=leases, most=st.integers(1, 10), timeout_s=st.sampled_from([None, 0, 2, 20]))
    def receive(self, most, timeout_s):
        self.queue.visible(self.now)
        self.strike_out()
        busy = {message["group"] for message in self.there.values() if message["until"] > self.now}
        lease = self.queue.receive(self.now, most, timeout_s)
        self.strike_out()
        looked_at = list(self.there)[:8]
        could = [number for number in looked_at if self.there[number]["group"] not in busy]
        if lease is None:
            assert not could
            return multiple()
        taken = list(lease.ids)
        assert taken[0] == could[0]
        assert len(taken) <= most
        for group in {self.there[number]["group"] for number in taken}:
            assert group not in busy
            of_group = [number for number in self.there if self.there[number]["group"] == group]
            mine = [number for number in taken if self.there[number]["group"] == group]
            assert mine == of_group[: len(mine)]
        for number in taken:
            message = self.there[number]
            assert message["sent"] > self.now - 60
            message["receives"] += 1
            assert lease.receive_count(number) == message["receives"] <= 3
            message["lease"], message["until"] = lease.number, lease.until
        return lease

    @rule(lease=leases, data=st.data())
    def delete(self, lease, data):
        ids = data.draw(st.lists(st.sampled_from(list(lease.ids)), unique=True))
        held = [number for number in ids if self.holds(lease, number)]
        assert self.queue.delete(self.now, lease.number, ids) == len(held)
        self.strike_out()
        assert not set(held) & set(self.there)

    @rule(lease=leases, timeout_s=st.sampled_from([0, 1, 30]))
    def change_visibility(self, lease, timeout_s):
        held = [number for number in lease.ids if self.holds(lease, number)]
        assert self.queue.change_visibility(self.now, lease.number, timeout_s) == bool(held)
        for number in held:
            self.there[number]["until"] = self.now + timeout_s

    def holds(self, lease, number):
        message = self.there.get(number)
        return message is not None and message["lease"] == lease.number and message["until"] > self.now

    def strike_out(self):
        facts = self.queue.drain()
        for number in facts.done:
            del self.there[number]
        for number, end in facts.dead:
            assert end is End.RECEIVE_COUNT
            assert self.there.pop(number)["receives"] == 3
        for number, end in facts.expired:
            assert end is End.RETENTION
            assert self.there.pop(number)["sent"] <= self.now - 60
        self.ended += len(facts.done) + len(facts.dead) + len(facts.expired)

    @invariant()
    def the_sums_hold(self):
        visible = self.queue.visible(self.now)
        in_flight = self.queue.in_flight(self.now)
        self.strike_out()
        assert self.queue.pending() == len(self.there) == self.next_id - self.ended
        assert in_flight == sum(message["until"] > self.now for message in self.there.values()) <= 8
        assert visible + in_flight == len(self.there)

    @invariant()
    def it_knows_when_there_is_something_to_receive(self):
        assert self.queue.has_visible(self.now) == (self.queue.visible_at() <= self.now)


TestAnyUse = AnyUse.TestCase
