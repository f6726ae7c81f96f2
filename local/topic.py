"""The topic: what was published to an SNS topic and is not delivered yet. The machine decides what it takes in.

Times are seconds since the epoch, by a clock that never goes back; the machine is given the same ones.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from delivery.protocol import Offer, Refusal
from delivery.sns_topic import SnsTopic
from local.message_attribute import MessageAttribute, size_of


@dataclass(frozen=True, slots=True)
class Publication:
    """What is to be published. `subject` is for subscribers that have one."""

    message: str
    subject: str | None = None
    attributes: Mapping[str, MessageAttribute] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes as SNS counts them: the message and its attributes."""
        return len(self.message.encode()) + size_of(self.attributes)


@dataclass(frozen=True, slots=True)
class TopicMessage:
    """A published message. `published_at` is in seconds since the epoch."""

    id: int
    message_id: str
    topic_arn: str
    publication: Publication
    published_at: float


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as the API tells it."""

    arn: str
    protocol: str
    endpoint: str


class Topic:
    """A standard topic whose one subscriber is a function, or none."""

    def __init__(
        self,
        arn: str,
        machine: SnsTopic,
        clock: Callable[[], float],
        message_id: Callable[[], str],
        *,
        maximum_message_size: int,
        subscriptions: Sequence[Subscription] = (),
    ) -> None:
        self.arn = arn
        self.name = arn.rsplit(":", 1)[-1]
        self.maximum_message_size = maximum_message_size
        self.subscriptions = subscriptions
        self._machine = machine
        self._clock = clock
        self._message_id = message_id
        self._next_id = 0
        self._messages: dict[int, TopicMessage] = {}
        self._subscribers: list[Callable[[Offer], None]] = []

    def subscribe(self, callback: Callable[[Offer], None]) -> None:
        """Have `callback` told of every message taken in from now on. Who subscribes must `discard` them one day."""
        self._subscribers.append(callback)

    def publish(self, publications: Sequence[Publication]) -> list[TopicMessage | Refusal]:
        """Offer messages to the topic: an answer for each, in their order."""
        now = self._clock()
        ids = range(self._next_id, self._next_id + len(publications))
        self._next_id = ids.stop
        sizes = [publication.size for publication in publications]
        refused = self._machine.offer(now, Offer(ids, sizes))
        answers: list[TopicMessage | Refusal] = []
        accepted: dict[int, int] = {}
        for id_, publication, size in zip(ids, publications, sizes, strict=True):
            refusal = refused.get(id_)
            if refusal is not None:
                answers.append(refusal)
                continue
            message = TopicMessage(id_, self._message_id(), self.arn, publication, now)
            answers.append(message)
            accepted[id_] = size
            if self._subscribers:
                self._messages[id_] = message
        if accepted:
            offer = Offer(list(accepted), list(accepted.values()))
            for callback in self._subscribers:
                callback(offer)
        return answers

    def message(self, id_: int) -> TopicMessage:
        """The message of an id.

        Raises:
            KeyError: there is none, or it was discarded.
        """
        return self._messages[id_]

    def discard(self, ids: Iterable[int]) -> None:
        """Let go of messages that ended: delivered, dead-lettered or expired."""
        for id_ in ids:
            self._messages.pop(id_, None)
