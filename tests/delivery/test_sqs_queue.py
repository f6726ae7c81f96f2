import math

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from delivery.protocol import End, Offer, Refusal
from delivery.quotas import Quotas
from delivery.sqs_queue import SqsQueue


def queue(quotas=None, **settings):
    return SqsQueue(quotas=Quotas.with_overrides(quotas or {}), **settings)


def messages(ids, size=100):
    return Offer(ids, size)


def received(lease):
    return [] if lease is None else list(lease.ids)


def test_a_received_message_is_hidden_until_its_visibility_timeout_is_over():
    q = queue(visibility_timeout_s=30)
    q.offer(0.0, messages([1]))
    assert received(q.receive(1.0, 10)) == [1]
    assert q.receive(30.9, 10) is None
    assert q.visible_at() == 31.0
    again = q.receive(31.0, 10)
    assert received(again) == [1]
    assert again.receive_count(1) == 2


def test_a_visibility_timeout_of_its_own_counts_for_one_receive():
    q = queue(visibility_timeout_s=30)
    q.offer(0.0, messages([1]))
    q.receive(0.0, 1, visibility_timeout_s=5)
    assert received(q.receive(5.0, 1)) == [1]


def test_a_deleted_message_is_done():
    q = queue()
    q.offer(0.0, messages(range(3)))
    lease = q.receive(0.0, 3)
    assert q.delete(1.0, lease.number, [0, 2]) == 2
    assert (q.pending(), q.in_flight(1.0), q.visible(1.0)) == (1, 1, 0)
    assert received(q.receive(40.0, 3)) == [1]
    assert q.drain().done == [0, 2]


def test_deleting_twice_deletes_once():
    q = queue()
    q.offer(0.0, messages(range(3)))
    lease = q.receive(0.0, 3)
    assert [q.delete(1.0, lease.number, [1]) for _ in range(2)] == [1, 0]
    assert q.delete(1.0, lease.number, [0, 1, 2]) == 2
    assert q.delete(1.0, lease.number, [0, 1, 2]) == 0
    assert q.pending() == q.in_flight(1.0) == 0


def test_a_lease_deleted_piece_by_piece_is_over():
    q = queue()
    q.offer(0.0, messages(range(3)))
    lease = q.receive(0.0, 3)
    for ids in ([0], [1], [2]):
        q.delete(1.0, lease.number, ids)
    assert q.visible_at() == math.inf


def test_a_receipt_still_deletes_after_the_timeout_if_nobody_else_received_the_message():
    q = queue(visibility_timeout_s=30)
    q.offer(0.0, messages([1]))
    lease = q.receive(0.0, 1)
    assert q.delete(31.0, lease.number, [1]) == 1
    assert q.receive(32.0, 1) is None


def test_an_old_receipt_does_not_delete_what_another_has_received_since():
    q = queue(visibility_timeout_s=30)
    q.offer(0.0, messages([1]))
    old = q.receive(0.0, 1)
    new = q.receive(30.0, 1)
    assert q.delete(31.0, old.number, [1]) == 0
    assert q.delete(61.0, old.number, [1]) == 0, "not even when the newer one has run out as well"
    assert q.delete(61.0, new.number, [1]) == 1


def test_messages_that_come_back_stand_in_the_order_they_became_visible():
    """Not in front of all others: a message sent before they came back is received before them."""
    q = queue(visibility_timeout_s=30)
    q.offer(0.0, messages([1, 2]))
    q.receive(0.0, 1)
    q.receive(5.0, 1)
    q.offer(29.0, messages([3]))
    q.offer(33.0, messages([4]))
    q.offer(36.0, messages([5]))
    assert received(q.receive(40.0, 10)) == [3, 4, 5, 1, 2]
    order = queue(visibility_timeout_s=30)
    order.offer(0.0, messages([1, 2]))
    order.receive(0.0, 1)
    order.receive(5.0, 1)
    for at, number in ((29.0, 3), (33.0, 4), (36.0, 5)):
        order.offer(at, messages([number]))
    assert [received(order.receive(40.0, 1)) for _ in range(5)] == [[3], [1], [4], [2], [5]]


