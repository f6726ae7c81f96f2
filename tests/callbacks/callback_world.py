"""Callbacks without a network: a virtual clock, a queue, receivers by script, and the real table on our own DynamoDB.

Every effect on the world can be made to fail, to be done without its answer coming back, or to be the last thing that
its environment did.
"""

import json
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar

from botocore.exceptions import ClientError, EndpointConnectionError

from consumers.callback_notifier import Delivered, Notifier, Report
from consumers.callback_policy import Policy
from consumers.callback_post import Answered, NoAnswer, NotCalled, Outcome
from local.dynamodb.service import DynamoDb
from local.physical_names import PhysicalNames
from local.template import parse
from local.wire import WireRequest
from pipeline.callbacks_table import CallbacksTable
from pipeline.result import Label, Passage, Result, Status
from pipeline.results_table import StoredResult

T = TypeVar("T")

KEY: Final = b"k" * 33
POLICY: Final = Policy(maximum_attempts=4, first_retry_s=5, timeout_s=10)
# The queue's own visibility timeout, and what an environment has for a batch.
VISIBILITY_S: Final = 90.0
FUNCTION_S: Final = 40.0

_TEMPLATE = """
Resources:
  Callbacks:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: callbacks
      AttributeDefinitions: [{AttributeName: request_id, AttributeType: S}]
      KeySchema: [{AttributeName: request_id, KeyType: HASH}]
"""

# Refused: not done. Lost: done, and its answer lost. Crash: the environment is gone before it, or right after it.
Trouble = Literal["none", "refused", "lost", "crash before", "crash after"]


class Crash(BaseException):
    """The environment is gone; nothing that it would have done is done."""


