"""The results table: one item a request, whatever number of times it was processed.

Every attribute but the key and the count is written with if_not_exists, in one UpdateItem: the first result stands
whole, and a later one only adds to `deliveries`. So that no attribute of a second result slips in where the first had
none, a result without reason or model version says so with NULL. `run_id` and `sequence` stand only on the requests
of a load test: they are the keys of the sparse index `by_run`.

A request that a function took has an item before it has a result (pipeline/pending.py). What tells them apart is
`status`, which only a result has.
"""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from pipeline.client_config import ATTEMPTS, TIMEOUT_S, few_retries
from pipeline.request import BUFFERS, Measurement
from pipeline.result import Label, Passage, Result, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from botocore.session import Session
    from mypy_boto3_dynamodb import DynamoDBClient

BY_RUN_INDEX = "by_run"

_KEY = "request_id"
_DAY_S = 86_400


class ItemError(ValueError):
    """An item of the table that is no result; the text says of which request and what is wrong."""


@dataclass(frozen=True, slots=True)
class StoredResult:
    """A result as it stands in the table. `stored_at` is in ms since the epoch, None if its stamp is missing yet.

    `deliveries` counts how often the request was processed to the end; `expires_at` is in seconds since the epoch.
    """

    result: Result
    stored_at: float | None
    deliveries: int
    expires_at: int


def dynamodb_client(
    session: "Session", connections: int, *, attempts: int = ATTEMPTS, timeout_s: float = TIMEOUT_S
) -> "DynamoDBClient":
    """A client whose few retries end well inside a function's time."""
    config = few_retries(connections, attempts=attempts, connect_timeout_s=timeout_s, read_timeout_s=timeout_s)
    return cast("DynamoDBClient", session.create_client("dynamodb", config=config))


class ResultsTable:
    """Writes and reads results, from as many threads as the client has connections. `now` yields seconds."""

    def __init__(
        self, client: "DynamoDBClient", name: str, *, ttl_days: int = 30, now: "Callable[[], float]" = time.time
    ) -> None:
        self._client = client
        self._name = name
        self._ttl_s = ttl_days * _DAY_S
        self._now = now

    def write(self, result: Result) -> None:
        """Store a result, or count it if its request has one. Writing again is safe.

        A result with a measurement is stamped with `stored_at` in a second call, after the first has returned; the
        others carry the time at which their write began.

        Raises:
            botocore.exceptions.BotoCoreError, ClientError: the table did not take it.
        """
        now = self._now()
        item = to_item(result, expires_at=int(now) + self._ttl_s)
        if result.measurement is None:
            item["stored_at"] = _ms(now * 1_000)
        self._first_wins(result.request_id, item, deliveries=1)
        if result.measurement is not None:
            self._first_wins(result.request_id, {"stored_at": _ms(self._now() * 1_000)}, deliveries=0)

    def count(self, request_id: str) -> None:
        """Count one more processing of a request whose result is stored already.

        Raises:
            botocore.exceptions.BotoCoreError, ClientError: the table did not take it.
        """
        self._first_wins(request_id, {}, deliveries=1)

    def read(self, request_id: str) -> StoredResult | None:
        """The result of a request, None if there is none yet, or nothing but that it is pending. A consistent read.

        Raises:
            ItemError: what stands there is no result.
        """
        answer = self._client.get_item(TableName=self._name, Key={_KEY: {"S": request_id}}, ConsistentRead=True)
        item = answer.get("Item", {})
        return from_item(item) if "status" in item else None

    def read_run(self, run_id: str, *, first: int = 0, end: int | None = None) -> "Iterator[StoredResult]":
        """The results of a run with sequences from `first` up to, not including, `end`, ascending.

        Pages are fetched as they are asked for; ranges apart can be read at once. The index follows the table after
        a moment: a result just written may be missing.

        Raises:
            ItemError: an item is no result.
        """
        condition = "run_id = :run AND #sequence >= :first"
        values: dict[str, Any] = {":run": {"S": run_id}, ":first": {"N": str(first)}}
        if end is not None:
            condition = "run_id = :run AND #sequence BETWEEN :first AND :last"
            values[":last"] = {"N": str(end - 1)}
            if end <= first:
                return
        pages = self._client.get_paginator("query").paginate(
            TableName=self._name,
            IndexName=BY_RUN_INDEX,
            KeyConditionExpression=condition,
            ExpressionAttributeNames={"#sequence": "sequence"},
            ExpressionAttributeValues=values,
        )
        for page in pages:
            for item in page["Items"]:
                yield from_item(item)

    def _first_wins(self, request_id: str, item: "Mapping[str, Any]", *, deliveries: int) -> None:
        names = {f"#{name}": name for name in item if name != _KEY}
        values = {f":{name}": value for name, value in item.items() if name != _KEY}
        clauses = []
        if names:
            clauses.append("SET " + ", ".join(f"#{n} = if_not_exists(#{n}, :{n})" for n in names.values()))
        if deliveries:
            clauses.append("ADD #deliveries :deliveries")
            names["#deliveries"] = "deliveries"
            values[":deliveries"] = {"N": str(deliveries)}
        self._client.update_item(
            TableName=self._name,
            Key={_KEY: {"S": request_id}},
            UpdateExpression=" ".join(clauses),
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
        )


