import json
import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pipeline.notifications import Notification, SqsNotifier
from pipeline.settings import NotificationSettings

SETTINGS = NotificationSettings("https://sqs/callbacks", "https://sqs/pushes")
URL = "https://example.com/a?b=\u00fc"
ATTACH = "0f" * 32


class Queues:
    """A client that keeps what it is sent; refuses what is for one queue."""

    def __init__(self, refuse: str = "") -> None:
        self.sent: list[tuple[str, Any]] = []
        self._refuse = refuse

    def send_message(self, **message: str) -> None:
        if message["QueueUrl"] == self._refuse:
            raise ClientError({"Error": {"Code": "RequestThrottled", "Message": "x"}}, "SendMessage")
        self.sent.append((message["QueueUrl"], json.loads(message["MessageBody"])))


def sent(notification: Notification) -> list[tuple[str, Any]]:
    queues: Any = Queues()
    SqsNotifier(lambda: queues, SETTINGS).notify(notification)
    sent: list[tuple[str, Any]] = queues.sent
    return sent


@pytest.mark.parametrize(
    ("asked", "callback", "push"),
    [
        pytest.param({}, None, None, id="nobody asked"),
        pytest.param({"callback_url": URL}, {"callback_url": URL}, None, id="a callback"),
        pytest.param({"connection_id": "c="}, None, {"connection_id": "c="}, id="the connection it came by"),
        pytest.param({"attach": ATTACH}, None, {"attach": ATTACH}, id="whoever attaches"),
        pytest.param(
            {"callback_url": URL, "connection_id": "c=", "attach": ATTACH},
            {"callback_url": URL},
            {"connection_id": "c=", "attach": ATTACH},
            id="all of them",
        ),
    ],
)
def test_each_queue_gets_what_is_for_it_and_the_requests_id(
    asked: dict[str, str], callback: dict[str, str] | None, push: dict[str, str] | None
) -> None:
    expected = [
        (queue, {"request_id": "id1", **message})
        for queue, message in (("https://sqs/callbacks", callback), ("https://sqs/pushes", push))
        if message is not None
    ]

    assert sent(Notification("id1", **asked)) == expected


def test_a_client_is_made_for_the_first_who_asks_and_once_for_all_threads() -> None:
    made: list[Queues] = []

    def make() -> Any:
        made.append(Queues())
        return made[-1]

    notifier = SqsNotifier(make, SETTINGS)
    notifier.notify(Notification("id1"))
    assert made == []

    together = threading.Barrier(8)

    def notify(number: int) -> None:
        together.wait(60)
        notifier.notify(Notification(f"id{number}", callback_url=URL))

    threads = [threading.Thread(target=notify, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    (queues,) = made
    assert len(queues.sent) == 8


def test_a_queue_that_does_not_take_its_message_is_no_secret() -> None:
    queues: Any = Queues(refuse=SETTINGS.push_queue_url)

    with pytest.raises(ClientError, match="RequestThrottled"):
        SqsNotifier(lambda: queues, SETTINGS).notify(Notification("id1", callback_url=URL, attach=ATTACH))
