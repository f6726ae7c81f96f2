"""infra.yaml's own API, in front of services that answer what they are told to."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from local.gateway.rest_api import RestApi
from local.physical_names import PhysicalNames
from local.template import ResolvedStack, load
from local.wire import WireRequest, WireResponse
from tests.gateway.upstream import STARTED_AT, Clock, Everybody, Upstream, answered, fixed_id

MESSAGE_ID = "1b671a64-40d5-491e-99b0-da01ff1f3341"
# What the services answer to a call that they took.
ACCEPTED = {
    "kinesis": b'{"SequenceNumber":"49652146291845270837120","ShardId":"shardId-000000000000"}',
    "sqs": b'{"SendMessageResponse":{"ResponseMetadata":{"RequestId":"r"},"SendMessageResult":'
    b'{"MD5OfMessageBody":"d41d8cd98f00b204e9800998ecf8427e","MessageId":"' + MESSAGE_ID.encode() + b'"}}}',
    "sns": b'{"PublishResponse":{"PublishResult":{"MessageId":"' + MESSAGE_ID.encode() + b'","SequenceNumber":null},'
    b'"ResponseMetadata":{"RequestId":"r"}}}',
    "dynamodb": b"{}",
    "s3": b"",
    # A function that says so, too.
    "lambda": b'{"statusCode":202,"body":"{}"}',
}


@pytest.fixture(scope="session")
def stack() -> ResolvedStack:
    template = load(Path(__file__).parents[2] / "infra.yaml")
    names = PhysicalNames(queue_base_url="http://127.0.0.1:4100", region="eu-west-1")
    return template.resolve({"CodeBucket": "code", "CodeKey": "forebay.zip"}, names)


@dataclass
class Infra:
    """The API of infra.yaml and what is behind it."""

    stack: ResolvedStack
    upstreams: dict[str, Upstream] = field(
        default_factory=lambda: {name: Upstream(answered(200, body)) for name, body in ACCEPTED.items()}
    )
    clock: Clock = field(default_factory=lambda: Clock(STARTED_AT))

    def __post_init__(self) -> None:
        self.api = RestApi(self.stack.resources, self.upstreams, self.clock, fixed_id, callers=Everybody())

    def behind(self, buffer: str) -> Upstream:
        """The service that a buffer's route calls."""
        return self.upstreams["kinesis" if buffer == "kinesis-efo" else buffer]

    async def ask(
        self, method: str, path: str, body: bytes = b"", content_type: str | None = "application/json"
    ) -> WireResponse:
        # Each request comes in a second of its own, so that no bucket runs dry.
        self.clock.now += 1
        headers = {} if content_type is None else {"content-type": content_type}
        return await self.api.handle(WireRequest(method, f"/{self.api.stage_name}{path}", "", headers, body))

    async def post(self, buffer: str, body: bytes, content_type: str | None = "application/json") -> WireResponse:
        return await self.ask("POST", f"/v1/{buffer}/images", body, content_type)


@pytest.fixture
def infra(stack: ResolvedStack) -> Infra:
    return Infra(stack)