def to_item(result: Result, *, expires_at: int) -> dict[str, Any]:
    """The item of a result, in DynamoDB's attribute values; without `stored_at` and `deliveries`."""
    passage = result.passage
    item = {
        _KEY: {"S": result.request_id},
        "status": {"S": result.status.value},
        "labels": {"L": [_label_to_value(label) for label in result.labels]},
        "reason": _text_or_null(result.reason),
        "model_version": _text_or_null(result.model_version),
        "buffer": _text_or_null(result.buffer),
        "accepted_at": _ms(passage.accepted_at),
        "received_at": _ms(passage.received_at),
        "recognised_at": _ms(passage.recognised_at),
        "batch_size": _number(passage.batch_size),
        "attempts": _number(passage.attempts),
        "init_ms": _ms(passage.init_ms),
        "environment": {"S": passage.environment},
        "expires_at": _number(expires_at),
    }
    if result.measurement is not None:
        item["run_id"] = {"S": result.measurement.run_id}
        item["sequence"] = _number(result.measurement.sequence)
        item["intended_at"] = _ms(result.measurement.intended_at)
    # A request's own, so a second result of it brings the same: it needs no NULL.
    if result.attach is not None:
        item["attach"] = {"S": result.attach}
    if result.owner is not None:
        item["owner"] = {"S": result.owner}
    return item


def from_item(item: "Mapping[str, Any]") -> StoredResult:
    """Read an item.

    Raises:
        ItemError: an attribute is missing or of the wrong type.
    """
    try:
        return _stored_result(item)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        request_id = item.get(_KEY, {}).get("S", "unknown")
        raise ItemError(f"the item of request {request_id!r} is no result: {error!r}") from None


def _stored_result(item: "Mapping[str, Any]") -> StoredResult:
    buffer = _text_or_none(item.get("buffer"))
    if buffer is not None and buffer not in BUFFERS:
        raise ValueError(f"buffer is {buffer!r}")
    measurement = None
    if "run_id" in item:
        measurement = Measurement(
            run_id=item["run_id"]["S"],
            sequence=int(item["sequence"]["N"]),
            intended_at=float(item["intended_at"]["N"]),
        )
    passage = Passage(
        accepted_at=float(item["accepted_at"]["N"]),
        received_at=float(item["received_at"]["N"]),
        recognised_at=float(item["recognised_at"]["N"]),
        batch_size=int(item["batch_size"]["N"]),
        attempts=int(item["attempts"]["N"]),
        init_ms=float(item["init_ms"]["N"]),
        environment=item["environment"]["S"],
    )
    result = Result(
        request_id=item[_KEY]["S"],
        buffer=buffer,
        status=Status(item["status"]["S"]),
        labels=tuple(_label_from_value(value) for value in item["labels"]["L"]),
        reason=_text_or_none(item.get("reason")),
        model_version=_text_or_none(item.get("model_version")),
        passage=passage,
        measurement=measurement,
        attach=_text_or_none(item.get("attach")),
        owner=_text_or_none(item.get("owner")),
    )
    return StoredResult(
        result=result,
        stored_at=float(item["stored_at"]["N"]) if "stored_at" in item else None,
        deliveries=int(item["deliveries"]["N"]),
        expires_at=int(item["expires_at"]["N"]),
    )


def _label_to_value(label: Label) -> dict[str, Any]:
    return {
        "M": {
            "name": {"S": label.name},
            "confidence": _number(label.confidence),
            "parents": {"L": [{"S": parent} for parent in label.parents]},
        }
    }


def _label_from_value(value: "Mapping[str, Any]") -> Label:
    label = value["M"]
    return Label(
        name=label["name"]["S"],
        confidence=float(label["confidence"]["N"]),
        parents=tuple(parent["S"] for parent in label["parents"]["L"]),
    )


def _number(value: float) -> dict[str, str]:
    # A float's shortest text has 17 digits at most, and DynamoDB keeps 38: what is read back is the same float.
    return {"N": repr(value)}


def _ms(ms: float) -> dict[str, str]:
    # To the microsecond: a client may send 1e-200, which is a number to JSON and none to DynamoDB (1e-130 and above).
    return _number(round(ms, 3))


def _text_or_null(text: str | None) -> dict[str, Any]:
    return {"NULL": True} if text is None else {"S": text}


def _text_or_none(value: "Mapping[str, Any] | None") -> str | None:
    return None if value is None or "NULL" in value else cast("str", value["S"])