def test_one_receive_takes_them_in_that_order_too():
    q = queue(visibility_timeout_s=30)
    q.offer(0.0, messages([1]))
    q.receive(0.0, 1)
    q.offer(29.0, messages([2]))
    q.offer(33.0, messages([3]))
    assert sorted(q.receive(40.0, 2).ids) == [1, 2]


def test_changing_the_visibility_to_0_gives_a_message_back_at_once():
    q = queue(visibility_timeout_s=30)
    q.offer(0.0, messages([1]))
    lease = q.receive(0.0, 1)
    assert q.change_visibility(1.0, lease.number, 1, 0)
    assert received(q.receive(1.0, 1)) == [1]


def test_changing_the_visibility_counts_from_now():
    q = queue(visibility_timeout_s=30)
    q.offer(0.0, messages([1]))
    lease = q.receive(0.0, 1)
    assert q.change_visibility(29.0, lease.number, 1, 30)
    assert q.visible_at() == 59.0
    assert q.receive(58.9, 1) is None
    assert received(q.receive(59.0, 1)) == [1]


def test_the_visibility_of_what_is_no_longer_held_cannot_be_changed():
    q = queue(visibility_timeout_s=30)
    q.offer(0.0, messages([1]))
    lease = q.receive(0.0, 1)
    assert not q.change_visibility(29.0, 999, 1, 30), "it never was"
    assert not q.change_visibility(29.0, lease.number, 2, 30), "that message was not received by it"
    assert not q.change_visibility(30.0, lease.number, 1, 30), "it has run out"


def test_the_visibility_of_what_is_delayed_cannot_be_changed():
    q = queue()
    q.offer(0.0, messages([1]), delay_s=10)
    assert not any(q.change_visibility(1.0, lease, 1, 0) for lease in range(3))


def test_a_message_received_with_others_comes_back_at_a_time_of_its_own():
    q = queue(visibility_timeout_s=30)
    q.offer(0.0, messages(range(4)))
    lease = q.receive(0.0, 4)
    assert q.change_visibility(1.0, lease.number, 2, 4)
    assert q.change_visibility(1.0, lease.number, 3, 60)
    assert q.in_flight(1.0) == 4
    assert q.visible_at() == 5.0
    assert q.receive(4.9, 10) is None
    again = q.receive(5.0, 10, visibility_timeout_s=100)
    assert received(again) == [2]
    assert again.receive_count(2) == 2, "what has changed is when, not how often"
    assert received(q.receive(30.0, 10, visibility_timeout_s=100)) == [0, 1], "the others when they would have anyway"
    assert q.receive(60.9, 10) is None
    assert received(q.receive(61.0, 10)) == [3]


def test_a_receipt_stays_good_for_a_message_whose_visibility_was_changed():
    q = queue(visibility_timeout_s=30)
    q.offer(0.0, messages(range(5)))
    lease = q.receive(0.0, 5)
    for message in (1, 2, 3):
        assert q.change_visibility(0.0, lease.number, message, 10)
    assert q.change_visibility(5.0, lease.number, 1, 10), "it can be changed again"
    assert q.delete(6.0, lease.number, [2]) == 1
    assert not q.change_visibility(6.0, lease.number, 2, 10), "it is deleted"
    assert not q.change_visibility(10.0, lease.number, 3, 10), "it has run out"
    assert q.delete(11.0, lease.number, [3]) == 1, "and is still deleted by its receipt"
    assert q.delete(12.0, lease.number, [0, 1, 4]) == 3, "all that is left of what was received together"
    assert (q.pending(), q.in_flight(12.0), q.visible_at()) == (0, 0, math.inf)
    assert sorted(q.drain().done) == list(range(5))


def test_an_old_receipt_does_not_delete_a_message_that_was_given_back_and_received_again():
    q = queue(visibility_timeout_s=30)
    q.offer(0.0, messages([1, 2]))
    old = q.receive(0.0, 2)
    q.change_visibility(1.0, old.number, 1, 0)
    new = q.receive(1.0, 2)
    assert received(new) == [1]
    assert q.delete(2.0, old.number, old.ids) == 1
    assert not q.change_visibility(2.0, old.number, 1, 0)
    assert q.delete(2.0, new.number, [1]) == 1


