"""infra.yaml's routes in front of the embedded buffers themselves, no stand-in between."""

import base64
import itertools
import json

import pytest

from delivery.kinesis_stream import KinesisStream
from delivery.quotas import Quotas
from delivery.sns_topic import SnsTopic
from local.kinesis import Kinesis
from local.sns import Sns
from local.sqs import Sqs
from local.stream import Stream
from local.template import ResolvedStack
from local.topic import Topic
from tests.gateway.conftest import Infra
from tests.gateway.upstream import EXTENDED_ID, Clock
from tests.wire.world import make_queue

ACCOUNT = "000000000000"
UUIDS = (f"00000000-0000-4000-8000-{number:012x}" for number in itertools.count())
KEY = {"image": {"key": "cat.jpg"}, "run": {"id": "é&+%'\"\\\u2028\U0001f600$x#if", "sequence": 7, "intended_at": 1.5}}


class Services:
    """The buffers of a stack, on the clock of its API. The topic takes few messages a second."""

    def __init__(self, stack: ResolvedStack, clock: Clock) -> None:
        outputs, quotas = stack.outputs, Quotas.with_overrides({"sns_messages_per_s": 3})
        self.streams = [
            Stream(resource.ref, resource.attributes["Arn"], KinesisStream(1, quotas), clock, quotas=quotas)
            for resource in stack.of_type("AWS::Kinesis::Stream")
        ]
        name = stack.resources["Queue"].attributes["QueueName"]
        self.queue = make_queue(name, clock, message_id=lambda: next(UUIDS))
        self.topic = Topic(
            outputs["TopicArn"],
            SnsTopic([], quotas),
            clock,
            lambda: next(UUIDS),
            maximum_message_size=quotas.sns_message_bytes,
            subscriptions=[],
        )
        self.by_name = {
            "kinesis": Kinesis(self.streams, ACCOUNT, clock, lambda: next(UUIDS)),
            "sqs": Sqs([self.queue], clock, lambda: next(UUIDS)),
            "sns": Sns([self.topic], lambda: next(UUIDS)),
        }


@pytest.fixture
def served(stack: ResolvedStack) -> Infra:
    clock = Clock()
    infra = Infra(stack, clock=clock)
    services = Services(stack, clock)
    return Infra(stack, {**infra.upstreams, **services.by_name}, clock)  # type: ignore[dict-item]


@pytest.mark.parametrize("buffer", ["kinesis", "kinesis-efo", "sqs", "sns"])
async def test_a_request_is_taken(served: Infra, buffer: str) -> None:
    response = await served.post(buffer, json.dumps(KEY, ensure_ascii=False).encode())
    assert (response.status, json.loads(response.body)) == (202, {"request_id": EXTENDED_ID})


@pytest.mark.parametrize("buffer", ["kinesis", "kinesis-efo", "sqs", "sns"])
async def test_a_record_too_large_for_its_buffer_is_a_413(served: Infra, buffer: str) -> None:
    image = base64.b64encode(bytes(1024 * 1024)).decode()
    response = await served.post(buffer, json.dumps({"image": {"bytes": image}}).encode())
    assert response.status == 413
    assert "PUT /v1/images" in json.loads(response.body)["remedy"]


@pytest.mark.parametrize(("buffer", "image_bytes"), [("kinesis", 300_000), ("kinesis-efo", 300_000), ("sns", 300)])
async def test_a_buffer_at_its_limit_is_a_429(served: Infra, buffer: str, image_bytes: int) -> None:
    body = json.dumps({"image": {"bytes": base64.b64encode(bytes(image_bytes)).decode()}}).encode()
    answers = []
    for _ in range(8):
        served.clock.now -= 1
        answers.append(await served.post(buffer, body))
    statuses = [answer.status for answer in answers]
    assert statuses == sorted(statuses), "once it is full it stays full: the clock stands still"
    assert set(statuses) == {202, 429}
    assert answers[-1].headers["retry-after"] == "1"
    assert "limit" in json.loads(answers[-1].body)["message"]


async def test_sqs_refuses_what_xml_cannot_hold_with_a_400(served: Infra) -> None:
    body = {"image": {"key": "a"}, "run": {"id": "x\ufffey", "sequence": 0, "intended_at": 0}}
    response = await served.post("sqs", json.dumps(body, ensure_ascii=False).encode())
    assert response.status == 400
