"""Notifications: what a worker says once a result is stored, to the queues of those who tell the client.

    callback queue   {"request_id": "...", "callback_url": "https://..."}
    push queue       {"request_id": "...", "connection_id": "...", "attach": "..."}    one of the two or both

The result itself is not in them: whoever tells it reads it, and so nobody tells another than the one that stands.
"""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from pipeline.client_config import few_retries
from pipeline.on_demand import OnDemand

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.session import Session
    from mypy_boto3_sqs import SQSClient

    from pipeline.settings import NotificationSettings


@dataclass(frozen=True, slots=True)
class Notification:
    """Whom a request asked to be told of its result; nobody, if it says nothing but its id."""

    request_id: str
    callback_url: str | None = None
    connection_id: str | None = None
    attach: str | None = None

    @property
    def callback(self) -> str | None:
        """The message for the callback queue, None if there is to be none."""
        if self.callback_url is None:
            return None
        return _message(request_id=self.request_id, callback_url=self.callback_url)

    @property
    def push(self) -> str | None:
        """The message for the push queue, None if there is to be none."""
        if self.connection_id is None and self.attach is None:
            return None
        return _message(request_id=self.request_id, connection_id=self.connection_id, attach=self.attach)


class SqsNotifier:
    """Sends notifications, from as many threads as its client has connections.

    The client is made for the first that there is: most functions send none, and a client is 0.1 s of a cold start.
    """

    def __init__(self, make_client: "Callable[[], SQSClient]", settings: "NotificationSettings") -> None:
        self._client = OnDemand(make_client)
        self._settings = settings

    def notify(self, notification: Notification) -> None:
        """Send the messages of a notification; more than once if it is called again.

        Raises:
            botocore.exceptions.BotoCoreError, ClientError: a queue did not take its message; the other may have.
        """
        for queue_url, message in (
            (self._settings.callback_queue_url, notification.callback),
            (self._settings.push_queue_url, notification.push),
        ):
            if message is not None:
                self._client.get().send_message(QueueUrl=queue_url, MessageBody=message)


def notification_client(session: "Session", connections: int) -> "SQSClient":
    """A client whose few retries end well inside a function's time."""
    return cast("SQSClient", session.create_client("sqs", config=few_retries(connections)))


def _message(**members: str | None) -> str:
    return json.dumps({name: value for name, value in members.items() if value is not None}, separators=(",", ":"))
