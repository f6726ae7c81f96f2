"""The SNS producer: PublishBatch."""

import random
import time
from typing import TYPE_CHECKING

from producers.batch import BatchSender, Entry, Fault, Limits, Patience, Sent
from producers.entries import entry_faults
from producers.submission import Stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sns.type_defs import PublishBatchRequestEntryTypeDef

    from producers.submission import Submission

_ENTRIES_A_CALL = 10
# API:Publish: 256 KiB a message and a whole batch, unless the topic's MaximumMessageSize says more.
_BYTES = 262_144


class SnsProducer:
    """Publishes requests to a topic. `max_bytes` is the topic's MaximumMessageSize, for a message and a call."""

    def __init__(
        self,
        client: "SNSClient",
        topic_arn: str,
        *,
        max_bytes: int = _BYTES,
        stamp: Stamp | None = None,
        patience: Patience | None = None,
        sleep: "Callable[[float], None]" = time.sleep,
        uniform: "Callable[[], float]" = random.random,
    ) -> None:
        self._stamp = stamp or Stamp("sns")
        self._sender = sns_sender(
            client, topic_arn, max_bytes=max_bytes, patience=patience, sleep=sleep, uniform=uniform
        )

    def send(self, submissions: "Iterable[Submission]") -> Sent:
        """Send all; returns when each is accepted or given up."""
        return self._sender.send_all(self._entry(submission) for submission in submissions)

    def _entry(self, submission: "Submission") -> Entry:
        request = self._stamp.request(submission)
        body = request.to_json()
        return Entry((request.request_id,), len(body.encode()), {"Message": body})


def sns_sender(
    client: "SNSClient",
    topic_arn: str,
    *,
    max_bytes: int = _BYTES,
    patience: Patience | None = None,
    sleep: "Callable[[float], None]" = time.sleep,
    uniform: "Callable[[], float]" = random.random,
) -> BatchSender:
    """Sends entries whose content is a `Message`."""

    def post(batch: "Sequence[Entry]") -> "Mapping[int, Fault]":
        entries: list[PublishBatchRequestEntryTypeDef] = [
            {"Id": str(position), "Message": entry.content["Message"]} for position, entry in enumerate(batch)
        ]
        answer = client.publish_batch(TopicArn=topic_arn, PublishBatchRequestEntries=entries)
        return entry_faults(len(batch), answer.get("Successful", ()), answer.get("Failed", ()))

    limits = Limits(entries=_ENTRIES_A_CALL, call_bytes=max_bytes, entry_bytes=max_bytes)
    return BatchSender(post, limits, patience=patience, sleep=sleep, uniform=uniform)
