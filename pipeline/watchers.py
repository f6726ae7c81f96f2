"""The watchers table: which connections wait for which request, whose they are, and the hash of the secret each showed.

A watcher is written before anybody knows whether its request exists, and says nothing of it. It fires only if its hash
is the one that the request itself was made with, and its connection is of the request's owner.
"""

import hashlib
import hmac
import time
from typing import TYPE_CHECKING, Final

from pipeline.connections import LIFETIME_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient


def hash_of(secret: str) -> str:
    """What a request's `attach` is: the SHA-256 of a secret's UTF-8, in lower-case hex.

    Raises:
        UnicodeEncodeError: it is a text that UTF-8 cannot write.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def is_owner(shown_hash: str, attach: str | None) -> bool:
    """Whether a secret's hash is the one that a request was made with; a request without one has no owner."""
    return attach is not None and hmac.compare_digest(shown_hash.encode(), attach.encode())


class WatchersTable:
    """Writes and reads watchers, from as many threads as the client has connections. `now` yields seconds.

    Every method raises botocore.exceptions.BotoCoreError or ClientError where the table did not take it.
    """

    _REQUEST: Final = "request_id"
    _CONNECTION: Final = "connection_id"

    def __init__(self, client: "DynamoDBClient", name: str, *, now: "Callable[[], float]" = time.time) -> None:
        self._client = client
        self._name = name
        self._now = now

    def add(self, request_id: str, connection_id: str, secret_hash: str, owner: str | None = None) -> None:
        """Let a connection wait for a request. Of one connection's secrets for a request, the last one stands."""
        item = {
            **self._key(request_id, connection_id),
            "secret_hash": {"S": secret_hash},
            "expires_at": {"N": str(int(self._now()) + LIFETIME_S)},
        }
        if owner is not None:
            item["owner"] = {"S": owner}
        self._client.put_item(TableName=self._name, Item=item)

    def owners(self, request_id: str, attach: str, owner: str | None = None) -> list[str]:
        """The connections of its `owner` that wait for a request and have shown its secret, which hashes to `attach`.

        A consistent read: whoever stored a result before it meets every watcher whose attach has not seen that result.
        """
        pages = self._client.get_paginator("query").paginate(
            TableName=self._name,
            KeyConditionExpression=f"{self._REQUEST} = :request",
            ExpressionAttributeValues={":request": {"S": request_id}},
            ConsistentRead=True,
        )
        return [
            item[self._CONNECTION]["S"]
            for page in pages
            for item in page["Items"]
            if is_owner(item["secret_hash"]["S"], attach) and item.get("owner", {}).get("S") == owner
        ]

    def remove(self, request_id: str, connection_id: str) -> None:
        """Let a connection wait no longer; one that does not wait is no matter."""
        self._client.delete_item(TableName=self._name, Key=self._key(request_id, connection_id))

    def _key(self, request_id: str, connection_id: str) -> "dict[str, dict[str, str]]":
        return {self._REQUEST: {"S": request_id}, self._CONNECTION: {"S": connection_id}}