def test_a_message_given_back_too_often_goes_to_the_dead_letter_queue_before_those_received_with_it():
    q = queue(visibility_timeout_s=30, max_receive_count=2)
    q.offer(0.0, messages([1, 2]))
    lease = q.receive(0.0, 2)
    q.change_visibility(0.0, lease.number, 1, 0)
    again = q.receive(0.0, 1)
    q.change_visibility(0.0, again.number, 1, 0)
    assert q.receive(0.0, 1) is None
    assert q.drain().dead == [(1, End.RECEIVE_COUNT)]
    assert received(q.receive(30.0, 1)) == [2]


def test_a_message_received_too_often_goes_to_the_dead_letter_queue():
    q = queue(visibility_timeout_s=30, max_receive_count=3)
    q.offer(0.0, messages([1]))
    for receive in range(3):
        assert q.receive(30.0 * receive, 1).receive_count(1) == receive + 1
    assert q.drain().dead == []
    assert q.receive(90.0, 1) is None
    assert q.drain().dead == [(1, End.RECEIVE_COUNT)]
    assert q.pending() == 0


def test_without_a_redrive_policy_a_message_comes_back_until_its_retention_is_over():
    q = queue(visibility_timeout_s=30, retention_s=100)
    q.offer(0.0, messages([1]))
    assert [received(q.receive(at, 1)) for at in (0.0, 30.0, 60.0, 90.0, 120.0)] == [[1], [1], [1], [1], []]
    assert q.drain().expired == [(1, End.RETENTION)]


def test_a_message_nobody_received_expires_when_it_was_kept_long_enough():
    q = queue(quotas={"sqs_retention_s": 100})
    q.offer(0.0, messages([1]))
    q.offer(50.0, messages([2]))
    assert q.expires_at() == 100.0
    assert q.visible(100.0) == 1
    assert q.drain().expired == [(1, End.RETENTION)]
    assert q.expires_at() == 150.0


@pytest.mark.parametrize("sent_at", [0.026, 0.1, 1.8e9 + 0.3])
def test_a_message_is_gone_when_it_says_it_will_be(sent_at):
    """Were it gone a rounding error later, whoever waits for it would be woken again and again."""
    q = queue(retention_s=100)
    q.offer(sent_at, messages([1]))
    assert q.visible(q.expires_at()) == 0


def test_a_delayed_message_is_not_visible_before_its_time_and_was_never_received():
    q = queue(max_receive_count=1)
    q.offer(0.0, messages([1]), delay_s=10)
    q.offer(0.0, messages([2]))
    assert (q.delayed(0.0), q.visible(0.0), q.in_flight(0.0)) == (1, 1, 0)
    assert received(q.receive(9.9, 10)) == [2]
    assert q.visible_at() == 10.0
    lease = q.receive(10.0, 10)
    assert received(lease) == [1]
    assert lease.receive_count(1) == 1


def test_a_message_too_large_is_refused_and_the_others_are_not():
    limit = Quotas().sqs_message_bytes
    q = queue()
    assert q.offer(0.0, Offer([1, 2, 3], [limit, limit + 1, 0])) == {2: Refusal.TOO_LARGE}
    assert q.visible(0.0) == 2
    assert q.offer(0.0, Offer([4], limit + 1)) == {4: Refusal.TOO_LARGE}


def test_no_more_than_120000_messages_are_in_flight():
    q = queue()
    q.offer(0.0, messages(range(120_001)))
    assert len(q.receive(0.0, 1_000_000).ids) == 120_000
    assert q.full(0.0)
    assert q.receive(0.0, 1) is None
    assert q.visible_at() == 30.0, "until then nothing can be received: who asks earlier asks in vain"
    assert not q.full(30.0)


