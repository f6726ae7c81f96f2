"""The WebSocket API's one function: connections come and go, messages are answered on the way back.

The routes' responses are what API Gateway sends to the client, so an answer needs no call of its own.
"""

import json
import os
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit
from botocore.session import get_session

from consumers import end_init
from consumers.conversation import Conversation, Message, Reply
from consumers.telemetry import logger, metrics
from pipeline.connections import ConnectionsTable
from pipeline.intake import Intake
from pipeline.notifications import notification_client
from pipeline.on_demand import OnDemand
from pipeline.ownership import Ownerships, owner_of
from pipeline.push_queue import PushQueue
from pipeline.results_table import dynamodb_client
from pipeline.settings import WebSocketSettings
from pipeline.watchers import WatchersTable

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


def _start() -> Conversation:
    settings = WebSocketSettings.from_environment(os.environ)
    session = get_session()
    # One at a time, as Lambda gives an environment its messages.
    dynamodb = dynamodb_client(session, 1)
    conversation = Conversation(
        Intake.from_environment(os.environ, session, dynamodb),
        Ownerships(dynamodb, settings.results_table),
        ConnectionsTable(dynamodb, settings.connections_table),
        WatchersTable(dynamodb, settings.watchers_table),
        PushQueue(OnDemand(lambda: notification_client(session, 1)), settings.push_queue_url),
    )
    end_init()
    return conversation


_conversation = _start()


@metrics.log_metrics(capture_cold_start_metric=True)
@logger.inject_lambda_context
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Take one event of a connection. The answer's body goes to its client, if it is a message's.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: a connection could not be stored or forgotten. The gateway then
            refuses it, or leaves it to its TTL.
    """
    about = event["requestContext"]
    connection_id = about["connectionId"]
    if about["routeKey"] == "$connect":
        _count("Connects")
        _conversation.open(connection_id, owner_of(about["identity"]))
        return {"statusCode": 200}
    if about["routeKey"] == "$disconnect":
        _count("Disconnects")
        _conversation.close(connection_id)
        return {"statusCode": 200}
    message = Message(
        connection_id=connection_id,
        route=about["routeKey"],
        text=event.get("body") or "",
        sent_at=about.get("requestTimeEpoch"),
        binary=bool(event.get("isBase64Encoded")),
    )
    reply = _conversation.answer(message, remaining_ms=context.get_remaining_time_in_millis())
    _tell(message, reply)
    return {"statusCode": 200, "body": json.dumps(reply.message, separators=(",", ":"))}


def _tell(message: Message, reply: Reply) -> None:
    # Neither images nor secrets: only what was answered.
    said = {name: reply.message.get(name) for name in ("type", "request_id", "status", "message")}
    about = {name: value for name, value in said.items() if value is not None}
    log = logger.info if reply.cause is None else logger.error
    log("message", connection_id=message.connection_id, route=message.route, answer=about, cause=reply.cause)
    _count({"accepted": "Accepted", "attached": "Attached"}.get(reply.message["type"], "MessageErrors"))


def _count(name: str) -> None:
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=1)
