"""Answered: which requests have their result."""

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

    from mypy_boto3_dynamodb import DynamoDBClient

_THREADS: Final = 8


class Answered:
    """Asks a table which requests have an attribute, consistently: what was written a moment ago counts.

    Not BatchGetItem, whose answer leaves out what it had no capacity for.
    """

    def __init__(self, client: "DynamoDBClient", table: str, attribute: str) -> None:
        self._client = client
        self._table = table
        self._attribute = attribute
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="answered")

    def __call__(self, request_ids: "Collection[str]") -> set[str]:
        """Those that have it.

        Raises:
            botocore.exceptions.BotoCoreError, ClientError: the table could not be asked.
        """
        ids = list(request_ids)
        return {request_id for request_id, has in zip(ids, self._threads.map(self._has, ids), strict=True) if has}

    def _has(self, request_id: str) -> bool:
        answer = self._client.get_item(
            TableName=self._table,
            Key={"request_id": {"S": request_id}},
            ConsistentRead=True,
            ProjectionExpression="#attribute",
            ExpressionAttributeNames={"#attribute": self._attribute},
        )
        return self._attribute in answer.get("Item", {})
