"""Letters in an SQS queue, which is looked at by receiving: what is not removed is let go of again."""

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType
    from mypy_boto3_sqs.type_defs import MessageTypeDef

    from producers.redrive.letter import Letter

# API:ReceiveMessage and the batch calls: 10 messages a call.
_MESSAGES_A_CALL: Final = 10
# Long enough to go through a deep queue once; whoever is killed leaves his letters hidden for as long.
_HIDDEN_S: Final = 900
# A long poll, which asks all of SQS's servers, so that an empty answer is the end; the shortest there is.
_WAIT_S: Final = 1
_VISIBLE: Final = "ApproximateNumberOfMessages"
_IN_HAND: Final = "ApproximateNumberOfMessagesNotVisible"
_ATTRIBUTES: Final = ("ApproximateReceiveCount", "SentTimestamp", "MessageGroupId")


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A message as it was received: its body, how often so far, and when it was sent, in seconds since the epoch."""

    message_id: str
    receipt_handle: str
    body: str
    receives: int
    sent_at: float | None
    group: str | None

    @classmethod
    def of(cls, message: "MessageTypeDef") -> "QueuedMessage":
        """Read a message of ReceiveMessage's answer."""
        attributes: Any = message.get("Attributes", {})
        sent = attributes.get("SentTimestamp")
        return cls(
            message_id=message["MessageId"],
            receipt_handle=message["ReceiptHandle"],
            body=message["Body"],
            receives=int(attributes.get("ApproximateReceiveCount", 1)),
            sent_at=None if sent is None else int(sent) / 1_000,
            group=attributes.get("MessageGroupId"),
        )


class LetterQueue:
    """A queue of letters, each read by `read`.

    A received message is hidden from others for a quarter of an hour, and let go of at the end. A FIFO queue hands out
    no more of a message group while some of it is in hand, so that of a long group only the start can be seen.
    """

    keeps_notes = False
    grows = True

    def __init__(self, client: "SQSClient", queue_url: str, read: "Callable[[QueuedMessage], Letter]") -> None:
        self._client = client
        self._queue_url = queue_url
        self._read = read
        # Receipts by message, a receive each: a FIFO queue may let go only of all that came together.
        self._hands: list[dict[str, str]] = []

    def count(self) -> int:
        """About how many messages can be received, those that are hidden behind others of their group included."""
        return self._counted(_VISIBLE)

    def unseen(self) -> int:
        """About how many messages are hidden behind others of their group, or in hand of another, or of one killed."""
        return max(0, self._counted(_VISIBLE, _IN_HAND) - sum(map(len, self._hands)))

    def letters(self) -> "Iterator[Sequence[Letter]]":
        """What can be received, ten at a time."""
        seen: set[str] = set()
        while True:
            answer = self._client.receive_message(
                QueueUrl=self._queue_url,
                MaxNumberOfMessages=_MESSAGES_A_CALL,
                VisibilityTimeout=_HIDDEN_S,
                WaitTimeSeconds=_WAIT_S,
                MessageSystemAttributeNames=_ATTRIBUTES,
            )
            messages = [QueuedMessage.of(message) for message in answer.get("Messages", ())]
            self._hands.append({message.message_id: message.receipt_handle for message in messages})
            fresh = [message for message in messages if message.message_id not in seen]
            if not fresh:
                # The end, or it took so long that those of the beginning are visible again.
                return
            seen.update(message.message_id for message in fresh)
            yield [self._read(message) for message in fresh]

    def note(self, letter: "Letter", sent: frozenset[str]) -> None:
        """A queue keeps no notes."""
        raise NotImplementedError(f"{letter.name}: {len(sent)} of its requests cannot be noted in a queue")

    def remove(self, letters: "Sequence[Letter]") -> dict[str, str]:
        """Delete messages."""
        failed: dict[str, str] = {}
        for start in range(0, len(letters), _MESSAGES_A_CALL):
            some = letters[start : start + _MESSAGES_A_CALL]
            entries = [{"Id": str(number), "ReceiptHandle": letter.handle} for number, letter in enumerate(some)]
            try:
                answer = self._client.delete_message_batch(QueueUrl=self._queue_url, Entries=entries)  # type: ignore[arg-type]
            except (BotoCoreError, ClientError) as error:
                failed |= {letter.name: str(error) for letter in some}
                continue
            refused = {
                int(entry["Id"]): f"{entry['Code']}: {entry.get('Message', '')}" for entry in answer.get("Failed", ())
            }
            failed |= {some[number].name: reason for number, reason in refused.items()}
            for number, letter in enumerate(some):
                if number not in refused:
                    # Nearly always the last one.
                    next((hand for hand in reversed(self._hands) if letter.name in hand), {}).pop(letter.name, None)
        return failed

    def release(self) -> None:
        """Make the messages in hand visible again. One that cannot be now is in a quarter of an hour by itself."""
        for hand in filter(None, self._hands):
            entries = [
                {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": 0}
                for number, handle in enumerate(hand.values())
            ]
            with contextlib.suppress(BotoCoreError, ClientError):
                self._client.change_message_visibility_batch(QueueUrl=self._queue_url, Entries=entries)  # type: ignore[arg-type]
        self._hands.clear()

    def _counted(self, *names: "QueueAttributeNameType") -> int:
        answer = self._client.get_queue_attributes(QueueUrl=self._queue_url, AttributeNames=names)
        return sum(int(answer["Attributes"].get(name, 0)) for name in names)


def maximum_receives(client: "SQSClient", queue_url: str) -> int | None:
    """How often a queue hands out a message before it gives it up; None if it never does."""
    answer = client.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["RedrivePolicy"])
    try:
        return int(json.loads(answer.get("Attributes", {}).get("RedrivePolicy", "{}"))["maxReceiveCount"])
    except (ValueError, KeyError, TypeError):
        return None
