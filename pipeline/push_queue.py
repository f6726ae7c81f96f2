"""The push queue, for whoever finds a result that is there already; workers have pipeline.notifications."""

from typing import TYPE_CHECKING

from pipeline.notifications import Notification

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_sqs import SQSClient


class PushQueue:
    """Sends to the push queue. The client is made for the first message: most environments send none."""

    def __init__(self, make_client: "Callable[[], SQSClient]", url: str) -> None:
        self._make_client = make_client
        self._url = url
        self._client: SQSClient | None = None

    def send(self, request_id: str, *, attach: str) -> None:
        """Have the result of a request pushed to all that wait for it and have shown its secret.

        Raises:
            botocore.exceptions.BotoCoreError, ClientError: the queue did not take it.
        """
        if self._client is None:
            self._client = self._make_client()
        message = Notification(request_id, attach=attach).push
        assert message is not None
        self._client.send_message(QueueUrl=self._url, MessageBody=message)
