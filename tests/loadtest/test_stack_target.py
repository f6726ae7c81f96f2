import json
import re
import time
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from loadtest._stack_target import StackTarget
from loadtest._target import TargetError
from loadtest._workload import read
from pipeline.request import Measurement
from pipeline.result import Passage, Result, Status
from pipeline.results_table import BY_RUN_INDEX, ResultsTable
from pipeline.workload_file import find
from tests.loadtest.stack_outputs import stack_outputs

OUTPUTS = stack_outputs(
    ApiUrl="https://api/prod/",
    QueueUrl={"Ref": "Queue"},
    ResultsTable={"Ref": "Table"},
    ResultsByRunIndex=BY_RUN_INDEX,
    SqsDeadLetterQueueUrl={"Ref": "Dead"},
    SnsFailureQueueUrl={"Ref": "Failed"},
    KinesisFailureBucket={"Ref": "Bucket"},
    KinesisEfoFailureBucket={"Ref": "OtherBucket"},
    KinesisFunctionName="f",
)


def without_fan_out(outputs):
    return {name: value for name, value in outputs.items() if not name.startswith("KinesisEfo")}


def template(outputs):
    keys = [("run_id", "HASH"), ("sequence", "RANGE")]
    return {
        "Parameters": {"FunctionMemory": {"Type": "Number", "Default": 1024}},
        "Resources": {
            "Queue": {"Type": "AWS::SQS::Queue"},
            "Dead": {"Type": "AWS::SQS::Queue"},
            "Failed": {"Type": "AWS::SQS::Queue"},
            "Bucket": {"Type": "AWS::S3::Bucket"},
            "OtherBucket": {"Type": "AWS::S3::Bucket"},
            "Table": {
                "Type": "AWS::DynamoDB::Table",
                "Properties": {
                    "BillingMode": "PAY_PER_REQUEST",
                    "KeySchema": [{"AttributeName": "request_id", "KeyType": "HASH"}],
                    "AttributeDefinitions": [
                        {"AttributeName": "request_id", "AttributeType": "S"},
                        {"AttributeName": "run_id", "AttributeType": "S"},
                        {"AttributeName": "sequence", "AttributeType": "N"},
                    ],
                    "GlobalSecondaryIndexes": [
                        {
                            "IndexName": BY_RUN_INDEX,
                            "KeySchema": [{"AttributeName": name, "KeyType": kind} for name, kind in keys],
                            "Projection": {"ProjectionType": "ALL"},
                        }
                    ],
                },
            },
        },
        "Outputs": {name: {"Value": value} for name, value in outputs.items()},
    }


