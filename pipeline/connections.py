"""The connections table: one item a WebSocket connection, from $connect to $disconnect.

API Gateway does not promise $disconnect, and ends a connection after two hours; what is left behind goes by its TTL.
"""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from pipeline.client_error import is_condition_failed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

# A connection lives 2 hours at most (API Gateway quotas for WebSocket APIs); the rest is for clocks and late pushes.
LIFETIME_S: Final = 3 * 3_600

_KEY: Final = "connection_id"


@dataclass(frozen=True, slots=True)
class Known:
    """A connection that is there. `owner` is who made it, by its handshake (pipeline/ownership.py)."""

    owner: str | None


class ConnectionsTable:
    """Writes connections, from as many threads as the client has connections. `now` yields seconds.

    Every method raises botocore.exceptions.BotoCoreError or ClientError where the table did not take it.
    """

    def __init__(self, client: "DynamoDBClient", name: str, *, now: "Callable[[], float]" = time.time) -> None:
        self._client = client
        self._name = name
        self._now = now

    def add(self, connection_id: str, owner: str | None = None) -> None:
        """Store a new connection of an owner."""
        now = self._now()
        item = {
            _KEY: {"S": connection_id},
            "connected_at": {"N": str(int(now * 1_000))},
            "attached": {"N": "0"},
            "expires_at": {"N": str(int(now) + LIFETIME_S)},
        }
        if owner is not None:
            item["owner"] = {"S": owner}
        self._client.put_item(TableName=self._name, Item=item)

    def read(self, connection_id: str) -> Known | None:
        """Whose a connection is, None if it is gone. A consistent read."""
        answer = self._client.get_item(
            TableName=self._name,
            Key={_KEY: {"S": connection_id}},
            ProjectionExpression=f"{_KEY}, #owner",
            ExpressionAttributeNames={"#owner": "owner"},
            ConsistentRead=True,
        )
        item = answer.get("Item")
        return None if item is None else _known(item)

    def remove(self, connection_id: str) -> None:
        """Forget a connection; one that is not there is forgotten already."""
        self._client.delete_item(TableName=self._name, Key={_KEY: {"S": connection_id}})

    def count_attach(self, connection_id: str, most: int) -> Known | None:
        """Count one more attach, if the connection is there and has made fewer than `most`; None if it was not."""
        try:
            answer = self._client.update_item(
                TableName=self._name,
                Key={_KEY: {"S": connection_id}},
                UpdateExpression="ADD attached :one",
                # Of a connection that is gone there is no `attached` to compare: an item without a TTL is never made.
                ConditionExpression="attached < :most",
                ExpressionAttributeValues={":one": {"N": "1"}, ":most": {"N": str(most)}},
                ReturnValues="ALL_NEW",
            )
        except ClientError as error:
            if is_condition_failed(error):
                return None
            raise
        return _known(answer["Attributes"])


def _known(item: "Mapping[str, Any]") -> Known:
    return Known(item.get("owner", {}).get("S"))
