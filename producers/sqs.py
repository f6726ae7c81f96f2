"""The SQS producer: SendMessageBatch."""

import random
import time
from typing import TYPE_CHECKING, cast

from producers.batch import BatchSender, Entry, Fault, Limits, Patience, Sent
from producers.entries import entry_faults
from producers.submission import Stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

    from producers.submission import Submission

_ENTRIES_A_CALL = 10
# API:SendMessage, since August 2025; a message and a whole batch have the same limit.
_BYTES = 1_048_576


class SqsProducer:
    """Puts requests on a queue. `max_bytes` is the queue's MaximumMessageSize if that is lower than 1 MiB.

    On a FIFO queue, which its URL's ending tells, each request is a message group of its own: none waits for another,
    and a batch that was sent twice is taken once.
    """

    def __init__(
        self,
        client: "SQSClient",
        queue_url: str,
        *,
        max_bytes: int = _BYTES,
        stamp: Stamp | None = None,
        patience: Patience | None = None,
        sleep: "Callable[[float], None]" = time.sleep,
        uniform: "Callable[[], float]" = random.random,
    ) -> None:
        self._fifo = queue_url.endswith(".fifo")
        self._stamp = stamp or Stamp("sqs")
        self._sender = sqs_sender(
            client, queue_url, max_bytes=max_bytes, patience=patience, sleep=sleep, uniform=uniform
        )

    def send(self, submissions: "Iterable[Submission]") -> Sent:
        """Send all; returns when each is accepted or given up."""
        return self._sender.send_all(self._entry(submission) for submission in submissions)

    def _entry(self, submission: "Submission") -> Entry:
        request = self._stamp.request(submission)
        body = request.to_json()
        content = {"MessageBody": body}
        if self._fifo:
            content |= {"MessageGroupId": request.request_id, "MessageDeduplicationId": request.request_id}
        return Entry((request.request_id,), len(body.encode()), content)


def sqs_sender(
    client: "SQSClient",
    queue_url: str,
    *,
    max_bytes: int = _BYTES,
    patience: Patience | None = None,
    sleep: "Callable[[float], None]" = time.sleep,
    uniform: "Callable[[], float]" = random.random,
) -> BatchSender:
    """Sends entries whose content is that of a SendMessageBatch entry, without its Id."""

    def post(batch: "Sequence[Entry]") -> "Mapping[int, Fault]":
        entries = [
            cast("SendMessageBatchRequestEntryTypeDef", {"Id": str(position), **entry.content})
            for position, entry in enumerate(batch)
        ]
        answer = client.send_message_batch(QueueUrl=queue_url, Entries=entries)
        return entry_faults(len(batch), answer.get("Successful", ()), answer.get("Failed", ()))

    limits = Limits(entries=_ENTRIES_A_CALL, call_bytes=_BYTES, entry_bytes=max_bytes)
    return BatchSender(post, limits, patience=patience, sleep=sleep, uniform=uniform)
