"""A function's subscription to a topic: what SNS does when Lambda does not accept a message."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from random import Random

from delivery.agenda import Agenda
from delivery.backlog import Backlog, Run
from delivery.delivery_policy import DeliveryPolicy
from delivery.protocol import Delivery, End, Facts, Invocation, Offer, Outcome, Refusal
from delivery.quotas import Quotas


class Acceptance(Enum):
    """How Lambda answers SNS's asynchronous invocation, long before the function runs."""

    ACCEPTED = auto()
    SERVER_ERROR = auto()
    """Lambda is not available: SNS tries again, by its delivery policy."""
    CLIENT_ERROR = auto()
    """The function was deleted, or SNS may not invoke it: SNS does not try again."""


@dataclass(slots=True)
class _Message:
    size: int
    published_at: float
    retries: int = 0


class SnsSubscription:
    """Hands messages to a function's asynchronous queue, or tries again; keeps `delivery.protocol.Delivery`.

    Lambda accepts an event whatever its concurrency. So a consumer that is throttled never makes SNS retry, and never
    fills the subscription's dead-letter queue: its events wait, age and end in Lambda's own queue, behind this. SNS
    retries only while Lambda itself fails, which the driver says by `answers`.

    Args:
        function: the function's queue, an `AsyncInvoke`. Nobody else may offer to it.
        random: draws the jitter of the delivery policy.
        quotas: the delivery policy.
        dead_letter_queue: whether the subscription has one (RedrivePolicy). Without, what SNS cannot deliver is lost.
    """

    def __init__(self, function: Delivery, *, random: Random, quotas: Quotas, dead_letter_queue: bool = False) -> None:
        self._function = function
        self._policy = DeliveryPolicy(random, quotas)
        self._dead_letter_queue = dead_letter_queue
        self._acceptance = Acceptance.ACCEPTED
        self._published = Backlog()
        # Not accepted yet, in the order they were published.
        self._retried: dict[int, _Message] = {}
        self._retries = Agenda()
        self._facts = Facts()

    def answers(self, now: float, acceptance: Acceptance) -> None:
        """From now on Lambda answers SNS like this. What was to be delivered before is, first."""
        self._deliver(now)
        self._acceptance = acceptance

    def offer(self, now: float, offer: Offer) -> Mapping[int, Refusal]:
        """Take messages in from the topic. None is refused: what Lambda will not have is SNS's to deal with."""
        self._published.append(Run.of(now, offer))
        return {}

    def poll(self, now: float) -> list[Invocation]:
        """The invocations to start now; each holds a slot until it is settled."""
        self._deliver(now)
        return self._function.poll(now)

    def settle(self, now: float, invocation: Invocation, outcome: Outcome) -> None:
        """Say how an invocation ended. The slot is released."""
        self._function.settle(now, invocation, outcome)

    def wake_at(self) -> float:
        """When `poll` could next yield something by time alone."""
        return min(self._published.head_at, self._retries.next_at(), self._function.wake_at())

    def starts_at(self, now: float) -> float:
        """Up to when `poll` yields nothing even if invocations are settled from now on."""
        return min(self._published.head_at, self._retries.next_at(), self._function.starts_at(now))

    def pending(self) -> int:
        """Messages that SNS holds, and events in Lambda's queue."""
        return len(self._published) + len(self._retried) + self._function.pending()

    def in_flight(self) -> int:
        """Events in the hands of the function."""
        return self._function.in_flight()

    def running(self) -> int:
        """Invocations started and not yet settled."""
        return self._function.running()

    def retrying(self) -> int:
        """Messages that Lambda did not accept and SNS will try again."""
        return len(self._retried)

    def oldest_age_s(self, now: float) -> float:
        """Seconds since the oldest message was published that SNS holds, or the oldest event accepted."""
        oldest = next((message.published_at for message in self._retried.values()), self._published.head_at)
        return max(self._function.oldest_age_s(now), now - oldest, 0.0)

    def drain(self) -> Facts:
        """The facts since the last call: the function's, and what SNS gave up (CLIENT_ERROR, DELIVERY_POLICY)."""
        own, self._facts = self._facts, Facts()
        facts = self._function.drain()
        facts.dead += own.dead
        facts.expired += own.expired
        return facts

    def _deliver(self, now: float) -> None:
        """Try what is due: each message at its own time, the retries in their order and then what was published."""
        due = self._retries.due(now)
        if due:
            self._try_again(now, due)
        if (run := self._published.take(now)) is not None:
            if self._acceptance is Acceptance.ACCEPTED:
                self._hand_over(now, run)
            else:
                messages = {record: _Message(run.size(i), run.time(i)) for i, record in enumerate(run.ids)}
                self._retried.update(messages)
                self._not_accepted(now, run.ids)

    def _try_again(self, now: float, due: Sequence[int]) -> None:
        if self._acceptance is Acceptance.ACCEPTED:
            # A delivery takes ids that ascend.
            messages = {record: self._retried.pop(record) for record in sorted(due)}
            self._hand_over(now, Run(list(messages), [message.size for message in messages.values()], now))
        else:
            self._not_accepted(now, due)

    def _hand_over(self, now: float, run: Run) -> None:
        refused = self._function.offer(now, Offer(run.ids, run.sizes))
        # An event too large for Lambda is an error of its client's, SNS.
        self._give_up(list(refused), End.CLIENT_ERROR)

    def _not_accepted(self, now: float, ids: Sequence[int]) -> None:
        if self._acceptance is Acceptance.CLIENT_ERROR:
            for record in ids:
                del self._retried[record]
            self._give_up(ids, End.CLIENT_ERROR)
            return
        for record in ids:
            message = self._retried[record]
            # Those made at once fail at once.
            message.retries = max(message.retries, self._policy.immediate) + 1
            wait_s = self._policy.wait_s(message.retries)
            if wait_s is None:
                del self._retried[record]
                self._give_up((record,), End.DELIVERY_POLICY)
            else:
                self._retries.set(record, now + wait_s)

    def _give_up(self, ids: Sequence[int], end: End) -> None:
        ends = self._facts.dead if self._dead_letter_queue else self._facts.expired
        ends.extend((record, end) for record in ids)