def test_of_messages_that_come_back_a_receive_takes_as_many_as_it_may_and_counts_each_for_itself():
    q = queue(visibility_timeout_s=30, max_receive_count=3)
    q.offer(0.0, Offer(range(2), 100))
    q.receive(0.0, 10)
    q.offer(1.0, Offer([2, 3, 4], [100, 300, 200]))
    first = q.receive(30.0, 10)
    assert [first.receive_count(message) for message in first.ids] == [1, 1, 1, 2, 2]
    each = 768
    by_bytes = q.receive(60.0, 10, visibility_timeout_s=500, most_bytes=3 * each + 600)
    assert received(by_bytes) == [2, 3, 4]
    by_number = q.receive(60.0, 1, visibility_timeout_s=500)
    assert (received(by_number), by_number.receive_count(0)) == ([0], 3)
    assert received(q.receive(60.0, 10)) == [1]
    assert q.receive(90.0, 10) is None
    assert q.drain().dead == [(1, End.RECEIVE_COUNT)]


def test_a_receive_takes_no_more_than_fits_into_an_event():
    q = queue(quotas={"sqs_event_overhead_bytes": 100})
    q.offer(0.0, messages(range(10), size=900))
    assert received(q.receive(0.0, 10, most_bytes=3_500)) == [0, 1, 2]
    assert q.receive(0.0, 10, most_bytes=999) is None
    assert received(q.receive(0.0, 1, most_bytes=1_000)) == [3]
    assert received(q.receive(30.0, 10, most_bytes=2_000)) == [4, 5], "sent before those that came back"


def test_a_million_messages_are_one_run():
    q = queue()
    q.offer(0.0, messages(range(1_000_000)))
    assert q.receive(0.0, 10).ids == range(10)


def test_receives_after_one_another_are_as_good_as_one_by_one():
    together, apart = queue(visibility_timeout_s=30), queue(visibility_timeout_s=30)
    for q in (together, apart):
        q.offer(0.0, messages(range(25)))
        q.offer(1.0, messages(range(25, 60), size=200))
        q.offer(1.0, Offer(range(60, 64), [1, 2, 3, 4]))
        q.receive(1.0, 3)
    for at in (1.0, 31.0, 31.0):
        leases = [lease for _ in range(4) if (lease := apart.receive(at, 4, most_bytes=4_000)) is not None]
        assert [
            (list(lease.ids), lease.bytes, lease.until, [lease.receive_count(message) for message in lease.ids])
            for lease in leases
        ] == [
            (list(lease.ids), lease.bytes, lease.until, [lease.receive_count(message) for message in lease.ids])
            for lease in together.receive_each(at, 4, 4, most_bytes=4_000)
        ]
    assert together.in_flight(31.0) == apart.in_flight(31.0)


def test_no_more_than_the_in_flight_limit_is_received_at_once():
    q = queue(quotas={"sqs_in_flight_max": 25})
    q.offer(0.0, messages(range(100)))
    assert [len(lease.ids) for lease in q.receive_each(0.0, 5, 10)] == [10, 10, 5]


def test_a_run_with_a_delay_is_received_bit_by_bit():
    q = queue()
    q.offer(0.0, messages(range(1_000)), delay_s=5)
    assert [received(q.receive(5.0, 300)) for _ in range(4)] == [
        list(range(first, min(first + 300, 1_000))) for first in range(0, 1_000, 300)
    ]


def test_a_purged_queue_is_empty():
    q = queue()
    q.offer(0.0, messages(range(5)))
    q.offer(0.0, messages([5]), delay_s=10)
    q.receive(0.0, 2)
    q.receive(0.0, 1, visibility_timeout_s=1)
    q.purge(2.0)
    assert sorted(q.drain().done) == list(range(6))
    assert (q.pending(), q.visible(2.0), q.in_flight(2.0), q.delayed(2.0)) == (0, 0, 0, 0)
    assert q.visible_at() == math.inf


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"visibility_timeout_s": -1}, "visibility timeout"),
        ({"visibility_timeout_s": 43_201}, "visibility timeout"),
        ({"max_receive_count": 0}, "maxReceiveCount"),
    ],
)
def test_settings_that_aws_refuses_are_refused(settings, complaint):
    with pytest.raises(ValueError, match=complaint):
        queue(**settings)


