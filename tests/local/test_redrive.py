from typing import Any

import pytest

from delivery.protocol import Offer
from delivery.quotas import Quotas
from local.buffers import queues_of
from local.template import Resource


def resource(name: str, **properties: Any) -> Resource:
    arn = f"arn:aws:sqs:us-east-1:000000000000:{name}"
    return Resource(name, "AWS::SQS::Queue", properties, f"http://sqs/{name}", {"Arn": arn, "QueueName": name})


@pytest.mark.parametrize(
    ("policy", "receives", "why"),
    [
        ({"maxReceiveCount": 3}, 3, "what the policy says"),
        ({"maxReceiveCount": "3"}, 3, "CloudFormation passes numbers as texts, too"),
        ({}, 10, "SQS API, CreateQueue: the default of a policy that does not say"),
    ],
)
def test_a_message_is_received_as_often_as_its_redrive_policy_allows(
    policy: dict[str, Any], receives: int, why: str
) -> None:
    dead = resource("dead")
    queue = resource("work", RedrivePolicy={"deadLetterTargetArn": dead.attributes["Arn"], **policy})
    machine: Any = queues_of([queue, dead], Quotas(), lambda: 0.0)[queue.attributes["Arn"]].machine
    machine.offer(0.0, Offer([1], 100))
    count = 0
    while machine.receive(31.0 * count, 1) is not None:
        count += 1
    assert count == receives, why
