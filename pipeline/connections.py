"""The connections table: one item a WebSocket connection, from $connect to $disconnect.

API Gateway does not promise $disconnect, and ends a connection after two hours; what is left behind goes by its TTL.
"""

import time
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from pipeline.client_error import is_condition_failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient

# A connection lives 2 hours at most (API Gateway quotas for WebSocket APIs); the rest is for clocks and late pushes.
LIFETIME_S: Final = 3 * 3_600

_KEY: Final = "connection_id"


class ConnectionsTable:
    """Writes connections, from as many threads as the client has connections. `now` yields seconds.

    Every method raises botocore.exceptions.BotoCoreError or ClientError where the table did not take it.
    """

    def __init__(self, client: "DynamoDBClient", name: str, *, now: "Callable[[], float]" = time.time) -> None:
        self._client = client
        self._name = name
        self._now = now

    def add(self, connection_id: str) -> None:
        """Store a new connection."""
        now = self._now()
        item = {
            _KEY: {"S": connection_id},
            "connected_at": {"N": str(int(now * 1_000))},
            "attached": {"N": "0"},
            "expires_at": {"N": str(int(now) + LIFETIME_S)},
        }
        self._client.put_item(TableName=self._name, Item=item)

    def remove(self, connection_id: str) -> None:
        """Forget a connection; one that is not there is forgotten already."""
        self._client.delete_item(TableName=self._name, Key={_KEY: {"S": connection_id}})

    def count_attach(self, connection_id: str, most: int) -> bool:
        """Count one more attach, if the connection is there and has made fewer than `most`; says whether it was."""
        try:
            self._client.update_item(
                TableName=self._name,
                Key={_KEY: {"S": connection_id}},
                UpdateExpression="ADD attached :one",
                # Of a connection that is gone there is no `attached` to compare: an item without a TTL is never made.
                ConditionExpression="attached < :most",
                ExpressionAttributeValues={":one": {"N": "1"}, ":most": {"N": str(most)}},
            )
        except ClientError as error:
            if is_condition_failed(error):
                return False
            raise
        return True
