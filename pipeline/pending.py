"""Pending requests: what stands in the results table between a function's 202 and the request's result.

    pending_until   N  ms since the epoch: until then the request may be on its way; after it, it is not
    body_hash       S  whose body it is, so that an idempotency key is not used for two
    attempt         S  who wrote it: one run of a function
    published_at    N  ms; the buffer has it
    unpublished     S  why the buffer has it not
    attach          S  the request's, if it has one
    owner           S  the request's
    expires_at      N  s; the item goes with the results

None of them but `attach`, `owner` and `expires_at`, which say the same there, is an attribute of a result, so that the
result's write, if_not_exists attribute by attribute, stands whole. A request is pending while it has no `status`, no
`unpublished`, and `pending_until` is to come. So none is for ever, whatever crashes: before the buffer has it, until
the end of its function's time; after that, for as long as the buffer keeps anything.
"""

import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from pipeline.client_error import is_condition_failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient

_KEY: Final = "request_id"
_DAY_S: Final = 86_400

# No item; or one without a result that is the same request's, whose attempt has failed, or is over without a word.
_FREE: Final = (
    "attribute_not_exists(request_id) OR (attribute_not_exists(#status) AND body_hash = :hash AND "
    "(attribute_exists(unpublished) OR (attribute_not_exists(published_at) AND pending_until < :now)))"
)


@dataclass(frozen=True, slots=True)
class Reservation:
    """The right to publish a request, held by one attempt."""

    request_id: str
    attempt: str


@dataclass(frozen=True, slots=True)
class Held:
    """A request id that is another's: of an attempt in work, a request on its way, or one with its result.

    `body_hash` is None where the item does not say.
    """

    body_hash: str | None


class PendingRequests:
    """Writes pending items, from as many threads as the client has connections. `now` yields seconds.

    Every method raises botocore.exceptions.BotoCoreError or ClientError where the table did not take it.
    """

    def __init__(
        self,
        client: "DynamoDBClient",
        name: str,
        *,
        ttl_days: int,
        now: "Callable[[], float]" = time.time,
        new_attempt: "Callable[[], str]" = lambda: secrets.token_hex(16),
    ) -> None:
        self._client = client
        self._name = name
        self._ttl_s = ttl_days * _DAY_S
        self._now = now
        self._new_attempt = new_attempt

    def reserve(
        self, request_id: str, *, body_hash: str, attach: str | None, until_ms: float, owner: str | None = None
    ) -> Reservation | Held:
        """Take a request id for one attempt, which has the time `until_ms` to say how it went."""
        attempt = self._new_attempt()
        now = self._now()
        sets = ["pending_until = :until", "body_hash = :hash", "attempt = :attempt", "expires_at = :expires"]
        # Aliases, for words that DynamoDB keeps for itself.
        names = {"#status": "status"}
        values: dict[str, Any] = {
            ":until": _number(until_ms),
            ":hash": {"S": body_hash},
            ":attempt": {"S": attempt},
            ":expires": _number(now + self._ttl_s),
            ":now": _number(now * 1_000),
        }
        if attach is not None:
            sets.append("#attach = :attach")
            names["#attach"] = "attach"
            values[":attach"] = {"S": attach}
        if owner is not None:
            sets.append("#owner = :owner")
            names["#owner"] = "owner"
            values[":owner"] = {"S": owner}
        try:
            self._client.update_item(
                TableName=self._name,
                Key={_KEY: {"S": request_id}},
                UpdateExpression=f"SET {', '.join(sets)} REMOVE unpublished",
                ConditionExpression=_FREE,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if not is_condition_failed(error):
                raise
            item: dict[str, Any] = dict(error.response).get("Item", {})  # type: ignore[assignment]
            # An answer that was lost on its way: botocore asked again, and found what it had written before.
            if item.get("attempt", {}).get("S") != attempt:
                return Held(item.get("body_hash", {}).get("S"))
        return Reservation(request_id, attempt)

    def published(self, reservation: Reservation, until_ms: float) -> None:
        """Note that the buffer has it, and will have given it up or delivered it by `until_ms`."""
        self._note(
            reservation,
            "SET published_at = :now, pending_until = :until REMOVE unpublished",
            {":now": _number(self._now() * 1_000), ":until": _number(until_ms)},
        )

    def unpublished(self, reservation: Reservation, reason: str) -> None:
        """Note that the buffer has it not, and why: that is what the request's status will say."""
        self._note(reservation, "SET unpublished = :reason", {":reason": {"S": reason}})

    def _note(self, reservation: Reservation, update: str, values: "dict[str, Any]") -> None:
        try:
            self._client.update_item(
                TableName=self._name,
                Key={_KEY: {"S": reservation.request_id}},
                UpdateExpression=update,
                ConditionExpression="attempt = :attempt",
                ExpressionAttributeValues={**values, ":attempt": {"S": reservation.attempt}},
            )
        except ClientError as error:
            # The attempt is over and another has taken the request: what is to be said of it is the other's to say.
            if not is_condition_failed(error):
                raise


def _number(value: float) -> dict[str, str]:
    return {"N": str(int(value))}
