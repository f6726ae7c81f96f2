"""An account on moto that has what a stack's functions call, by the names that the stack gives them."""

from typing import Any

import boto3

from local.template import ResolvedStack
from pipeline.result import Passage, Result, Status
from pipeline.results_table import ResultsTable

# moto's.
ACCOUNT = "123456789012"
# 44 letters, the base64 of 33 bytes, as the template has it generated.
SECRET_STRING = "abcdefghijkl" * 3 + "ABCDEFGH"


def store(stack: ResolvedStack, request_id: str, *, attach: str | None = None, owner: str | None = None) -> None:
    """Store a result in the stack's table."""
    passage = Passage(1.0, 2.0, 3.0, batch_size=1, attempts=1, init_ms=0.0, environment="e")
    result = Result(request_id, "sqs", Status.SUCCEEDED, (), None, "m", passage, None, attach=attach, owner=owner)
    ResultsTable(boto3.client("dynamodb"), stack.resources["ResultsTable"].ref).write(result)


def make(stack: ResolvedStack) -> None:
    """Make tables, queues, streams, topics, buckets and secrets; under mock_aws."""
    dynamodb, sqs, sns = boto3.client("dynamodb"), boto3.client("sqs"), boto3.client("sns")
    for table in stack.of_type("AWS::DynamoDB::Table"):
        properties = table.properties
        indexes: Any = {name: properties[name] for name in ("GlobalSecondaryIndexes",) if name in properties}
        dynamodb.create_table(
            TableName=table.ref,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=properties["KeySchema"],
            AttributeDefinitions=properties["AttributeDefinitions"],
            **indexes,
        )
    for queue in stack.of_type("AWS::SQS::Queue"):
        assert sqs.create_queue(QueueName=queue.attributes["QueueName"])["QueueUrl"] == queue.ref
    for topic in stack.of_type("AWS::SNS::Topic"):
        assert sns.create_topic(Name=topic.attributes["TopicName"])["TopicArn"] == topic.ref
    for stream in stack.of_type("AWS::Kinesis::Stream"):
        boto3.client("kinesis").create_stream(StreamName=stream.ref, ShardCount=1)
    for bucket in stack.of_type("AWS::S3::Bucket"):
        boto3.client("s3").create_bucket(Bucket=bucket.ref)
    for secret in stack.of_type("AWS::SecretsManager::Secret"):
        name, _, ending = secret.ref.rpartition(":secret:")[2].rpartition("-")
        # What moto takes the end of an ARN from.
        tags: Any = [{"Key": "_custom_id_", "Value": ending}]
        made = boto3.client("secretsmanager").create_secret(Name=name, SecretString=SECRET_STRING, Tags=tags)
        assert made["ARN"] == secret.ref