class AtOnce(Executor):
    """Runs what it is given. What kills an environment goes through, and so does what fails a test."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except AssertionError:
            raise
        except Exception as error:  # noqa: BLE001 (as an executor does)
            future.set_exception(error)
        return future


@dataclass
class Message:
    """A message of the queue."""

    name: str
    body: str
    visible_at: float
    receives: int = 0

    @property
    def receipt(self) -> str:
        return f"{self.name}/{self.receives}"


@dataclass(frozen=True)
class Post:
    """A POST as it ended: its receiver has read it, whatever came back."""

    request_id: str
    at: float
    body: bytes
    headers: Mapping[str, str]
    outcome: Outcome


def result(request_id: str) -> StoredResult:
    passage = Passage(1.0, 2.0, 3.0, batch_size=1, attempts=1, init_ms=0.0, environment="e")
    found = Result(request_id, "sqs", Status.SUCCEEDED, (Label("Café", 99.5, ("Drink",)),), None, "m", passage, None)
    return StoredResult(found, stored_at=4.0, deliveries=1, expires_at=5)


@dataclass
class World:
    """All that a notifier touches. `script` has the outcomes of each request's POSTs, the last of which stays.

    `meanwhile` is called while a POST is out, with the request's id; `takes_s` is how long one is.
    """

    now: float = 1_700_000_000.0
    results: dict[str, StoredResult] = field(default_factory=dict)
    script: dict[str, list[Outcome]] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    letters: list[dict[str, Any]] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)
    posting: set[str] = field(default_factory=set)
    troubles: deque[Trouble] = field(default_factory=deque)
    troubled: int = 0
    paused_until: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    takes_s: float = 0.5
    meanwhile: Callable[[str], None] = lambda _request_id: None

    def __post_init__(self) -> None:
        stack = parse(_TEMPLATE).resolve({}, PhysicalNames(queue_base_url="http://127.0.0.1:1"))
        resources = {resource.ref: resource for resource in stack.resources.values()}
        self._db = DynamoDb(resources, lambda: self.now, lambda: "request")
        self._made = 0

    def effect(self, do: Callable[[], T]) -> T:
        """Do it, if nothing comes between."""
        trouble = self.troubles.popleft() if self.troubles else "none"
        self.troubled += trouble != "none"
        if trouble == "crash before":
            raise Crash
        if trouble == "refused":
            raise ClientError({"Error": {"Code": "InternalServerError", "Message": "no"}}, "Any")
        done = do()
        if trouble == "crash after":
            raise Crash
        if trouble == "lost":
            raise EndpointConnectionError(endpoint_url="https://aws")
        return done

    # --- DynamoDB's client, as far as the table uses it

    def update_item(self, **values: Any) -> Any:
        return self.effect(lambda: self._update_item(values))

    def _update_item(self, values: dict[str, Any]) -> Any:
        answer = self._ask("UpdateItem", values)
        if values["UpdateExpression"].startswith("SET not_before"):
            self.paused_until[values["Key"]["request_id"]["S"]] = (
                float(values["ExpressionAttributeValues"][":until"]["N"]) / 1_000
            )
        return answer

    def item(self, request_id: str) -> dict[str, Any]:
        """What stands in the table, without any trouble."""
        found = self._ask("GetItem", {"TableName": "callbacks", "Key": {"request_id": {"S": request_id}}})
        item: dict[str, Any] = found.get("Item", {})
        return item

    def _ask(self, operation: str, values: Mapping[str, Any]) -> Any:
        headers = {"x-amz-target": f"DynamoDB_20120810.{operation}"}
        asked = self._db.handle(WireRequest("POST", "/", headers=headers, body=json.dumps(values).encode()))
        try:
            asked.send(None)
        except StopIteration as answered:
            answer = answered.value
        parsed = json.loads(answer.body)
        if answer.status != 200:
            error = {"Error": {"Code": parsed["__type"].rpartition("#")[2], "Message": parsed["message"]}}
            raise ClientError({**error, "Item": parsed.get("Item")}, operation)  # type: ignore[typeddict-unknown-key]
        return parsed

    # --- results, keys, receivers, queue

    def read(self, request_id: str) -> StoredResult | None:
        return self.effect(lambda: self.results.get(request_id))

    def get(self) -> Sequence[bytes]:
        return self.effect(lambda: (KEY,))

    def post(self, url: str, body: bytes, headers: Mapping[str, str], deadline: float) -> Outcome:
        request_id = headers["webhook-id"]
        assert deadline > self.now, "there is no time for it"
        assert deadline <= self.now + POLICY.timeout_s, "it has more time than an attempt"
        assert request_id not in self.posting, "two at once"
        item = self.item(request_id)
        assert "acknowledged_at" not in item, "it was acknowledged"
        assert "given_up" not in item, "it was given up"
        assert float(item["not_before"]["N"]) / 1_000 > deadline, "its claim runs out before it has ended"
        # The table counts in ms.
        assert self.now >= self.paused_until[request_id] - 0.001, "its pause is not over"
        return self.effect(lambda: self._post(request_id, body, headers, deadline))

    def _post(self, request_id: str, body: bytes, headers: Mapping[str, str], deadline: float) -> Outcome:
        self.posting.add(request_id)
        try:
            began = self.now
            self.meanwhile(request_id)
            script = self.script[request_id]
            outcome = script.pop(0) if len(script) > 1 else script[0]
            self.now = min(deadline, max(self.now, began + self.takes_s))
            self.posts.append(Post(request_id, began, body, headers, outcome))
            return outcome
        finally:
            self.posting.discard(request_id)

    def hide(self, receipt: str, seconds: int) -> None:
        def hide() -> None:
            message = next((each for each in self.messages if each.receipt == receipt), None)
            if message is None:
                raise ClientError({"Error": {"Code": "ReceiptHandleIsInvalid", "Message": "no"}}, "Any")
            message.visible_at = self.now + seconds

        self.effect(hide)

    def bury(self, letter: str) -> None:
        self.effect(lambda: self.letters.append(json.loads(letter)))

    # --- what happens

    def ask(self, request_id: str, *script: Outcome, stored: bool = True) -> Message:
        """Store a result and send its message."""
        if stored:
            self.results[request_id] = result(request_id)
        self.script[request_id] = list(script) or [Answered(200)]
        return self.send({"request_id": request_id, "callback_url": f"https://example.com/{request_id}?token=secret"})

    def send(self, body: object) -> Message:
        self._made += 1
        text = body if isinstance(body, str) else json.dumps(body)
        self.messages.append(Message(f"m{self._made}", text, self.now))
        return self.messages[-1]

    def copy(self, message: Message) -> Message:
        """SQS delivers a message at least once."""
        self._made += 1
        self.messages.append(Message(f"m{self._made}", message.body, self.now))
        return self.messages[-1]

    def visible(self) -> list[Message]:
        return [message for message in self.messages if message.visible_at <= self.now]

    def notifier(self) -> Notifier:
        """Another environment."""
        client: Any = self
        table = CallbacksTable(client, "callbacks", now=lambda: self.now)
        return Notifier(
            self, table, self, self, self, POLICY, threads=AtOnce(), clock=lambda: self.now, now=lambda: self.now
        )

    def deliver(self, batch: Sequence[Message], *, function_s: float = FUNCTION_S) -> Report | None:
        """Give a batch to an environment, as the mapping does; None if it crashed."""
        for message in batch:
            message.receives += 1
            message.visible_at = self.now + VISIBILITY_S
        delivered = [Delivered(message.name, message.receipt, message.body) for message in batch]
        try:
            report = self.notifier().work(delivered, remaining_ms=function_s * 1_000)
        except Crash:
            return None
        done = {message.name for message in batch} - set(report.failed_tokens)
        self.messages = [message for message in self.messages if message.name not in done]
        return report

    def settle(self) -> None:
        """Deliver, one message after the other, until the queue is empty."""
        for _ in range(1_000):
            if not self.messages:
                return
            self.now = max(self.now, min(message.visible_at for message in self.messages))
            self.deliver(self.visible()[:1])
        raise AssertionError(f"never settled: {self.messages}")


BUSY: Final = Answered(503)
SILENT: Final = NoAnswer("it did not answer in time")
GONE: Final = Answered(410)
REFUSED: Final = NotCalled("10.0.0.1 is a private address")
OK: Final = Answered(200)
