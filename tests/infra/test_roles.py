"""Who may do what: the whole list, so that a right more is a line more here."""

from typing import Any

import pytest

from local.template import ResolvedStack

OF_EVERY_FUNCTION = {
    "rekognition:DetectLabels": "*",
    "s3:GetObject": "ImageBucket/*",
    "dynamodb:UpdateItem": "ResultsTable",
    "sqs:SendMessage": "CallbackQueue PushQueue",
}
TAKE_IN = {
    "s3:PutObject": "ImageBucket/*",
    "sns:Publish": "Topic",
    "kinesis:PutRecord": "Stream KinesisEfoStream",
}
RIGHTS: dict[str, dict[str, str]] = {
    "SnsFunctionRole": {
        **OF_EVERY_FUNCTION,
        "logs:CreateLogStream": "SnsFunctionLogs",
        "logs:PutLogEvents": "SnsFunctionLogs",
        "sqs:SendMessage": "CallbackQueue PushQueue SnsFailureQueue",
    },
    "SqsFunctionRole": {
        **OF_EVERY_FUNCTION,
        "logs:CreateLogStream": "SqsFunctionLogs",
        "logs:PutLogEvents": "SqsFunctionLogs",
        "sqs:ReceiveMessage": "Queue",
        "sqs:DeleteMessage": "Queue",
        "sqs:GetQueueAttributes": "Queue",
    },
    "KinesisFunctionRole": {
        **OF_EVERY_FUNCTION,
        "logs:CreateLogStream": "KinesisFunctionLogs",
        "logs:PutLogEvents": "KinesisFunctionLogs",
        "kinesis:DescribeStream": "Stream",
        "kinesis:DescribeStreamSummary": "Stream",
        "kinesis:GetRecords": "Stream",
        "kinesis:GetShardIterator": "Stream",
        "kinesis:ListShards": "Stream",
        "s3:PutObject": "KinesisFailureBucket/*",
        "s3:ListBucket": "KinesisFailureBucket",
    },
    "KinesisEfoFunctionRole": {
        **OF_EVERY_FUNCTION,
        "logs:CreateLogStream": "KinesisEfoFunctionLogs",
        "logs:PutLogEvents": "KinesisEfoFunctionLogs",
        "kinesis:DescribeStream": "KinesisEfoStream",
        "kinesis:DescribeStreamSummary": "KinesisEfoStream",
        "kinesis:GetRecords": "KinesisEfoStream",
        "kinesis:GetShardIterator": "KinesisEfoStream",
        "kinesis:ListShards": "KinesisEfoStream",
        "kinesis:DescribeStreamConsumer": "KinesisEfoConsumer",
        "kinesis:SubscribeToShard": "KinesisEfoConsumer",
        "s3:PutObject": "KinesisEfoFailureBucket/*",
        "s3:ListBucket": "KinesisEfoFailureBucket",
    },
    "SyncFunctionRole": {
        "logs:CreateLogStream": "SyncFunctionLogs",
        "logs:PutLogEvents": "SyncFunctionLogs",
        "rekognition:DetectLabels": "*",
        "s3:GetObject": "ImageBucket/*",
        "dynamodb:UpdateItem": "ResultsTable",
    },
    "RequestHandlerFunctionRole": {
        **TAKE_IN,
        "logs:CreateLogStream": "RequestHandlerFunctionLogs",
        "logs:PutLogEvents": "RequestHandlerFunctionLogs",
        "dynamodb:UpdateItem": "ResultsTable",
        "sqs:SendMessage": "Queue",
    },
    "WebSocketFunctionRole": {
        **TAKE_IN,
        "logs:CreateLogStream": "WebSocketFunctionLogs",
        "logs:PutLogEvents": "WebSocketFunctionLogs",
        "dynamodb:GetItem": "ResultsTable ConnectionsTable",
        "dynamodb:UpdateItem": "ResultsTable ConnectionsTable",
        "dynamodb:DeleteItem": "ConnectionsTable",
        "dynamodb:PutItem": "ConnectionsTable WatchersTable",
        "sqs:SendMessage": "Queue PushQueue",
    },
    "CallbackFunctionRole": {
        "logs:CreateLogStream": "CallbackFunctionLogs",
        "logs:PutLogEvents": "CallbackFunctionLogs",
        "dynamodb:GetItem": "ResultsTable",
        "dynamodb:UpdateItem": "CallbacksTable",
        "secretsmanager:GetSecretValue": "CallbackSecret",
        "sqs:ReceiveMessage": "CallbackQueue",
        "sqs:DeleteMessage": "CallbackQueue",
        "sqs:GetQueueAttributes": "CallbackQueue",
        "sqs:ChangeMessageVisibility": "CallbackQueue",
        "sqs:SendMessage": "CallbackDeadLetterQueue",
    },
    "PushFunctionRole": {
        "logs:CreateLogStream": "PushFunctionLogs",
        "logs:PutLogEvents": "PushFunctionLogs",
        "dynamodb:GetItem": "ResultsTable",
        "dynamodb:Query": "WatchersTable",
        "dynamodb:DeleteItem": "WatchersTable ConnectionsTable",
        "execute-api:ManageConnections": "WebSocketApi/live/POST/@connections/*",
        "sqs:ReceiveMessage": "PushQueue",
        "sqs:DeleteMessage": "PushQueue",
        "sqs:GetQueueAttributes": "PushQueue",
    },
    "PostKinesisImageRole": {"kinesis:PutRecord": "Stream"},
    "PostKinesisEfoImageRole": {"kinesis:PutRecord": "KinesisEfoStream"},
    "PostSqsImageRole": {"sqs:SendMessage": "Queue"},
    "PostSnsImageRole": {"sns:Publish": "Topic"},
    "PutImageRole": {"s3:PutObject": "ImageBucket/*"},
    "GetRequestRole": {"dynamodb:GetItem": "ResultsTable"},
    "ApiLogRole": {},
}
# IAM knows no resource that DetectLabels works on, so there is none to name.
ONLY_ANY_RESOURCE = {"rekognition:DetectLabels"}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_every_role_is_listed(stack: ResolvedStack) -> None:
    assert {role.logical_id for role in stack.of_type("AWS::IAM::Role")} == set(RIGHTS)