@pytest.fixture
def aws(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield boto3.Session()


@pytest.fixture
def stack(aws):
    body = json.dumps(template(OUTPUTS))
    aws.client("cloudformation").create_stack(StackName="forebay", TemplateBody=body)
    target = StackTarget("forebay")
    target.open(read(find("smoke")))
    return target


def record(request_id, run_id, sequence):
    return {
        "request_id": request_id, "accepted_at": 1.0, "buffer": "sqs",
        "request": {"image": {"bytes": "YQ=="}, "run": {"id": run_id, "sequence": sequence, "intended_at": 0.5}},
    }  # fmt: skip


def test_a_stack_is_known_by_its_outputs(stack):
    assert stack.kind == "aws"
    assert stack.api_url == "https://api/prod"
    assert stack.outputs["ResultsByRunIndex"] == BY_RUN_INDEX
    # Shards and memory among them, by which AWS charges.
    assert stack.options == {"parameters": {"FunctionMemory": "1024"}}


def test_a_workload_for_a_buffer_that_the_stack_was_made_without_is_refused_at_once(aws):
    body = json.dumps(template(without_fan_out(OUTPUTS)))
    aws.client("cloudformation").create_stack(StackName="plain", TemplateBody=body)

    with pytest.raises(TargetError, match=r"no kinesis-efo: it was made with KinesisFanOut=false"):
        StackTarget("plain").open(read(find("smoke")))


def test_results_dead_letters_and_depth_of_a_run_are_read(stack, aws):
    table = ResultsTable(aws.client("dynamodb"), stack.outputs["ResultsTable"])
    for run_id, sequence in (("r1.sqs", 0), ("r1.sqs", 1), ("r1.sns", 0)):
        passage = Passage(1.0, 2.0, 3.0, 1, 1, 0.0, "e")
        measurement = Measurement(run_id, sequence, 0.5)
        table.write(Result(f"{run_id}{sequence}", "sqs", Status.SUCCEEDED, (), None, "m", passage, measurement))
    sqs = aws.client("sqs")
    sqs.send_message(QueueUrl=stack.outputs["QueueUrl"], MessageBody="waits")
    for name in ("SqsDeadLetterQueueUrl", "SnsFailureQueueUrl"):
        sqs.send_message(QueueUrl=stack.outputs[name], MessageBody=json.dumps(record("d", "r1.sqs", 2)))

    state = stack.state("sqs", "r1.sqs")

    assert (state.completed, state.dead_lettered, state.backlog) == (2, 1, 1)
    assert [row[:4] for row in stack.results("sqs", "r1.sqs")] == [
        ("sqs", 0, "r1.sqs0", "SUCCEEDED"), ("sqs", 1, "r1.sqs1", "SUCCEEDED"),
    ]  # fmt: skip
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    assert [row[:3] for row in stack.dead_letters("sqs", "r1.sqs", hour_ago)] == [("sqs", 2, "d")]
    assert list(stack.dead_letters("kinesis", "r1.kinesis", hour_ago)) == []
    assert list(stack.dead_letters("kinesis-efo", "r1.kinesis-efo", hour_ago)) == []
    assert (stack.state("sns", "r1.sns").completed, stack.state("sns", "r1.sns").backlog) == (1, None)
    assert stack.state("kinesis", "r1.kinesis").dead_lettered is None
    assert stack.state("kinesis-efo", "r1.kinesis-efo").dead_lettered is None


def test_what_cloudwatch_knows_is_in_the_state_with_its_age(stack, aws, monkeypatch):
    now = time.time()
    for name, dimension, value in (
        ("Throttles", ("FunctionName", "f"), 3.0), ("ConcurrentExecutions", ("FunctionName", "f"), 8.0),
        ("IteratorAge", ("FunctionName", "f"), 4_500.0),
    ):  # fmt: skip
        aws.client("cloudwatch").put_metric_data(
            Namespace="AWS/Lambda",
            MetricData=[
                {
                    "MetricName": name, "Value": value, "Timestamp": datetime.fromtimestamp(now, UTC),
                    "Dimensions": [{"Name": dimension[0], "Value": dimension[1]}],
                }
            ],
        )  # fmt: skip
    clock = iter((now, now + 60, now + 60))
    monkeypatch.setattr(stack.monitoring, "_clock", lambda: next(clock))

    before = stack.state("kinesis", "r1.kinesis")
    state = stack.state("kinesis", "r1.kinesis").since(before)

    assert (before.throttles, before.metrics_age_s) == (None, None)
    assert (state.throttles, state.concurrency, state.oldest_age_s) == (3, 8, 4.5)
    assert 0 <= state.metrics_age_s <= 60
    told = stack.monitoring.told("kinesis", "r1.kinesis", now + 60)
    assert {row[1]: row[5] for row in told.rows} == {
        "Throttles": 3.0, "ConcurrentExecutions": 8.0, "IteratorAge": 4_500.0,
    }  # fmt: skip
    assert told.missing == ()


def test_the_depth_of_a_queue_is_its_own_word_of_this_moment(stack, aws):
    sqs = aws.client("sqs")
    for body in ("one", "two", "three"):
        sqs.send_message(QueueUrl=stack.outputs["QueueUrl"], MessageBody=body)
    sqs.receive_message(QueueUrl=stack.outputs["QueueUrl"])

    state = stack.state("sqs", "r1.sqs")

    assert (state.backlog, state.in_flight) == (3, 1)


def test_credentials_that_may_not_read_metrics_are_refused_before_a_load(stack, monkeypatch):
    def deny(*_):
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetMetricData")

    monkeypatch.setattr("loadtest._cloudwatch_monitoring.read", deny)

    with pytest.raises(TargetError, match="may not call cloudwatch:GetMetricData"):
        stack.open(read(find("smoke")))


def test_a_stack_keeps_what_it_holds(stack):
    assert not stack.renew()


def test_a_stack_that_is_not_there_is_refused(aws):
    with pytest.raises(TargetError, match="the stack nothing cannot be read"):
        StackTarget("nothing").open(read(find("smoke")))


def test_a_stack_of_another_template_is_refused(aws):
    body = json.dumps(template({"ApiUrl": "x"}))
    aws.client("cloudformation").create_stack(StackName="other", TemplateBody=body)

    with pytest.raises(TargetError, match="has no output StreamName"):
        StackTarget("other").open(read(find("smoke")))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "You must specify a region; set AWS_DEFAULT_REGION, or a region in the profile"),
        ({"AWS_PROFILE": "gone"}, "profile (gone) could not be found; set AWS_PROFILE to one of those that `aws conf"),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "Unable to locate credentials; set AWS_PROFILE, or AWS_ACCESS_KEY_ID"),
    ],
)
def test_what_is_missing_in_the_users_own_settings_is_said_with_its_cure(alone, monkeypatch, settings, says):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(TargetError, match=re.escape(says)):
        StackTarget("forebay").open(read(find("smoke")))
