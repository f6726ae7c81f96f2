"""Storage, buffers, functions and deliveries as infra.yaml defines them."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from local.physical_names import PhysicalNames
from local.template import ResolvedStack, Template, TemplateError
from pipeline.request import BUFFERS
from pipeline.stack import Stack

FUNCTIONS = {"SnsFunction": "sns", "SqsFunction": "sqs", "KinesisFunction": "kinesis", "KinesisEfoFunction": "kinesis"}
SENDING_ON = {"CALLBACK_QUEUE_URL": "CallbackQueue", "PUSH_QUEUE_URL": "PushQueue"}
TAKING_IN = {
    "IMAGE_BUCKET", "TOPIC_ARN", "QUEUE_URL", "SQS_FIFO", "STREAM_NAME", "KINESIS_EFO_STREAM_NAME",
    "SNS_PENDING_S", "SQS_PENDING_S", "KINESIS_PENDING_S", "CALLBACK_PORTS", "CALLBACK_TEST_RECEIVER",
}  # fmt: skip
# The functions of the patterns, each with its handler and the settings of its own.
OF_PATTERNS: dict[str, tuple[str, set[str]]] = {
    "SyncFunction": (
        "sync",
        {"MIN_CONFIDENCE", "MAX_LABELS", "IN_BATCH_CONCURRENCY", "IMAGE_BUCKET", "INTEGRATION_TIMEOUT_MS"},
    ),
    "RequestHandlerFunction": ("request_handler", TAKING_IN),
    "CallbackFunction": (
        "callback",
        {
            "CALLBACKS_TABLE", "CALLBACK_QUEUE_URL", "CALLBACK_DEAD_LETTER_QUEUE_URL", "CALLBACK_SECRET_ARN",
            "CALLBACK_PORTS", "CALLBACK_MAXIMUM_ATTEMPTS", "CALLBACK_FIRST_RETRY_S", "CALLBACK_TIMEOUT_S",
            "CALLBACK_TEST_RECEIVER", "CALLBACK_TEST_CERTIFICATE",
        },
    ),
    "PushFunction": (
        "push",
        {"CONNECTIONS_TABLE", "WATCHERS_TABLE", "WEBSOCKET_ENDPOINT"},
    ),
    "WebSocketFunction": ("websocket", TAKING_IN | {"CONNECTIONS_TABLE", "WATCHERS_TABLE", "PUSH_QUEUE_URL"}),
}  # fmt: skip
NAMES = PhysicalNames(queue_base_url="http://127.0.0.1:4100")
GIVEN = {"CodeBucket": "code", "CodeKey": "forebay.zip"}


def test_every_parameter_is_used_described_and_grouped(template: Template, infra_path: Path) -> None:
    parameters = template.document["Parameters"]
    groups = template.document["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    used = set(re.findall(r"!Ref (\w+)", infra_path.read_text()))

    assert set(parameters) <= used
    assert all(parameter["Description"] for parameter in parameters.values())
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(parameters)


def test_only_the_code_has_to_be_given(template: Template) -> None:
    parameters = template.document["Parameters"]

    assert {name for name, parameter in parameters.items() if "Default" not in parameter} == set(GIVEN)


def test_outputs_are_a_whole_stack(stack: ResolvedStack) -> None:
    of_stack = Stack.from_outputs(stack.outputs)

    # All but the key's id, which is there where a key is asked for.
    assert len(stack.outputs) == len(dataclasses.fields(Stack)) - 1
    assert of_stack.buffers == BUFFERS
    assert of_stack.queue_url == "http://127.0.0.1:4100/000000000000/forebay-Queue"
    assert of_stack.results_by_run_index == "by_run"
    assert re.fullmatch(r"https://\w{10}\.execute-api\.us-east-1\.amazonaws\.com/live", of_stack.api_url)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_runs_its_handler_with_the_settings_it_reads(stack: ResolvedStack, name: str) -> None:
    properties = stack.resources[name].properties
    variables = properties["Environment"]["Variables"]

    assert properties["Runtime"] == "python3.13"
    assert properties["Architectures"] == ["arm64"]
    assert properties["Handler"] == f"consumers.{FUNCTIONS[name]}.handler"
    assert properties["LoggingConfig"] == {"LogGroup": stack.resources[f"{name}Logs"].ref}
    assert variables["RESULTS_TABLE"] == stack.resources["ResultsTable"].ref
    assert set(variables) == {
        "RESULTS_TABLE", "RESULT_TTL_DAYS", "MIN_CONFIDENCE", "MAX_LABELS", "IN_BATCH_CONCURRENCY",
        "POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_LOG_LEVEL", *SENDING_ON,
    }  # fmt: skip
    for variable, queue in SENDING_ON.items():
        assert variables[variable] == stack.resources[queue].ref


@pytest.mark.parametrize("name", OF_PATTERNS)
def test_function_of_a_pattern_runs_its_handler_with_the_settings_it_reads(stack: ResolvedStack, name: str) -> None:
    properties = stack.resources[name].properties
    variables = properties["Environment"]["Variables"]
    handler, own = OF_PATTERNS[name]

    assert (properties["Runtime"], properties["Architectures"]) == ("python3.13", ["arm64"])
    assert properties["Handler"] == f"consumers.{handler}.handler"
    assert properties["LoggingConfig"] == {"LogGroup": stack.resources[f"{name}Logs"].ref}
    assert set(variables) == own | {
        "RESULTS_TABLE", "RESULT_TTL_DAYS",
        "POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_LOG_LEVEL",
    }  # fmt: skip


@pytest.mark.parametrize("name", OF_PATTERNS)
def test_a_function_of_a_pattern_has_its_own_time_whatever_those_behind_the_buffers_have(
    template: Template, name: str
) -> None:
    stack = template.resolve({**GIVEN, "FunctionTimeout": "3"}, NAMES)

    assert stack.resources[name].properties["Timeout"] == 30


def test_a_request_is_pending_no_longer_than_its_buffer_may_hold_it(stack: ResolvedStack) -> None:
    variables = stack.resources["RequestHandlerFunction"].properties["Environment"]["Variables"]

    assert variables["SQS_PENDING_S"] == stack.resources["Queue"].properties["MessageRetentionPeriod"]
    assert (
        variables["SNS_PENDING_S"] == (stack.resources["SnsFunctionInvocation"].properties["MaximumEventAgeInSeconds"])
    )
    assert variables["KINESIS_PENDING_S"] == stack.resources["KinesisMapping"].properties["MaximumRecordAgeInSeconds"]


def test_no_callback_reaches_a_private_address_unless_somebody_says_so(stack: ResolvedStack) -> None:
    for name in ("RequestHandlerFunction", "WebSocketFunction", "CallbackFunction"):
        variables = stack.resources[name].properties["Environment"]["Variables"]
        assert variables["CALLBACK_TEST_RECEIVER"] == ""
        assert variables["CALLBACK_PORTS"] == "443"


def test_websocket_routes_answer_and_the_push_reaches_their_stage(stack: ResolvedStack) -> None:
    routes = {route.properties["RouteKey"]: route for route in stack.of_type("AWS::ApiGatewayV2::Route")}
    answered = {answer.properties["RouteId"] for answer in stack.of_type("AWS::ApiGatewayV2::RouteResponse")}
    stage = stack.resources["WebSocketStage"]
    endpoint = stack.resources["PushFunction"].properties["Environment"]["Variables"]["WEBSOCKET_ENDPOINT"]

    assert set(routes) == {"$connect", "$disconnect", "$default", "recognise", "attach"}
    assert {key for key, route in routes.items() if route.ref in answered} == {"$default", "recognise", "attach"}
    assert endpoint.partition("://")[2] == stack.outputs["WebSocketUrl"].partition("://")[2]
    assert endpoint.endswith(f"/{stage.ref}")
    assert stage.properties["AutoDeploy"] is True


def test_functions_differ_in_nothing_that_a_comparison_could_hang_on(stack: ResolvedStack) -> None:
    def alike(name: str) -> dict[str, Any]:
        properties = dict(stack.resources[name].properties)
        own = ("Description", "Handler", "Role", "LoggingConfig")
        variables = dict(properties.pop("Environment")["Variables"])
        del variables["POWERTOOLS_SERVICE_NAME"]
        return {key: value for key, value in properties.items() if key not in own} | variables

    assert alike("SnsFunction") == alike("SqsFunction") == alike("KinesisFunction") == alike("KinesisEfoFunction")


def test_the_two_streams_and_their_mappings_differ_in_the_fan_out_alone(stack: ResolvedStack) -> None:
    def alike(name: str) -> dict[str, Any]:
        own = ("FunctionName", "EventSourceArn", "DestinationConfig")
        return {key: value for key, value in stack.resources[name].properties.items() if key not in own}

    assert alike("Stream") == alike("KinesisEfoStream")
    assert alike("KinesisMapping") == alike("KinesisEfoMapping")
    assert stack.resources["KinesisMapping"].properties["EventSourceArn"] == stack.resources["Stream"].attributes["Arn"]
    consumer = stack.resources["KinesisEfoConsumer"]
    assert consumer.properties["StreamARN"] == stack.resources["KinesisEfoStream"].attributes["Arn"]
    assert stack.resources["KinesisEfoMapping"].properties["EventSourceArn"] == consumer.ref


def test_without_fan_out_nothing_of_it_is_there_and_nothing_else_is_missing(
    template: Template, stack: ResolvedStack
) -> None:
    without = template.resolve({**GIVEN, "KinesisFanOut": "false"}, NAMES)
    missing = set(stack.resources) - set(without.resources)

    assert all("KinesisEfo" in name for name in missing - set(deployments(stack)))
    assert not [name for name in without.resources if "KinesisEfo" in name and name not in deployments(without)]
    assert Stack.from_outputs(without.outputs).buffers == ("sns", "sqs", "kinesis")
    assert Stack.from_outputs(without.outputs).kinesis_efo_failure_bucket is None


def deployments(stack: ResolvedStack) -> list[str]:
    return [resource.logical_id for resource in stack.of_type("AWS::ApiGateway::Deployment")]


@pytest.mark.parametrize("name", [*FUNCTIONS, "SyncFunction", "RequestHandlerFunction"])
def test_concurrency_is_reserved_only_on_request(template: Template, stack: ResolvedStack, name: str) -> None:
    parameter = f"{name.removesuffix('Function')}ReservedConcurrency"

    assert "ReservedConcurrentExecutions" not in stack.resources[name].properties
    reserved = template.resolve({**GIVEN, parameter: "7"}, NAMES)
    assert reserved.resources[name].properties["ReservedConcurrentExecutions"] == 7


def test_defaults_fit_an_account_with_ten_executions(stack: ResolvedStack) -> None:
    # Any two of the pulled ones side by side, and one left over; a push takes what it can get anyway.
    kinesis = stack.resources["KinesisMapping"].properties["ParallelizationFactor"]
    lanes = kinesis * stack.resources["Stream"].properties["ShardCount"]

    assert stack.resources["SqsMapping"].properties["ScalingConfig"]["MaximumConcurrency"] + lanes < 10
    assert 2 * lanes < 10


def test_a_message_stays_hidden_for_six_times_the_function_and_the_window(stack: ResolvedStack) -> None:
    timeout = stack.resources["SqsFunction"].properties["Timeout"]
    window = stack.resources["SqsMapping"].properties["MaximumBatchingWindowInSeconds"]

    assert stack.resources["Queue"].properties["VisibilityTimeout"] >= 6 * timeout + window


def test_sqs_batch_of_more_than_ten_has_a_window(stack: ResolvedStack) -> None:
    mapping = stack.resources["SqsMapping"].properties

    assert mapping["BatchSize"] <= 10 or mapping["MaximumBatchingWindowInSeconds"] >= 1


def test_a_fifo_queue_has_a_fifo_dead_letter_queue_and_a_mapping_that_takes_it(template: Template) -> None:
    stack = template.resolve({**GIVEN, "SqsFifo": "true"}, NAMES)
    queue, mapping = stack.resources["Queue"], stack.resources["SqsMapping"].properties

    for name in ("Queue", "SqsDeadLetterQueue"):
        assert stack.resources[name].properties["FifoQueue"] is True
        assert stack.resources[name].attributes["QueueName"].endswith(".fifo")
    assert "FifoQueue" not in stack.resources["SnsFailureQueue"].properties
    assert "MaximumBatchingWindowInSeconds" not in mapping
    assert stack.resources["ApiStage"].properties["Variables"] == {
        "SqsQueue": f"000000000000/{queue.attributes['QueueName']}",
        "SqsFifo": "true",
    }


@pytest.mark.parametrize(
    ("minimum", "maximum", "pollers"),
    [
        ("0", "0", None),
        ("5", "0", {"MinimumPollers": 5}),
        ("0", "50", {"MaximumPollers": 50}),
        ("5", "50", {"MinimumPollers": 5, "MaximumPollers": 50}),
    ],
)
def test_provisioned_pollers_and_a_maximum_concurrency_exclude_each_other(
    template: Template, minimum: str, maximum: str, pollers: dict[str, int] | None
) -> None:
    given = {"SqsMinimumPollers": minimum, "SqsMaximumPollers": maximum}
    mapping = template.resolve({**GIVEN, **given}, NAMES).resources["SqsMapping"].properties

    assert mapping.get("ProvisionedPollerConfig") == pollers
    assert ("ScalingConfig" in mapping) == (pollers is None)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"SqsFifo": "true", "SqsBatchSize": "11"}, "at most 10"),
        ({"SqsFifo": "true", "SqsBatchingWindow": "1"}, "no batching window"),
        ({"SqsMinimumPollers": "1"}, "SqsMinimumPollers to 2 or more"),
        ({"SqsMaximumPollers": "1"}, "SqsMaximumPollers to 2 or more"),
    ],
)
def test_what_lambda_would_refuse_is_refused_before_anything_is_made(
    template: Template, given: dict[str, str], says: str
) -> None:
    with pytest.raises(TemplateError, match=says):
        template.resolve({**GIVEN, **given}, NAMES)


def test_an_image_outlives_every_wait_for_it(stack: ResolvedStack) -> None:
    (rule,) = stack.resources["ImageBucket"].properties["LifecycleConfiguration"]["Rules"]
    waits = (
        stack.resources["Queue"].properties["MessageRetentionPeriod"],
        stack.resources["Stream"].properties["RetentionPeriodHours"] * 3_600,
        stack.resources["SnsFunctionInvocation"].properties["MaximumEventAgeInSeconds"],
    )

    assert rule["ExpirationInDays"] * 86_400 > max(waits)


def test_mappings_read_partial_failures(stack: ResolvedStack) -> None:
    mappings = stack.of_type("AWS::Lambda::EventSourceMapping")
    assert len(mappings) == 5
    for mapping in mappings:
        assert mapping.properties["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_mapping_options_come_from_the_parameter_of_their_name(template: Template) -> None:
    # Crossed parameters (retries for lanes) are a fault of a reference template.
    given = {
        "SqsBatchSize": 11, "SqsBatchingWindow": 12, "SqsMaximumConcurrency": 13,
        "KinesisBatchSize": 14, "KinesisBatchingWindow": 15, "KinesisParallelizationFactor": 6,
        "KinesisMaximumRetryAttempts": 17, "KinesisMaximumRecordAge": 180, "KinesisBisectBatch": "false",
        "SnsMaximumRetryAttempts": 1, "SnsMaximumEventAge": 190,
    }  # fmt: skip
    stack = template.resolve({**GIVEN, **{name: str(value) for name, value in given.items()}}, NAMES)
    sqs, kinesis, efo, sns = (
        stack.resources[name].properties
        for name in ("SqsMapping", "KinesisMapping", "KinesisEfoMapping", "SnsFunctionInvocation")
    )

    assert (sqs["BatchSize"], sqs["MaximumBatchingWindowInSeconds"]) == (11, 12)
    assert sqs["ScalingConfig"] == {"MaximumConcurrency": 13}
    for streamed in (kinesis, efo):
        assert (streamed["BatchSize"], streamed["MaximumBatchingWindowInSeconds"]) == (14, 15)
        assert (streamed["ParallelizationFactor"], streamed["MaximumRetryAttempts"]) == (6, 17)
        assert (streamed["MaximumRecordAgeInSeconds"], streamed["BisectBatchOnFunctionError"]) == (180, False)
    assert (sns["MaximumRetryAttempts"], sns["MaximumEventAgeInSeconds"]) == (1, 190)


def test_what_is_given_up_goes_somewhere(stack: ResolvedStack) -> None:
    resources = stack.resources
    redrive = resources["Queue"].properties["RedrivePolicy"]
    sns = resources["SnsFunctionInvocation"].properties["DestinationConfig"]["OnFailure"]["Destination"]

    assert redrive["deadLetterTargetArn"] == resources["SqsDeadLetterQueue"].attributes["Arn"]
    assert sns == resources["SnsFailureQueue"].attributes["Arn"]
    for mapping, bucket in (
        ("KinesisMapping", "KinesisFailureBucket"),
        ("KinesisEfoMapping", "KinesisEfoFailureBucket"),
    ):
        destination = resources[mapping].properties["DestinationConfig"]["OnFailure"]["Destination"]
        assert destination == resources[bucket].attributes["Arn"]
    for name in ("Callback", "Push"):
        redrive = resources[f"{name}Queue"].properties["RedrivePolicy"]
        assert redrive["deadLetterTargetArn"] == resources[f"{name}DeadLetterQueue"].attributes["Arn"]
        timeout = resources[f"{name}Function"].properties["Timeout"]
        assert resources[f"{name}Queue"].properties["VisibilityTimeout"] >= 6 * timeout
    # The function counts its own tries; the queue must not give up before it does.
    tries = resources["CallbackFunction"].properties["Environment"]["Variables"]["CALLBACK_MAXIMUM_ATTEMPTS"]
    assert resources["CallbackQueue"].properties["RedrivePolicy"]["maxReceiveCount"] > 20 >= tries
    for name in ("SqsDeadLetterQueue", "SnsFailureQueue", "CallbackDeadLetterQueue", "PushDeadLetterQueue"):
        assert resources[name].properties["MessageRetentionPeriod"] == 14 * 86_400


def test_nothing_is_published_before_the_push_can_be_taken(template: Template) -> None:
    waits_for = template.document["Resources"]["SnsSubscription"]["DependsOn"]

    assert set(waits_for) == {"SnsFunctionPermission", "SnsFunctionInvocation"}


def test_subscription_delivers_to_the_function_that_lets_it(stack: ResolvedStack) -> None:
    subscription = stack.resources["SnsSubscription"].properties
    permission = stack.resources["SnsFunctionPermission"].properties

    assert subscription["TopicArn"] == permission["SourceArn"] == stack.resources["Topic"].ref
    assert subscription["Endpoint"] == stack.resources["SnsFunction"].attributes["Arn"]
    assert permission["Principal"] == "sns.amazonaws.com"


def test_results_table_has_the_keys_and_the_index_of_the_contract(stack: ResolvedStack) -> None:
    table = stack.resources["ResultsTable"].properties
    (index,) = table["GlobalSecondaryIndexes"]

    assert table["KeySchema"] == [{"AttributeName": "request_id", "KeyType": "HASH"}]
    assert index["IndexName"] == stack.outputs["ResultsByRunIndex"]
    assert [key["AttributeName"] for key in index["KeySchema"]] == ["run_id", "sequence"]
    assert index["Projection"] == {"ProjectionType": "ALL"}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert table["BillingMode"] == "PAY_PER_REQUEST"


def test_everything_at_rest_is_encrypted(stack: ResolvedStack) -> None:
    for bucket in stack.of_type("AWS::S3::Bucket"):
        assert bucket.properties["BucketEncryption"]
    for queue in stack.of_type("AWS::SQS::Queue"):
        assert queue.properties["SqsManagedSseEnabled"] is True
    assert stack.resources["Topic"].properties["KmsMasterKeyId"] == "alias/aws/sns"
    for stream in stack.of_type("AWS::Kinesis::Stream"):
        assert stream.properties["StreamEncryption"]["EncryptionType"] == "KMS"
    # DynamoDB encrypts always; naming a key would only make it cost.
    assert "SSESpecification" not in stack.resources["ResultsTable"].properties


def test_idle_cost_of_fan_out_is_named_where_it_is_chosen(template: Template) -> None:
    description = template.document["Parameters"]["KinesisFanOut"]["Description"]

    assert "one shard-hour and one consumer-shard-hour" in description


def test_logs_and_images_are_not_kept_for_ever(stack: ResolvedStack) -> None:
    for group in stack.of_type("AWS::Logs::LogGroup"):
        assert group.properties["RetentionInDays"] == 14
    for bucket in stack.of_type("AWS::S3::Bucket"):
        (rule,) = bucket.properties["LifecycleConfiguration"]["Rules"]
        assert rule["Status"] == "Enabled"
        assert rule["ExpirationInDays"] >= 1


@pytest.mark.parametrize(
    ("choice", "there", "why"),
    [
        ("own-role", {"ApiLogs", "ApiAccount", "ApiLogRole"}, "a new account has no role yet"),
        ("account-role", {"ApiLogs"}, "another stack's role must not be replaced"),
        ("none", set(), "logs cost"),
    ],
)
def test_access_logs_bring_what_they_need(template: Template, choice: str, there: set[str], why: str) -> None:
    stack = template.resolve({**GIVEN, "AccessLogs": choice}, NAMES)

    assert {"ApiLogs", "ApiAccount", "ApiLogRole"} & set(stack.resources) == there, why
    assert ("AccessLogSetting" in stack.resources["ApiStage"].properties) == ("ApiLogs" in there)


def test_no_resource_has_a_fixed_name_that_would_collide_with_another_stack(template: Template) -> None:
    names = {"BucketName", "TableName", "QueueName", "TopicName", "FunctionName", "RoleName", "LogGroupName"}
    for logical_id, resource in template.document["Resources"].items():
        fixed = {key for key in names & set(resource["Properties"]) if isinstance(resource["Properties"][key], str)}
        assert not fixed, logical_id