@pytest.mark.parametrize("name", RIGHTS)
def test_role_has_the_listed_rights_and_no_other(stack: ResolvedStack, name: str) -> None:
    granted: dict[str, set[str]] = {}
    for policy in stack.resources[name].properties.get("Policies", []):
        for statement in policy["PolicyDocument"]["Statement"]:
            assert statement["Effect"] == "Allow"
            for action in as_list(statement["Action"]):
                resources = set(as_list(statement["Resource"]))
                assert not resources & granted.get(action, set())
                granted[action] = granted.get(action, set()) | resources

    assert granted == {
        action: {arn(stack, target) for target in targets.split()} for action, targets in RIGHTS[name].items()
    }


def arn(stack: ResolvedStack, target: str) -> str:
    if target == "*":
        return target
    logical_id, _, below = target.partition("/")
    resource = stack.resources[logical_id]
    if resource.type == "AWS::ApiGatewayV2::Api":
        return f"arn:aws:execute-api:us-east-1:000000000000:{resource.ref}/{below}"
    return resource.attributes.get("Arn", resource.ref) + (f"/{below}" if below else "")


def test_any_resource_is_named_only_where_iam_knows_none() -> None:
    assert {
        action for rights in RIGHTS.values() for action, target in rights.items() if target == "*"
    } == ONLY_ANY_RESOURCE


def test_no_action_is_a_pattern() -> None:
    assert not [action for rights in RIGHTS.values() for action in rights if "*" in action]


@pytest.mark.parametrize("name", RIGHTS)
def test_role_is_trusted_to_one_service(stack: ResolvedStack, name: str) -> None:
    (statement,) = stack.resources[name].properties["AssumeRolePolicyDocument"]["Statement"]
    service = "lambda" if "Function" in name else "apigateway"

    assert statement == {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }


@pytest.mark.parametrize("bucket", ["ImageBucket", "KinesisFailureBucket", "KinesisEfoFailureBucket"])
def test_bucket_is_closed_to_the_public_and_to_plain_http(stack: ResolvedStack, bucket: str) -> None:
    closed = stack.resources[bucket].properties["PublicAccessBlockConfiguration"]
    policy = stack.resources[f"{bucket}Policy"].properties
    (statement,) = policy["PolicyDocument"]["Statement"]

    assert all(closed[key] for key in ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls"))
    assert closed["RestrictPublicBuckets"]
    assert policy["Bucket"] == stack.resources[bucket].ref
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == [arn(stack, bucket), arn(stack, f"{bucket}/*")]
