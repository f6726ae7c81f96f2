"""Whose a request is: what the results table knows before anybody may be told anything of it."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient


@dataclass(frozen=True, slots=True)
class Ownership:
    """A request that is in the results table, with its result or still PENDING.

    `attach` is the hash of its owner's secret, None if it was made without; `done` says whether its result is there;
    `stranded` why it is not to be expected, which is what a poll would say.
    """

    attach: str | None
    done: bool
    stranded: str | None = None


class Ownerships:
    """Reads ownerships from the results table. `now` yields seconds."""

    def __init__(self, client: "DynamoDBClient", results_table: str, *, now: "Callable[[], float]" = time.time) -> None:
        self._client = client
        self._name = results_table
        self._now = now

    def read(self, request_id: str) -> Ownership | None:
        """Whose a request is, None if the table has nothing of it yet. A consistent read.

        Raises:
            botocore.exceptions.BotoCoreError, ClientError: the table could not be asked.
        """
        answer = self._client.get_item(
            TableName=self._name,
            Key={"request_id": {"S": request_id}},
            ProjectionExpression="request_id, #attach, #status, unpublished, pending_until",
            ExpressionAttributeNames={"#attach": "attach", "#status": "status"},
            ConsistentRead=True,
        )
        item = answer.get("Item")
        if item is None:
            return None
        done = "status" in item
        return Ownership(
            attach=item.get("attach", {}).get("S"), done=done, stranded=None if done else self._stranded(item)
        )

    def _stranded(self, item: "Mapping[str, Any]") -> str | None:
        # The attributes of pipeline.pending, as GET /v1/requests/{id} reads them.
        if "unpublished" in item:
            return str(item["unpublished"]["S"])
        if float(item.get("pending_until", {"N": "Infinity"})["N"]) <= self._now() * 1_000:
            return "GivenUp: its time in the buffer is over, or it never got there"
        return None
