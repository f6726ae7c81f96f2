"""A results table with DynamoDB's own rules, a buffer and a bucket in memory, and an intake between them."""

import json
import threading
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from local.wire import WireRequest, WireResponse
from pipeline.intake import Intake
from pipeline.outlet import Outlet, Record
from pipeline.pending import PendingRequests
from pipeline.request import BUFFERS, Buffer
from pipeline.results_table import ResultsTable
from tests.dynamodb.world import make_db

START_S = 1_732_400_000.0
TTL_DAYS = 7
PENDING_S: dict[Buffer, int] = {"sns": 100, "sqs": 200, "kinesis": 300, "kinesis-efo": 300}
Guard = Callable[[str, Callable[[], Any]], Any]


def unguarded(_name: str, do: Callable[[], Any]) -> Any:
    return do()


class Clock:
    """Seconds since the epoch, moved by whoever holds it."""

    def __init__(self) -> None:
        self.now = START_S

    def __call__(self) -> float:
        return self.now


class Tables:
    """A client of the embedded DynamoDB in this process: one call at a time, as DynamoDB orders those of an item."""

    def __init__(self) -> None:
        self._db = make_db()
        self._lock = threading.Lock()

    def update_item(self, **values: Any) -> Any:
        return self._do("UpdateItem", values)

    def get_item(self, **values: Any) -> Any:
        return self._do("GetItem", values)

    def _do(self, operation: str, values: Mapping[str, Any]) -> Any:
        target = {"x-amz-target": f"DynamoDB_20120810.{operation}"}
        body = json.dumps({"TableName": "results", **values}).encode()
        with self._lock:
            answered = _without_waiting(self._db.handle(WireRequest("POST", "/", headers=target, body=body)))
        answer = json.loads(answered.body)
        if answered.status == 200:
            return answer
        error = {"Code": answer.pop("__type").rpartition("#")[2], "Message": answer.pop("message")}
        raise ClientError({"Error": error, **answer}, operation)

    def item(self, request_id: str) -> dict[str, Any] | None:
        item: dict[str, Any] | None = self.get_item(Key={"request_id": {"S": request_id}}).get("Item")
        return item


def _without_waiting(coroutine: Coroutine[Any, Any, WireResponse]) -> WireResponse:
    """What a coroutine that waits for nothing returns; a loop for each call is ten times the time of the call."""
    try:
        coroutine.send(None)
    except StopIteration as ended:
        response: WireResponse = ended.value
        return response
    raise AssertionError("it waits for something")


class GuardedTables(Tables):
    """Another's tables, with a word before each call."""

    def __init__(self, tables: Tables, guard: Guard) -> None:
        self._tables = tables
        self._guard = guard

    def _do(self, operation: str, values: Mapping[str, Any]) -> Any:
        if "published_at = " in values.get("UpdateExpression", ""):
            name = "note published"
        elif "unpublished = " in values.get("UpdateExpression", ""):
            name = "note unpublished"
        else:
            name = "reserve"
        return self._guard(name, lambda: self._tables._do(operation, values))


@dataclass
class Buffered:
    """A buffer that takes records of up to `most` characters."""

    guard: Guard = unguarded
    most: int = 1_000
    records: list[Record] = field(default_factory=list)

    def fits(self, record: Record) -> bool:
        return len(record.text) <= self.most

    def publish(self, record: Record) -> None:
        self.guard("publish", lambda: self.records.append(record))


@dataclass
class Bucket:
    """A bucket."""

    guard: Guard = unguarded
    bucket: str = "images"
    objects: dict[str, bytes] = field(default_factory=dict)

    def put(self, key: str, data: bytes) -> None:
        self.guard("put", lambda: self.objects.__setitem__(key, data))


@dataclass
class World:
    """All that outlives an environment."""

    clock: Clock = field(default_factory=Clock)
    tables: Tables = field(default_factory=Tables)
    records: list[Record] = field(default_factory=list)
    objects: dict[str, bytes] = field(default_factory=dict)
    refused_urls: dict[str, Exception] = field(default_factory=dict)

    def intake(self, guard: Guard = unguarded) -> Intake:
        """The intake of a new environment."""
        tables: Any = GuardedTables(self.tables, guard)
        buffered: Outlet = Buffered(guard, records=self.records)
        return Intake(
            PendingRequests(tables, "results", ttl_days=TTL_DAYS, now=self.clock),
            Bucket(guard, objects=self.objects),
            dict.fromkeys((buffer for buffer in BUFFERS if buffer != "kinesis-efo"), buffered),
            pending_s=PENDING_S,
            check_url=self._check_url,
            now=self.clock,
        )

    def results(self) -> ResultsTable:
        """The table as a consumer has it."""
        tables: Any = self.tables
        return ResultsTable(tables, "results", ttl_days=TTL_DAYS, now=self.clock)

    def standing(self, request_id: str) -> str:
        """What GET /v1/requests/ID says, by the rules of its template."""
        item = self.tables.item(request_id)
        if item is None:
            return "UNKNOWN"
        if "status" in item:
            return str(item["status"]["S"])
        waiting = "unpublished" not in item and self.clock.now * 1_000 < int(item["pending_until"]["N"])
        return "PENDING" if waiting else "FAILED"

    def _check_url(self, url: str) -> None:
        if url in self.refused_urls:
            raise self.refused_urls[url]
