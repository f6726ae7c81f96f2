"""The callbacks table: how far each callback is, whatever number of copies of its message there are.

request_id       the key
not_before       ms: nobody may do anything before it. A claim's lease and the pause after an attempt are the same.
holder           whose claim it is: a random text, so that a write that was repeated knows its own
attempts         claims so far; each is counted before its POST, so that one that crashes counts
acknowledged_at  ms: a 2xx was answered. Nothing is ever done again.
given_up         {reason, attempts}: no POST is ever made again, and a dead letter is due
dead_lettered_at ms: it was sent. Nothing is ever done again.
expires_at       s: the TTL, beyond the longest that the queue may keep a message
"""

import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from pipeline.client_error import is_condition_failed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

_KEY: Final = "request_id"
# API:SetQueueAttributes, MessageRetentionPeriod: 14 days at the most.
_KEPT_S: Final = 15 * 86_400
_LONGEST_REASON: Final = 1_000


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A callback that is never tried again, after so many attempts."""

    reason: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Claim:
    """The sole right to go on with a callback until the lease is over; the `attempt`-th one of it, from 1.

    With `given_up`, what is left to do is its dead letter.
    """

    request_id: str
    holder: str
    attempt: int
    given_up: GivenUp | None = None


@dataclass(frozen=True, slots=True)
class NotYet:
    """Somebody else has claimed it, or its pause is not over. `wait_s` is how long that may still take."""

    wait_s: float


@dataclass(frozen=True, slots=True)
class Settled:
    """It was acknowledged, or is among the dead letters."""


class CallbacksTable:
    """Reads and writes where callbacks stand, from as many threads as the client has connections.

    `now` yields seconds; `new_holder` a text that nobody else has. Every method raises
    botocore.exceptions.BotoCoreError or ClientError where the table did not take it.
    """

    def __init__(
        self,
        client: "DynamoDBClient",
        name: str,
        *,
        now: "Callable[[], float]" = time.time,
        new_holder: "Callable[[], str]" = lambda: uuid.uuid4().hex,
    ) -> None:
        self._client = client
        self._name = name
        self._now = now
        self._new_holder = new_holder

    def claim(self, request_id: str, lease_s: float) -> Claim | NotYet | Settled:
        """Claim a callback from now on for `lease_s`, if it is not settled and nobody else has."""
        holder, now = self._new_holder(), self._now()
        try:
            answer = self._client.update_item(
                TableName=self._name,
                Key={_KEY: {"S": request_id}},
                UpdateExpression="SET holder = :holder, not_before = :until, expires_at = :expires ADD attempts :one",
                ConditionExpression="attribute_not_exists(acknowledged_at) AND attribute_not_exists(dead_lettered_at) "
                "AND (attribute_not_exists(not_before) OR not_before <= :now)",
                ExpressionAttributeValues={
                    ":holder": {"S": holder},
                    ":now": _ms(now),
                    ":until": _ms(now + lease_s),
                    ":expires": {"N": str(int(now) + _KEPT_S)},
                    ":one": {"N": "1"},
                },
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if not is_condition_failed(error):
                raise
            response: Any = error.response
            return self._why_not(request_id, holder, response.get("Item", {}))
        return _claim(request_id, answer["Attributes"])

    def acknowledge(self, claim: Claim) -> None:
        """Settle a callback that was acknowledged; of a claim that has run out, too, for it was all the same."""
        self._update(claim, "SET acknowledged_at = :now REMOVE holder, not_before", {":now": _ms(self._now())})

    def pause(self, claim: Claim, pause_s: float) -> None:
        """Let go of a callback, which nobody may claim for `pause_s`; of a claim that has run out, there is nothing."""
        self._update(
            claim,
            "SET not_before = :until REMOVE holder",
            {":until": _ms(self._now() + pause_s), ":holder": {"S": claim.holder}},
            condition="holder = :holder",
        )

    def give_up(self, claim: Claim, given_up: GivenUp) -> bool:
        """Rule out that a callback is ever POSTed again, and keep the claim, to send its dead letter.

        False if the claim had run out: then it is somebody else's to decide.
        """
        stored = {"reason": {"S": given_up.reason[:_LONGEST_REASON]}, "attempts": {"N": str(given_up.attempts)}}
        return self._update(
            claim,
            "SET given_up = :given_up",
            {":given_up": {"M": stored}, ":holder": {"S": claim.holder}},
            condition="holder = :holder AND attribute_not_exists(acknowledged_at)",
        )

    def bury(self, claim: Claim) -> None:
        """Settle a callback whose dead letter was sent."""
        self._update(claim, "SET dead_lettered_at = :now REMOVE holder, not_before", {":now": _ms(self._now())})

    def reopen(self, request_id: str) -> None:
        """Make a callback due once more, with all its attempts, if it was not acknowledged: its message is sent again.

        Where somebody is at work on it, his lease or pause stays.
        """
        try:
            self._client.update_item(
                TableName=self._name,
                Key={_KEY: {"S": request_id}},
                UpdateExpression="REMOVE dead_lettered_at, given_up, attempts",
                ConditionExpression="attribute_exists(request_id) AND attribute_not_exists(acknowledged_at)",
            )
        except ClientError as error:
            if not is_condition_failed(error):
                raise

    def _update(
        self, claim: Claim, expression: str, values: "Mapping[str, Any]", *, condition: str | None = None
    ) -> bool:
        conditional: dict[str, Any] = {} if condition is None else {"ConditionExpression": condition}
        try:
            self._client.update_item(
                TableName=self._name,
                Key={_KEY: {"S": claim.request_id}},
                UpdateExpression=expression,
                ExpressionAttributeValues=values,
                **conditional,
            )
        except ClientError as error:
            if not is_condition_failed(error):
                raise
            return False
        return True

    def _why_not(self, request_id: str, holder: str, item: "Mapping[str, Any]") -> Claim | NotYet | Settled:
        if "acknowledged_at" in item or "dead_lettered_at" in item:
            return Settled()
        if item.get("holder", {}).get("S") == holder:
            # The client sent the write again, for the answer to the first was lost; the first had succeeded.
            return _claim(request_id, item)
        until = float(item.get("not_before", {}).get("N", 0)) / 1_000
        return NotYet(max(0.0, until - self._now()))


def _claim(request_id: str, item: "Mapping[str, Any]") -> Claim:
    given_up = None
    if "given_up" in item:
        stored = item["given_up"]["M"]
        given_up = GivenUp(stored["reason"]["S"], int(stored["attempts"]["N"]))
    return Claim(request_id, item["holder"]["S"], int(item["attempts"]["N"]), given_up)


def _ms(seconds: float) -> dict[str, str]:
    return {"N": str(round(seconds * 1_000))}
