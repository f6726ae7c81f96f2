"""What infra.yaml does against whoever comes near: encryption, TLS, logs without secrets, throttles, a firewall."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from delivery.environments import Account
from delivery.quotas import Quotas
from local.buffers import queues_of, stream_of, topic_of
from local.dynamodb.declaration import table_of
from local.functions import functions_of
from local.physical_names import PhysicalNames
from local.template import ResolvedStack, Resource, Template, TemplateError
from tests.infra.conftest import path_of

NAMES = PhysicalNames(queue_base_url="http://127.0.0.1:4100")
GIVEN = {"CodeBucket": "code", "CodeKey": "forebay.zip"}
KEY = "arn:aws:kms:us-east-1:000000000000:key/0a1b2c3d-0000-4000-8000-000000000000"
WEB_ACL = "arn:aws:wafv2:us-east-1:000000000000:regional/webacl/guard/0a1b2c3d-0000-4000-8000-000000000000"

# How each type of resource that keeps something says which key it is encrypted with.
KEY_OF: Mapping[str, Callable[[Mapping[str, Any]], object]] = {
    "AWS::DynamoDB::Table": lambda properties: properties["SSESpecification"]["KMSMasterKeyId"],
    "AWS::Kinesis::Stream": lambda properties: properties["StreamEncryption"]["KeyId"],
    "AWS::Lambda::Function": lambda properties: properties["KmsKeyArn"],
    "AWS::Logs::LogGroup": lambda properties: properties["KmsKeyId"],
    "AWS::S3::Bucket": lambda properties: properties["BucketEncryption"]["ServerSideEncryptionConfiguration"][0][
        "ServerSideEncryptionByDefault"
    ]["KMSMasterKeyID"],
    "AWS::SecretsManager::Secret": lambda properties: properties["KmsKeyId"],
    "AWS::SNS::Topic": lambda properties: properties["KmsMasterKeyId"],
    "AWS::SQS::Queue": lambda properties: properties["KmsMasterKeyId"],
}
KEEPS_NOTHING = re.compile(
    r"AWS::(ApiGateway(V2)?::\w+|IAM::Role|Kinesis::StreamConsumer|Lambda::(EventInvokeConfig|EventSourceMapping|Permission)"
    r"|S3::BucketPolicy|SNS::(Subscription|TopicPolicy)|SQS::QueuePolicy|WAFv2::WebACLAssociation)"
)
# What a right needs of the key, and by which service (the developer guides' pages on key management of each).
DECRYPT, MAKE = "kms:Decrypt", "kms:GenerateDataKey"
NEEDS: Mapping[str, set[str]] = {
    "dynamodb:DeleteItem": {DECRYPT},
    "dynamodb:GetItem": {DECRYPT},
    "dynamodb:PutItem": {DECRYPT},
    "dynamodb:Query": {DECRYPT},
    "dynamodb:UpdateItem": {DECRYPT},
    "kinesis:GetRecords": {DECRYPT},
    "kinesis:PutRecord": {MAKE},
    "kinesis:SubscribeToShard": {DECRYPT},
    "s3:GetObject": {DECRYPT},
    "s3:PutObject": {MAKE},
    "secretsmanager:GetSecretValue": {DECRYPT},
    "sns:Publish": {DECRYPT, MAKE},
    "sqs:ReceiveMessage": {DECRYPT},
    "sqs:SendMessage": {DECRYPT, MAKE},
}
# What touches no content, or content that is not encrypted with a key of the account.
NEEDS_NO_KEY = re.compile(
    r"execute-api:ManageConnections|kinesis:(Describe\w+|GetShardIterator|ListShards)|logs:\w+|rekognition:DetectLabels"
    r"|s3:ListBucket|sqs:(ChangeMessageVisibility|DeleteMessage|GetQueueAttributes)"
)
# $context values that are the gateway's own or name the caller; apiKey is not among them, which is the key itself.
LOGGED = {
    "connectionId", "error.responseType", "eventType", "extendedRequestId", "httpMethod", "identity.apiKeyId",
    "identity.caller", "identity.sourceIp", "identity.userArn",
    "integration.requestId", "integration.status", "integrationLatency", "integrationStatus", "requestTimeEpoch",
    "resourcePath", "responseLatency", "routeKey", "status",
}  # fmt: skip


@pytest.fixture(scope="module")
def with_key(template: Template) -> ResolvedStack:
    return template.resolve({**GIVEN, "KmsKeyArn": KEY}, NAMES)


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(role: Resource) -> list[dict[str, Any]]:
    return [
        statement
        for policy in role.properties.get("Policies", [])
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def test_with_a_key_all_that_lies_still_is_encrypted_with_it(with_key: ResolvedStack) -> None:
    for resource in with_key.resources.values():
        if resource.type in KEY_OF:
            assert KEY_OF[resource.type](resource.properties) == KEY, resource.logical_id
        else:
            assert KEEPS_NOTHING.fullmatch(resource.type), f"does a {resource.type} keep anything?"
    for queue in with_key.of_type("AWS::SQS::Queue"):
        # SQS refuses both at once.
        assert "SqsManagedSseEnabled" not in queue.properties
    for bucket in with_key.of_type("AWS::S3::Bucket"):
        (rule,) = bucket.properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
        assert rule["BucketKeyEnabled"] is True


def test_the_embedded_aws_serves_a_stack_with_a_key(with_key: ResolvedStack, tmp_path: Path) -> None:
    """It refuses what it does not know, and knows what encryption is not to change."""

    def clock() -> float:
        return 0.0

    quotas = Quotas()
    queues_of(with_key.of_type("AWS::SQS::Queue"), quotas, clock)
    for stream in with_key.of_type("AWS::Kinesis::Stream"):
        stream_of(stream, quotas, (), clock)
    for topic in with_key.of_type("AWS::SNS::Topic"):
        topic_of(topic, (), (), quotas, (), clock)
    for table in with_key.of_type("AWS::DynamoDB::Table"):
        table_of(table.ref, table)
    functions = with_key.of_type("AWS::Lambda::Function")
    assert functions_of(
        functions, Account(quotas), quotas, clock, region="us-east-1", task_root=tmp_path, endpoints={}, log_folder=None
    )


def test_without_a_key_nobody_has_a_right_to_one(stack: ResolvedStack) -> None:
    assert not [
        action
        for role in stack.of_type("AWS::IAM::Role")
        for statement in statements(role)
        for action in as_list(statement["Action"])
        if action.startswith("kms:")
    ]


def test_with_a_key_each_role_may_use_it_for_what_its_other_rights_need(with_key: ResolvedStack) -> None:
    for role in with_key.of_type("AWS::IAM::Role"):
        needed: dict[str, set[str]] = {}
        for statement in statements(role):
            for action in as_list(statement["Action"]):
                if action in NEEDS:
                    needed.setdefault(action.partition(":")[0], set()).update(NEEDS[action])
                elif not action.startswith("kms:"):
                    assert NEEDS_NO_KEY.fullmatch(action), f"does {action} need the key?"
        of_the_key = [statement for statement in statements(role) if statement["Resource"] == KEY]
        if not needed:
            assert not of_the_key, role.logical_id
            continue
        (use,) = of_the_key
        assert use["Effect"] == "Allow"
        assert set(as_list(use["Action"])) == set().union(*needed.values()), role.logical_id
        via = as_list(use["Condition"]["StringEquals"]["kms:ViaService"])
        assert set(via) == {f"{service}.us-east-1.amazonaws.com" for service in needed}, role.logical_id


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KmsKeyArn", "alias/mine"),
        ("KmsKeyArn", "arn:aws:kms:us-east-1:000000000000:alias/mine"),
        ("WebAclArn", "arn:aws:wafv2:us-east-1:000000000000:global/webacl/guard/0a1b2c3d"),
        ("WebAclArn", "guard"),
    ],
)
def test_what_is_no_key_or_no_web_acl_of_a_region_is_refused_at_once(template: Template, name: str, value: str) -> None:
    with pytest.raises(TemplateError, match=name):
        template.resolve({**GIVEN, name: value}, NAMES)


def test_every_queue_topic_and_bucket_refuses_plain_http(stack: ResolvedStack) -> None:
    refusing = {
        "AWS::SQS::Queue": ("AWS::SQS::QueuePolicy", "Queues", "sqs:*"),
        # A topic's policy takes no sns:*, and publishing is all that carries anything.
        "AWS::SNS::Topic": ("AWS::SNS::TopicPolicy", "Topics", "sns:Publish"),
        "AWS::S3::Bucket": ("AWS::S3::BucketPolicy", "Bucket", "s3:*"),
    }
    for kind, (policy_kind, member, action) in refusing.items():
        covered: set[str] = set()
        for policy in stack.of_type(policy_kind):
            covered |= set(as_list(policy.properties[member]))
            (statement,) = policy.properties["PolicyDocument"]["Statement"]
            assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", action)
            assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        assert covered == {resource.ref for resource in stack.of_type(kind)}, kind


def test_nothing_but_roles_and_services_is_let_in_by_a_resource_policy(stack: ResolvedStack) -> None:
    for kind in ("AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy", "AWS::S3::BucketPolicy"):
        for policy in stack.of_type(kind):
            effects = {statement["Effect"] for statement in policy.properties["PolicyDocument"]["Statement"]}
            assert effects == {"Deny"}, policy.logical_id
    for permission in stack.of_type("AWS::Lambda::Permission"):
        # Without its source, any account's topic or API could have the function invoked.
        assert permission.properties["Principal"] in ("sns.amazonaws.com", "apigateway.amazonaws.com")
        assert permission.properties["SourceArn"].split(":")[4] == "000000000000"


def test_no_stage_logs_what_a_client_wrote(stack: ResolvedStack) -> None:
    rest, websocket = stack.resources["ApiStage"].properties, stack.resources["WebSocketStage"].properties
    for settings in (*rest["MethodSettings"], websocket["DefaultRouteSettings"]):
        # Execution logs hold bodies, headers and query strings.
        assert (settings["LoggingLevel"], settings["DataTraceEnabled"]) == ("OFF", False)
    for line in (rest["AccessLogSetting"]["Format"], websocket["AccessLogSettings"]["Format"]):
        assert set(re.findall(r"\$context\.([\w.]*\w)", line)) <= LOGGED
        assert line.count("$") == line.count("$context.")
        assert json.loads(line)["request_id"] == "$context.extendedRequestId"


def test_every_function_and_stage_logs_to_a_group_that_forgets(stack: ResolvedStack) -> None:
    groups = {group.ref: group.properties["RetentionInDays"] for group in stack.of_type("AWS::Logs::LogGroup")}
    named = [function.properties["LoggingConfig"]["LogGroup"] for function in stack.of_type("AWS::Lambda::Function")]
    arns = {group.attributes["Arn"]: group.ref for group in stack.of_type("AWS::Logs::LogGroup")}
    named.append(arns[stack.resources["ApiStage"].properties["AccessLogSetting"]["DestinationArn"]])
    named.append(arns[stack.resources["WebSocketStage"].properties["AccessLogSettings"]["DestinationArn"]])

    assert sorted(named) == sorted(groups)
    assert set(groups.values()) == {14}


def test_limits_of_a_method_are_those_of_a_method_that_there_is(stack: ResolvedStack) -> None:
    methods = {
        (method.properties["HttpMethod"], path_of(stack, method.properties["ResourceId"]))
        for method in stack.of_type("AWS::ApiGateway::Method")
    }
    everywhere, *own = stack.resources["ApiStage"].properties["MethodSettings"]

    assert (everywhere["HttpMethod"], everywhere["ResourcePath"]) == ("*", "/*")
    limited = {(setting["HttpMethod"], setting["ResourcePath"].replace("~1", "/")[1:]): setting for setting in own}
    assert set(limited) == {("POST", "/v1/sync/images"), ("PUT", "/v1/images/{key}")}
    assert set(limited) <= methods
    for setting in own:
        assert set(setting) == set(everywhere), "what is left out is not taken from the stage's"


@pytest.mark.parametrize(
    ("parameter", "route", "stays"),
    [
        ("SyncThrottleRate", "/v1/sync/images", "/v1/images/{key}"),
        ("UploadThrottleRate", "/v1/images/{key}", "/v1/sync/images"),
    ],
)
def test_limits_of_a_method_come_from_the_parameter_of_its_name(
    template: Template, parameter: str, route: str, stays: str
) -> None:
    def rates(stack: ResolvedStack) -> dict[str, tuple[int, int]]:
        return {
            setting["ResourcePath"].replace("~1", "/")[1:]: (
                setting["ThrottlingRateLimit"],
                setting["ThrottlingBurstLimit"],
            )
            for setting in stack.resources["ApiStage"].properties["MethodSettings"]
        }

    before, after = (rates(template.resolve({**GIVEN, **given}, NAMES)) for given in ({}, {parameter: "7"}))
    assert after[route] == (7, 7)
    assert after[stays] == before[stays]


def test_a_web_acl_stands_before_the_stage_if_one_is_given(template: Template, stack: ResolvedStack) -> None:
    assert "ApiFirewall" not in stack.resources
    guarded = template.resolve({**GIVEN, "WebAclArn": WEB_ACL}, NAMES)
    api, stage = guarded.resources["Api"].ref, guarded.resources["ApiStage"].ref

    assert guarded.resources["ApiFirewall"].properties == {
        "ResourceArn": f"arn:aws:apigateway:us-east-1::/restapis/{api}/stages/{stage}",
        "WebACLArn": WEB_ACL,
    }


def test_every_star_for_a_resource_has_its_reason_above_it(infra_path: Path) -> None:
    lines = infra_path.read_text().splitlines()
    stars = [number for number, line in enumerate(lines) if re.search(r'\bResource: .*"\*"', line)]

    assert len(stars) == 6
    for number in stars:
        statement = last_match(r"\s+- Sid:", lines[:number])
        resource = last_match(r"  \w+:$", lines[:number])
        said = lines[statement - 1].strip()
        # Or above the resource, where it says what the star is.
        if not said.startswith("#"):
            said = lines[resource - 1].strip()
            assert '"*"' in said, f"line {number + 1}: why all resources?"
        assert said.startswith("#")


def last_match(pattern: str, lines: list[str]) -> int:
    return max(number for number, line in enumerate(lines) if re.match(pattern, line))
