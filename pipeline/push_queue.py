"""The push queue, for whoever finds a result that is there already; workers have pipeline.notifications."""

from typing import TYPE_CHECKING

from pipeline.notifications import Notification

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

    from pipeline.on_demand import OnDemand


class PushQueue:
    """Sends to the push queue. Most environments send nothing, so the client is made for the first message."""

    def __init__(self, client: "OnDemand[SQSClient]", url: str) -> None:
        self._client = client
        self._url = url

    def send(self, request_id: str, *, attach: str) -> None:
        """Have the result of a request pushed to all that wait for it and have shown its secret.

        Raises:
            botocore.exceptions.BotoCoreError, ClientError: the queue did not take it.
        """
        message = Notification(request_id, attach=attach).push
        assert message is not None
        self._client.get().send_message(QueueUrl=self._url, MessageBody=message)
