"""Outlets: how a function puts one record into a buffer, with the same call that the proxied route makes.

Each knows how large its records may be, so that a larger image takes the way over S3 instead of a refusal.
"""

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, Protocol, cast

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.client_config import few_retries
from pipeline.client_error import code_and_message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.config import Config
    from botocore.session import Session
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

    from pipeline.on_demand import OnDemand

# What infra.yaml's buffers take, in bytes: a topic's message; a message with MaximumMessageSize; a record of a stream
# before base64, together with its partition key. The same numbers as delivery/quotas.py has, which is not deployed.
SNS_BYTES: Final = 256 * 1024
SQS_BYTES: Final = 1024 * 1024
KINESIS_BYTES: Final = 1024 * 1024

# Few: a client is waiting, who may try again itself; they end within the gateway's 29 s. But each waits long for its
# answer: what is sent again after a timeout may be in the buffer twice, and is recognised twice then.
_ATTEMPTS: Final = 2
_CONNECT_TIMEOUT_S: Final = 2
_READ_TIMEOUT_S: Final = 10


class Refusal(Enum):
    """Why a buffer has not taken a record."""

    AT_ITS_LIMIT = "the buffer is at its limit"
    TOO_LARGE = "the record is larger than the buffer takes"
    FAILED = "the buffer failed"


class PublishError(Exception):
    """A record that a buffer has not taken, or perhaps has: of an answer that never came nobody knows.

    `code` is the error's name, for everybody; the text has all of it, names of resources too, and is for the log.
    """

    def __init__(self, refusal: Refusal, code: str, text: str) -> None:
        super().__init__(text)
        self.refusal = refusal
        self.code = code


@dataclass(frozen=True, slots=True)
class Record:
    """A record on its way into a buffer. `group` is its own id where the client named none."""

    request_id: str
    group: str
    text: str


class Outlet(Protocol):
    """One buffer's entrance."""

    def fits(self, record: Record) -> bool:
        """Whether the buffer takes a record of that size."""

    def publish(self, record: Record) -> None:
        """Put a record in. Returns once the buffer has said that it has it.

        Raises:
            PublishError: it has not said so.
        """


@dataclass(frozen=True, slots=True)
class SnsOutlet:
    """A topic."""

    client: "OnDemand[SNSClient]"
    topic_arn: str

    def fits(self, record: Record) -> bool:
        """Whether the message is at most 256 KiB."""
        return len(record.text.encode()) <= SNS_BYTES

    def publish(self, record: Record) -> None:
        """Publish."""
        client = self.client.get()
        try:
            answer = client.publish(TopicArn=self.topic_arn, Message=record.text)
        except (BotoCoreError, ClientError) as error:
            raise _refused(error) from error
        _check_proof(answer, "MessageId")


@dataclass(frozen=True, slots=True)
class SqsOutlet:
    """A queue; in a FIFO queue a request twice in five minutes is one message."""

    client: "OnDemand[SQSClient]"
    queue_url: str
    fifo: bool

    def fits(self, record: Record) -> bool:
        """Whether the message is at most 1 MiB."""
        return len(record.text.encode()) <= SQS_BYTES

    def publish(self, record: Record) -> None:
        """Send."""
        client = self.client.get()
        try:
            if self.fifo:
                answer = client.send_message(
                    QueueUrl=self.queue_url,
                    MessageBody=record.text,
                    MessageGroupId=record.group,
                    MessageDeduplicationId=record.request_id,
                )
            else:
                answer = client.send_message(QueueUrl=self.queue_url, MessageBody=record.text)
        except (BotoCoreError, ClientError) as error:
            raise _refused(error) from error
        _check_proof(answer, "MessageId")


@dataclass(frozen=True, slots=True)
class KinesisOutlet:
    """A stream."""

    client: "OnDemand[KinesisClient]"
    stream_name: str

    def fits(self, record: Record) -> bool:
        """Whether data and partition key together are at most 1 MiB."""
        return len(record.text.encode()) + len(record.group.encode()) <= KINESIS_BYTES

    def publish(self, record: Record) -> None:
        """Put."""
        client = self.client.get()
        try:
            answer = client.put_record(
                StreamName=self.stream_name, PartitionKey=record.group, Data=record.text.encode()
            )
        except (BotoCoreError, ClientError) as error:
            raise _refused(error) from error
        _check_proof(answer, "SequenceNumber")


def sns_client(session: "Session") -> "SNSClient":
    """A client for an SnsOutlet."""
    return cast("SNSClient", session.create_client("sns", config=_config()))


def sqs_client(session: "Session") -> "SQSClient":
    """A client for an SqsOutlet."""
    return cast("SQSClient", session.create_client("sqs", config=_config()))


def kinesis_client(session: "Session") -> "KinesisClient":
    """A client for a KinesisOutlet."""
    return cast("KinesisClient", session.create_client("kinesis", config=_config()))


def _config() -> "Config":
    return few_retries(attempts=_ATTEMPTS, connect_timeout_s=_CONNECT_TIMEOUT_S, read_timeout_s=_READ_TIMEOUT_S)


def _check_proof(answer: "Mapping[str, object]", name: str) -> None:
    if not answer.get(name):
        raise PublishError(Refusal.FAILED, "NoProof", f"the buffer's answer has no {name}")


def _refused(error: BotoCoreError | ClientError) -> PublishError:
    if not isinstance(error, ClientError):
        return PublishError(Refusal.FAILED, type(error).__name__, str(error))
    code, message = code_and_message(error)
    return PublishError(_refusal(code, message), code, f"{code}: {message}")


def _refusal(code: str, message: str) -> Refusal:
    # The same words by which infra.yaml's templates tell the services' errors apart.
    if any(word in code for word in ("Throttl", "ThroughputExceeded", "LimitExceeded", "OverLimit")):
        return Refusal.AT_ITS_LIMIT
    too_long = ("must be shorter", "too long", "length less than", "size")
    if any(word in code for word in ("InvalidParameter", "Validation", "InvalidArgument")) and any(
        words in message for words in too_long
    ):
        return Refusal.TOO_LARGE
    return Refusal.FAILED
