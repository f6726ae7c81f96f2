"""Whose a request is: who sent it, and what the results table knows before anybody may be told anything of it.

An owner is a text: `iam:` and the unique id of the principal that signed, or `key:` and the id of an API key. A role's
sessions are one owner. Who may assume the role may name its session as he likes, so a name keeps nobody out; and a
service that is started anew, in another session, still has to find its results. Ids are never given to another, unlike
the names in an ARN.
"""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient


# IAM identifiers (IAM User Guide): the ids of roles; behind one stands the session's name.
_ROLE: Final = "AROA"


def owner_of(identity: "Mapping[str, Any]") -> str | None:
    """The owner by the `identity` of a request's context, None where the API asks nobody who calls.

    The templates of infra.yaml make the same of it (Mappings, Caller).
    """
    caller = str(identity.get("caller") or "")
    if caller.startswith(_ROLE):
        caller = caller.partition(":")[0]
    if caller:
        # A template cannot put an @ into a record; no principal's id has a *.
        return f"iam:{caller.replace('@', '*')}"
    key_id = identity.get("apiKeyId")
    return f"key:{key_id}" if key_id else None


@dataclass(frozen=True, slots=True)
class Ownership:
    """A request that is in the results table, with its result or still PENDING.

    `attach` is the hash of a secret of its owner's, None if it was made without; `done` says whether its result is
    there; `stranded` why it is not to be expected, which is what a poll would say.
    """

    attach: str | None
    done: bool
    stranded: str | None = None
    owner: str | None = None


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
            ProjectionExpression="request_id, #attach, #status, #owner, unpublished, pending_until",
            ExpressionAttributeNames={"#attach": "attach", "#status": "status", "#owner": "owner"},
            ConsistentRead=True,
        )
        item = answer.get("Item")
        if item is None:
            return None
        done = "status" in item
        return Ownership(
            attach=item.get("attach", {}).get("S"),
            done=done,
            stranded=None if done else self._stranded(item),
            owner=item.get("owner", {}).get("S"),
        )

    def _stranded(self, item: "Mapping[str, Any]") -> str | None:
        # The attributes of pipeline.pending, as GET /v1/requests/{id} reads them.
        if "unpublished" in item:
            return str(item["unpublished"]["S"])
        if float(item.get("pending_until", {"N": "Infinity"})["N"]) <= self._now() * 1_000:
            return "GivenUp: its time in the buffer is over, or it never got there"
        return None
