"""Whose a request is: what the results table knows before anybody may be told anything of it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@dataclass(frozen=True, slots=True)
class Ownership:
    """A request that is in the results table, with its result or still PENDING.

    `attach` is the hash of its owner's secret, None if it was made without; `done` says whether its result is there.
    """

    attach: str | None
    done: bool


class Ownerships:
    """Reads ownerships from the results table."""

    def __init__(self, client: "DynamoDBClient", results_table: str) -> None:
        self._client = client
        self._name = results_table

    def read(self, request_id: str) -> Ownership | None:
        """Whose a request is, None if the table has nothing of it yet. A consistent read.

        Raises:
            botocore.exceptions.BotoCoreError, ClientError: the table could not be asked.
        """
        answer = self._client.get_item(
            TableName=self._name,
            Key={"request_id": {"S": request_id}},
            ProjectionExpression="request_id, attach, #status",
            ExpressionAttributeNames={"#status": "status"},
            ConsistentRead=True,
        )
        item = answer.get("Item")
        if item is None:
            return None
        return Ownership(attach=item.get("attach", {}).get("S"), done="status" in item)
