from dataclasses import fields
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from botocore.exceptions import EndpointConnectionError, NoCredentialsError
from botocore.stub import Stubber

from pipeline.request import BUFFERS
from pipeline.stack import Stack, StackError, describe

OUTPUTS = {
    "ApiUrl": "https://api/live",
    "StreamName": "stream",
    "QueueUrl": "https://queue",
    "TopicArn": "arn:topic",
    "ResultsTable": "results",
    "ResultsByRunIndex": "by_run",
    "ImageBucket": "images",
    "SqsDeadLetterQueueUrl": "https://dead",
    "SnsFailureQueueUrl": "https://failed",
    "KinesisFailureBucket": "failed",
    "SnsFunctionName": "sns",
    "SqsFunctionName": "sqs",
    "KinesisFunctionName": "kinesis",
    "WebSocketUrl": "websocketurl",
    "SyncFunctionName": "syncfunctionname",
    "RequestHandlerFunctionName": "requesthandlerfunctionname",
    "CallbackFunctionName": "callbackfunctionname",
    "PushFunctionName": "pushfunctionname",
    "WebSocketFunctionName": "websocketfunctionname",
    "CallbackQueueUrl": "callbackqueueurl",
    "CallbackDeadLetterQueueUrl": "callbackdeadletterqueueurl",
    "PushQueueUrl": "pushqueueurl",
    "PushDeadLetterQueueUrl": "pushdeadletterqueueurl",
    "CallbackSecretArn": "callbacksecretarn",
    "ConnectionsTable": "connectionstable",
    "WatchersTable": "watcherstable",
    "CallbacksTable": "callbackstable",
    "KinesisEfoStreamName": "pushed",
    "KinesisEfoConsumerArn": "arn:consumer",
    "KinesisEfoFailureBucket": "failed-pushes",
    "KinesisEfoFunctionName": "kinesis-efo",
    "Authentication": "IAM",
    "ApiKeyId": "key1",
}


class _Template(yaml.SafeLoader):
    pass


_Template.add_multi_constructor("!", lambda loader, tag, node: tag)


def test_infra_yaml_has_every_output_that_a_stack_reads() -> None:
    template = yaml.load((Path(__file__).parents[2] / "infra.yaml").read_text(), Loader=_Template)

    assert set(OUTPUTS) <= set(template["Outputs"])


def test_outputs_are_read_by_their_names_and_more_are_no_harm() -> None:
    stack = Stack.from_outputs({**OUTPUTS, "More": "x"})

    assert [getattr(stack, field.name) for field in fields(Stack)] == list(OUTPUTS.values())


def test_a_stack_without_fan_out_is_whole_and_lacks_that_one_buffer() -> None:
    stack = Stack.from_outputs({name: value for name, value in OUTPUTS.items() if "KinesisEfo" not in name})

    assert stack.buffers == ("sns", "sqs", "kinesis")
    assert stack.kinesis_efo_failure_bucket is None
    assert Stack.from_outputs(OUTPUTS).buffers == BUFFERS


def test_a_stack_that_does_not_say_what_it_asks_of_callers_asks_nothing() -> None:
    older = {name: value for name, value in OUTPUTS.items() if name not in {"Authentication", "ApiKeyId"}}

    assert (Stack.from_outputs(older).authentication, Stack.from_outputs(older).api_key_id) == ("NONE", None)


def test_missing_outputs_are_all_named() -> None:
    with pytest.raises(StackError, match=r"no output ApiUrl, TopicArn: was it made from this infra\.yaml"):
        Stack.from_outputs({name: value for name, value in OUTPUTS.items() if name not in {"ApiUrl", "TopicArn"}})


@pytest.fixture
def client() -> Any:
    return boto3.client("cloudformation", "eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")


def answer(status: str) -> dict[str, object]:
    outputs = [{"OutputKey": name, "OutputValue": value} for name, value in OUTPUTS.items()]
    stack = {"StackName": "mine", "CreationTime": "2026-01-01", "StackStatus": status, "Outputs": outputs}
    return {"Stacks": [stack]}


@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"])
def test_a_finished_stack_is_described(client: Any, status: str) -> None:
    with Stubber(client) as stub:
        stub.add_response("describe_stacks", answer(status), {"StackName": "mine"})

        assert describe(client, "mine") == Stack.from_outputs(OUTPUTS)


@pytest.mark.parametrize(
    "status", ["CREATE_IN_PROGRESS", "ROLLBACK_COMPLETE", "DELETE_COMPLETE", "UPDATE_ROLLBACK_FAILED"]
)
def test_an_unfinished_stack_says_what_it_is(client: Any, status: str) -> None:
    with Stubber(client) as stub:
        stub.add_response("describe_stacks", answer(status))

        with pytest.raises(StackError, match=f"the stack mine in eu-west-1 is {status}: wait"):
            describe(client, "mine")


@pytest.mark.parametrize(
    ("code", "message", "said"),
    [
        ("ValidationError", "Stack with id mine does not exist", "there is no stack mine in eu-west-1: deploy it"),
        ("ValidationError", "1 validation error detected", "1 validation error detected; check the credentials"),
        ("AccessDenied", "not authorized to perform", "not authorized to perform; check the credentials"),
        ("ExpiredToken", "The security token is expired", "is expired; check the credentials"),
    ],
)
def test_a_refusal_of_cloudformation_names_the_cure(client: Any, code: str, message: str, said: str) -> None:
    with Stubber(client) as stub:
        stub.add_client_error("describe_stacks", code, message, 400)

        with pytest.raises(StackError, match=said):
            describe(client, "mine")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NoCredentialsError(), "no AWS credentials: .*; set AWS_PROFILE"),
        (EndpointConnectionError(endpoint_url="https://x"), "CloudFormation in eu-west-1 cannot be reached"),
    ],
)
def test_no_credentials_and_no_network_are_told_apart(
    client: Any, error: Exception, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(client, "describe_stacks", fail)
    with pytest.raises(StackError, match=said):
        describe(client, "mine")