class AnyUse(RuleBasedStateMachine):
    """A queue used in any way, beside the plainest possible model of one: a dict of messages."""

    leases = Bundle("leases")

    def __init__(self):
        super().__init__()
        self.queue = queue(
            quotas={"sqs_in_flight_max": 8}, visibility_timeout_s=10, max_receive_count=3, retention_s=60
        )
        self.now = 0.0
        self.next_id = 0
        self.there = {}
        self.ended = {}

    @rule(seconds=st.sampled_from([0.0, 0.5, 3.0, 10.0, 25.0]))
    def wait(self, seconds):
        self.now += seconds

    @rule(count=st.integers(1, 6), delay_s=st.sampled_from([0, 0, 0, 5]))
    def send(self, count, delay_s):
        ids = range(self.next_id, self.next_id + count)
        assert self.queue.offer(self.now, messages(ids), delay_s) == {}
        for number in ids:
            self.there[number] = {"sent": self.now, "receives": 0, "lease": None, "visible": self.now + delay_s}
        self.next_id += count

    @rule(target=leases, most=st.integers(1, 10), timeout_s=st.sampled_from([None, 0, 2, 20]))
    def receive(self, most, timeout_s):
        in_flight = self.in_flight()
        lease = self.queue.receive(self.now, most, timeout_s)
        self.strike_out()
        if lease is None:
            return multiple()
        assert len(lease.ids) == len(set(lease.ids)) <= min(most, 8 - in_flight)
        for number in lease.ids:
            message = self.there[number]
            assert message["visible"] <= self.now
            assert message["sent"] > self.now - 60
            message["receives"] += 1
            assert lease.receive_count(number) == message["receives"] <= 3
            message["lease"] = lease.number
            message["visible"] = lease.until
        return lease

    @rule(lease=leases, data=st.data())
    def delete(self, lease, data):
        ids = data.draw(st.lists(st.sampled_from(list(lease.ids)), unique=True))
        held = [n for n in ids if n in self.there and self.there[n]["lease"] == lease.number]
        assert self.queue.delete(self.now, lease.number, ids) == len(held)
        self.strike_out()
        assert all(self.ended[number] == "done" for number in held)

    @rule(lease=leases, timeout_s=st.sampled_from([0, 1, 30]), data=st.data())
    def change_visibility(self, lease, timeout_s, data):
        number = data.draw(st.sampled_from(list(lease.ids)))
        message = self.there.get(number)
        held = message is not None and message["lease"] == lease.number and message["visible"] > self.now
        assert self.queue.change_visibility(self.now, lease.number, number, timeout_s) == held
        if held:
            message["visible"] = self.now + timeout_s

    def in_flight(self):
        return sum(m["receives"] > 0 and m["visible"] > self.now for m in self.there.values())

    def strike_out(self):
        facts = self.queue.drain()
        for number in facts.done:
            self.ended[number] = "done"
            del self.there[number]
        for number, end in facts.dead:
            assert end is End.RECEIVE_COUNT
            assert self.there[number]["receives"] == 3
            self.ended[number] = "dead"
            del self.there[number]
        for number, end in facts.expired:
            assert end is End.RETENTION
            assert self.there[number]["sent"] <= self.now - 60
            self.ended[number] = "expired"
            del self.there[number]

    @invariant()
    def the_sums_hold(self):
        visible = self.queue.visible(self.now)
        self.strike_out()
        assert self.queue.pending() == len(self.there)
        assert len(self.there) + len(self.ended) == self.next_id
        assert self.queue.in_flight(self.now) == self.in_flight() <= 8
        assert visible == sum(message["visible"] <= self.now for message in self.there.values())
        assert visible + self.queue.in_flight(self.now) + self.queue.delayed(self.now) == len(self.there)

    @invariant()
    def it_knows_when_something_becomes_visible(self):
        if self.queue.full(self.now):
            return
        self.strike_out()
        soonest = min((message["visible"] for message in self.there.values()), default=math.inf)
        assert max(self.queue.visible_at(), self.now) == max(soonest, self.now)


TestAnyUse = AnyUse.TestCase
