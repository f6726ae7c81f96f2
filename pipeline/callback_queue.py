"""The callback queue as the notifier needs it: a message's next time, and the dead letters."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class CallbackQueue:
    """Speaks to the queue and its dead-letter queue, from as many threads as the client has connections.

    Every method raises botocore.exceptions.BotoCoreError or ClientError where SQS did not take it.
    """

    def __init__(self, client: "SQSClient", queue_url: str, dead_letter_queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url
        self._dead_letter_queue_url = dead_letter_queue_url

    def hide(self, receipt: str, seconds: int) -> None:
        """Let a message, named by its receipt handle, be received again after so long."""
        self._client.change_message_visibility(
            QueueUrl=self._queue_url, ReceiptHandle=receipt, VisibilityTimeout=seconds
        )

    def bury(self, letter: str) -> None:
        """Send a dead letter."""
        self._client.send_message(QueueUrl=self._dead_letter_queue_url, MessageBody=letter)
