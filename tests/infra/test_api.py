"""The API as infra.yaml defines it: what AWS's console and the reference templates get wrong."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from local.api_deployment import deployment_digest, rewrite
from local.authentication.api_keys import template_keys
from local.physical_names import PhysicalNames
from local.template import ResolvedStack, Resource, Template, load
from tests.infra.conftest import path_of

ROUTES = {
    ("POST", "/v1/kinesis/images"),
    ("POST", "/v1/kinesis-efo/images"),
    ("POST", "/v1/sqs/images"),
    ("POST", "/v1/sns/images"),
    ("POST", "/v1/handler/{buffer}/images"),
    ("POST", "/v1/sync/images"),
    ("PUT", "/v1/images/{key}"),
    ("GET", "/v1/requests/{id}"),
}
GIVEN = {"CodeBucket": "code", "CodeKey": "forebay.zip"}
NAMES = PhysicalNames(queue_base_url="http://127.0.0.1:4100")
# Those that are a template, and those that are a function.
METHODS = ["PostKinesisImage", "PostKinesisEfoImage", "PostSqsImage", "PostSnsImage", "PutImage", "GetRequest"]
OF_FUNCTIONS = {"PostHandlerImage": "RequestHandlerFunction", "PostSyncImage": "SyncFunction"}
INTO_BUFFERS = ["PostKinesisImage", "PostKinesisEfoImage", "PostSqsImage", "PostSnsImage"]


@pytest.fixture
def integration(stack: ResolvedStack, request: pytest.FixtureRequest) -> dict[str, Any]:
    integration = stack.resources[request.param].properties["Integration"]
    assert isinstance(integration, dict)
    return integration


def test_the_routes_are_those_of_the_contract(stack: ResolvedStack) -> None:
    methods = stack.of_type("AWS::ApiGateway::Method")

    assert {method.logical_id for method in methods} == {*METHODS, *OF_FUNCTIONS}
    assert {
        (method.properties["HttpMethod"], path_of(stack, method.properties["ResourceId"])) for method in methods
    } == ROUTES


@pytest.mark.parametrize("integration", METHODS, indirect=True)
def test_integration_calls_as_a_role_and_with_the_verb_of_the_service(integration: dict[str, Any]) -> None:
    assert integration["Type"] == "AWS"
    assert integration["Credentials"].startswith("arn:aws:iam::000000000000:role/")
    to_s3 = ":s3:path/" in integration["Uri"]
    assert integration["IntegrationHttpMethod"] == ("PUT" if to_s3 else "POST")


def test_no_two_integrations_share_a_role(stack: ResolvedStack) -> None:
    roles = [stack.resources[name].properties["Integration"]["Credentials"] for name in METHODS]

    assert len(set(roles)) == len(METHODS)


@pytest.mark.parametrize("integration", [name for name in METHODS if name != "PutImage"], indirect=True)
def test_an_unexpected_content_type_is_never_passed_through(integration: dict[str, Any]) -> None:
    assert integration["PassthroughBehavior"] == "NEVER"
    assert list(integration["RequestTemplates"]) == ["application/json"]


def test_only_the_binary_upload_is_passed_through(stack: ResolvedStack) -> None:
    # With NEVER and no template every upload would be a 415; with a template its bytes would be taken for text.
    integration = stack.resources["PutImage"].properties["Integration"]

    assert integration["PassthroughBehavior"] == "WHEN_NO_MATCH"
    assert not {"image/jpeg", "image/png"} & set(integration["RequestTemplates"])


@pytest.mark.parametrize("integration", METHODS, indirect=True)
@pytest.mark.parametrize(
    ("upstream", "at_least", "why"),
    [
        (100, 500, "an answer that is none"),
        (200, 200, "done"),
        (301, 500, "S3 in another Region: nothing was stored"),
        (400, 500, "Kinesis and DynamoDB say throttled so; the template makes it 429, and forgets to at worst a 502"),
        (403, 500, "our role lacks a right: not the client's fault"),
        (429, 500, "SNS says throttled so; the template makes it 429"),
        (500, 500, "broken"),
        (503, 500, "S3 says slow down so"),
    ],
)
def test_upstream_status_never_becomes_a_success_unless_it_was_one(
    integration: dict[str, Any], upstream: int, at_least: int, why: str
) -> None:
    matching = [
        answer
        for answer in integration["IntegrationResponses"]
        if "SelectionPattern" in answer and re.fullmatch(answer["SelectionPattern"], str(upstream))
    ]
    default = [answer for answer in integration["IntegrationResponses"] if "SelectionPattern" not in answer]

    assert len(default) == 1
    assert len(matching) <= 1
    (chosen,) = matching or default
    assert at_least <= int(chosen["StatusCode"]) < at_least + 100, why


@pytest.mark.parametrize("name", METHODS)
def test_every_status_a_client_can_get_is_declared_once(stack: ResolvedStack, name: str) -> None:
    properties = stack.resources[name].properties
    answers = properties["Integration"]["IntegrationResponses"]
    templates = [text for answer in answers for text in answer["ResponseTemplates"].values()]
    given = [answer["StatusCode"] for answer in answers]
    overridden = re.findall(r"responseOverride\.status = (\d{3})", "".join(templates))
    declared = [answer["StatusCode"] for answer in properties["MethodResponses"]]

    assert len(set(given)) == len(given)
    assert set(given) | set(overridden) == set(declared)
    assert len(set(declared)) == len(declared)


@pytest.mark.parametrize("name", METHODS)
def test_every_header_an_answer_sets_is_declared(stack: ResolvedStack, name: str) -> None:
    properties = stack.resources[name].properties
    declared = {
        (answer["StatusCode"], header)
        for answer in properties["MethodResponses"]
        for header in answer.get("ResponseParameters", {})
    }
    retried = {"429", "503"} & {answer["StatusCode"] for answer in properties["MethodResponses"]}
    # Of what is accepted, and of what is not done yet.
    asked_again = {"202"} if name in INTO_BUFFERS else {"200", "404"} if name == "GetRequest" else set()

    assert declared == {(status, "method.response.header.Retry-After") for status in retried | asked_again} | {
        (status, "method.response.header.Location") for status in asked_again & {"202"}
    }
    for answer in properties["Integration"]["IntegrationResponses"]:
        for header in answer.get("ResponseParameters", {}):
            assert (answer["StatusCode"], header) in declared


@pytest.mark.parametrize("name", METHODS)
def test_no_part_of_the_target_comes_from_the_client(stack: ResolvedStack, name: str) -> None:
    integration = stack.resources[name].properties["Integration"]
    from_client = re.findall(r"\{(\w+)\}", integration["Uri"])

    assert from_client == (["key"] if name == "PutImage" else [])


@pytest.mark.parametrize("name", OF_FUNCTIONS)
def test_a_function_is_called_by_the_api_that_may_call_it_on_its_route_alone(stack: ResolvedStack, name: str) -> None:
    method, function = stack.resources[name].properties, stack.resources[OF_FUNCTIONS[name]]
    integration = method["Integration"]
    permission = stack.resources[f"{OF_FUNCTIONS[name]}Permission"].properties
    route = re.sub(r"\{\w+\}", "*", path_of(stack, method["ResourceId"]))

    assert integration["Type"] == "AWS_PROXY"
    assert integration["IntegrationHttpMethod"] == "POST"
    assert f"/functions/{function.attributes['Arn']}/invocations" in integration["Uri"]
    assert permission["Principal"] == "apigateway.amazonaws.com"
    assert permission["FunctionName"] == function.ref
    assert permission["SourceArn"].endswith(f":{stack.resources['Api'].ref}/*/{method['HttpMethod']}{route}")


def test_the_synchronous_function_knows_the_time_its_client_is_given(stack: ResolvedStack) -> None:
    integration = stack.resources["PostSyncImage"].properties["Integration"]
    variables = stack.resources["SyncFunction"].properties["Environment"]["Variables"]

    # API Gateway's own, and its most, where the method names none.
    assert integration.get("TimeoutInMillis", 29_000) == variables["INTEGRATION_TIMEOUT_MS"]


def test_what_a_waiting_client_may_send_is_a_part_of_what_another_may(stack: ResolvedStack) -> None:
    whole = stack.resources["RecognitionModel"].properties["Schema"]["properties"]
    part = stack.resources["SyncRecognitionModel"].properties["Schema"]["properties"]

    assert set(part) == {"image", "run"}
    assert all(whole[name] == schema for name, schema in part.items())


@pytest.mark.parametrize("url", [
    "https://example.com", "https://example.com/", "https://example.com/hook?a=1&b=%20", "https://a-b.c.example.co.uk/x",
    "https://example.com:8443/hook", "https://EXAMPLE.com/hook", "https://xn--bcher-kva.example/", "https://example.com?x",
    "https://receiver.test/hook", "https://example.com/a@b",
])  # fmt: skip
def test_a_callback_url_with_a_dns_name_passes_the_model(stack: ResolvedStack, url: str) -> None:
    assert re.search(callback_pattern(stack), url)


@pytest.mark.parametrize("url", [
    "", "http://example.com/", "ftp://example.com/", "//example.com/", "example.com", "https:/example.com", "https:///x",
    "https://127.0.0.1/", "https://2130706433/", "https://0x7f000001/", "https://0177.0.0.1/", "https://127.1/",
    "https://127.0.0.0x1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://169.254.169.254/latest/meta-data",
    "https://0.0.0.0/", "https://localhost/", "https://localhost:443/", "https://metadata/", "https://user@example.com/",
    "https://user:password@example.com/", "https://example.com@127.0.0.1/", "https://example.com\\@127.0.0.1/",
    "https://example.com\r\nHost: a/", "https://example.com/\n", "https://example.com/a b", "https://example.com/\t",
    "https://example.com\\.evil/", "https://-a.example.com/", "https://example..com/", "https://.example.com/",
    "https://example.com:/", "https://example.com:123456/", "https://example.com#@127.0.0.1/", "https://exämple.com/",
    "https://\uff11\uff12\uff17.0.0.1/", "https://example.com/ü", "https://%31%32%37.0.0.1/", "https://example.com./",
    "https://" + "a" * 64 + ".com/",
])  # fmt: skip
def test_a_callback_url_that_names_an_address_or_hides_its_host_is_refused_by_the_model(
    stack: ResolvedStack, url: str
) -> None:
    assert not re.search(callback_pattern(stack), url)


def callback_pattern(stack: ResolvedStack) -> str:
    pattern = stack.resources["RecognitionModel"].properties["Schema"]["properties"]["callback_url"]["pattern"]
    # ECMA's $, unlike Python's, is the very end.
    return str(pattern).removesuffix("$") + r"\Z"


@pytest.mark.parametrize("name", [*INTO_BUFFERS, "PostHandlerImage"])
def test_a_body_is_validated_against_the_model(stack: ResolvedStack, name: str) -> None:
    properties = stack.resources[name].properties
    validators = {validator.ref: validator for validator in stack.of_type("AWS::ApiGateway::RequestValidator")}

    assert validators[properties["RequestValidatorId"]].properties["ValidateRequestBody"] is True
    assert properties["RequestModels"] == {"application/json": stack.resources["RecognitionModel"].ref}


@pytest.mark.parametrize(
    ("authentication", "kind", "keyed"),
    [("IAM", "AWS_IAM", False), ("API_KEY", "NONE", True), ("IAM_AND_API_KEY", "AWS_IAM", True)],
)
def test_every_method_and_the_connect_ask_who_calls(
    template: Template, authentication: str, kind: str, keyed: bool
) -> None:
    stack = template.resolve({**GIVEN, "Authentication": authentication}, NAMES)

    for resource in [*stack.of_type("AWS::ApiGateway::Method"), stack.resources["WebSocketConnect"]]:
        asked = resource.properties["AuthorizationType"], resource.properties["ApiKeyRequired"]
        assert asked == (kind, keyed), resource.logical_id
    assert stack.outputs["Authentication"] == authentication


@pytest.mark.parametrize(("authentication", "keys"), [("IAM", 0), ("API_KEY", 1), ("IAM_AND_API_KEY", 1)])
def test_a_key_is_there_where_it_is_asked_for_and_opens_both_apis(
    template: Template, authentication: str, keys: int
) -> None:
    stack = template.resolve({**GIVEN, "Authentication": authentication}, NAMES)

    for kind in ("ApiKey", "UsagePlan", "UsagePlanKey"):
        assert len(stack.of_type(f"AWS::ApiGateway::{kind}")) == keys
    assert ("ApiKeyId" in stack.outputs) == bool(keys)
    for api in ("Api", "WebSocketApi") if keys else ():
        opened = template_keys(stack.resources, stack.resources[api].ref, "live", {stack.outputs["ApiKeyId"]: "v" * 20})
        assert opened == {"v" * 20: stack.outputs["ApiKeyId"]}


@pytest.mark.parametrize("name", INTO_BUFFERS)
def test_the_owner_is_put_into_the_record_before_the_clients_body(stack: ResolvedStack, name: str) -> None:
    # What is put in last is not searched for the places of what was put in before, so a body cannot fill them.
    (text,) = stack.resources[name].properties["Integration"]["RequestTemplates"].values()

    assert text.index("replace('@owner', $owner)") < text.index("replace('@body'")
    assert re.findall(r"\$owner\b", text.partition("#set($record")[0])


def test_an_upload_without_a_content_type_is_refused(stack: ResolvedStack) -> None:
    # API Gateway would take it for JSON text and store the image's bytes mangled.
    properties = stack.resources["PutImage"].properties
    validators = {validator.ref: validator for validator in stack.of_type("AWS::ApiGateway::RequestValidator")}

    assert properties["RequestParameters"]["method.request.header.Content-Type"] is True
    assert validators[properties["RequestValidatorId"]].properties["ValidateRequestParameters"] is True


@pytest.mark.parametrize("name", METHODS)
def test_templates_use_only_what_api_gateway_offers(stack: ResolvedStack, name: str) -> None:
    integration = stack.resources[name].properties["Integration"]
    templates = [*integration.get("RequestTemplates", {}).values()]
    for answer in integration["IntegrationResponses"]:
        templates += answer["ResponseTemplates"].values()

    for text in templates:
        directives = set(re.findall(r"#(\w+)", text))
        assert directives <= {"set", "if", "elseif", "else", "end", "foreach"}
        own = set(re.findall(r"#set\(\$(\w+)", text)) | set(re.findall(r"#foreach\(\$(\w+)", text))
        assert set(re.findall(r"\$!?\{?([a-z]\w*)", text)) <= own | {
            "input",
            "util",
            "context",
            "foreach",
            "stageVariables",
        }
        assert len(text.encode()) < 300 * 1024


@pytest.mark.parametrize(
    ("response_type", "status"),
    [
        ("BAD_REQUEST_BODY", "400"),
        ("BAD_REQUEST_PARAMETERS", "400"),
        ("MISSING_AUTHENTICATION_TOKEN", "403"),  # what AWS says to an unknown path, too
        ("INVALID_SIGNATURE", "403"),
        ("EXPIRED_TOKEN", "403"),
        ("ACCESS_DENIED", "403"),
        ("INVALID_API_KEY", "403"),
        ("RESOURCE_NOT_FOUND", "404"),
        ("REQUEST_TOO_LARGE", "413"),
        ("UNSUPPORTED_MEDIA_TYPE", "415"),
        ("THROTTLED", "429"),
        ("QUOTA_EXCEEDED", "429"),
        ("API_CONFIGURATION_ERROR", "500"),
        ("INTEGRATION_FAILURE", "502"),
        ("INTEGRATION_TIMEOUT", "504"),
        ("DEFAULT_4XX", None),
        ("DEFAULT_5XX", None),
    ],
)
def test_gateways_own_answers_are_json_with_a_remedy(
    stack: ResolvedStack, response_type: str, status: str | None
) -> None:
    (answer,) = [
        resource.properties
        for resource in stack.of_type("AWS::ApiGateway::GatewayResponse")
        if resource.properties["ResponseType"] == response_type
    ]
    text = answer["ResponseTemplates"]["application/json"]

    assert answer.get("StatusCode") == status
    # Where it is not known what became of a request, its id is said: it may have a result.
    unsure = status in {"502", "504"}
    again = status == "429" or unsure
    assert ("gatewayresponse.header.Retry-After" in answer.get("ResponseParameters", {})) == again
    # messageString comes with its quotes; nothing else that a client may have written is put in.
    assert set(re.findall(r"\$[\w.]+", text)) <= {"$context.error.messageString", "$context.extendedRequestId"}
    body = json.loads(text.replace("$context.error.messageString", '"said \\"so\\""'))
    assert set(body) == ({"message", "remedy", "request_id"} if unsure else {"message", "remedy"})
    assert all(body.values())


def test_images_pass_as_bytes_and_json_as_text(stack: ResolvedStack) -> None:
    assert stack.resources["Api"].properties["BinaryMediaTypes"] == ["image~1jpeg", "image~1png"]


@pytest.mark.parametrize(("fan_out", "without"), [("true", ""), ("false", "WithoutKinesisEfo")])
@pytest.mark.parametrize(
    ("authentication", "name"),
    [("IAM", "ApiDeploymentIam"), ("API_KEY", "ApiDeploymentApiKey"), ("IAM_AND_API_KEY", "ApiDeploymentIamAndApiKey")],
)
def test_deployment_is_named_after_what_it_deploys(
    template: Template, fan_out: str, without: str, authentication: str, name: str
) -> None:
    stack = template.resolve({**GIVEN, "KinesisFanOut": fan_out, "Authentication": authentication}, NAMES)
    (deployment,) = stack.of_type("AWS::ApiGateway::Deployment")

    right = name + without + deployment_digest(template)
    assert deployment.logical_id == right, "run: .venv/bin/python -m local.api_deployment"
    assert stack.resources["ApiStage"].properties["DeploymentId"] == deployment.ref


@pytest.mark.parametrize(
    ("change", "renews", "why"),
    [
        ("PutImage.Properties.OperationName", True, "a method"),
        ("RecognitionModel.Properties.Name", True, "a model"),
        ("AnswerThrottled.Properties.StatusCode", True, "a gateway response"),
        ("ApiImages.Properties.PathPart", True, "a path"),
        ("ApiStage.Properties.StageName", False, "a stage points at a snapshot and is none of it"),
        ("Queue.Properties.MaximumMessageSize", False, "not of the API"),
    ],
)
def test_deployment_id_changes_with_the_api_alone(template: Template, change: str, renews: bool, why: str) -> None:
    document = json.loads(json.dumps(template.document))
    *way, last = change.split(".")
    place = document["Resources"]
    for step in way:
        place = place[step]
    place[last] = "something else"

    assert (deployment_digest(Template(document)) != deployment_digest(template)) == renews, why


def test_deployment_id_changes_with_the_shared_answers(template: Template) -> None:
    document = json.loads(json.dumps(template.document))
    document["Mappings"]["Answer"]["Failed"]["Vtl"] = "{}"

    assert deployment_digest(Template(document)) != deployment_digest(template)


def test_an_old_deployment_id_is_rewritten_wherever_it_stands(infra_path: Path, tmp_path: Path) -> None:
    old = tmp_path / "infra.yaml"
    right = deployment_digest(load(infra_path))
    old.write_text(infra_path.read_text().replace(right, "00000000"))

    assert rewrite(old)
    assert old.read_text() == infra_path.read_text()
    assert not rewrite(old)


@pytest.mark.parametrize("fan_out", ["true", "false"])
@pytest.mark.parametrize("authentication", ["IAM", "API_KEY", "IAM_AND_API_KEY"])
def test_deployment_waits_for_everything_it_takes_a_snapshot_of(
    template: Template, fan_out: str, authentication: str
) -> None:
    stack = template.resolve({**GIVEN, "KinesisFanOut": fan_out, "Authentication": authentication}, NAMES)
    (deployment,) = stack.of_type("AWS::ApiGateway::Deployment")
    needed = stack.of_type("AWS::ApiGateway::Method") + stack.of_type("AWS::ApiGateway::GatewayResponse")

    waits_for = template.document["Resources"][deployment.logical_id]["DependsOn"]

    assert set(waits_for) == {resource.logical_id for resource in needed}


def test_no_parameter_changes_the_api_without_a_new_deployment(template: Template) -> None:
    # The hash is of the template's text: a parameter's value is not in it.
    changed = {
        name: str(declaration["AllowedValues"][-1] if "AllowedValues" in declaration else declaration["Default"] + 1)
        for name, declaration in template.document["Parameters"].items()
        if declaration["Type"] == "Number" or "AllowedValues" in declaration
    }
    changed |= {"SnsMaximumRetryAttempts": "1", "SnsMaximumEventAge": "60", "ThrottleBurst": "1"}
    changed |= {"SqsFifo": "true", "SqsBatchSize": "9", "SqsBatchingWindow": "0"}
    changed |= {"SqsMinimumPollers": "2", "SqsMaximumPollers": "3"}
    # The two that do change it have a deployment for each pair of their values.
    del changed["KinesisFanOut"], changed["Authentication"]
    given = {"CodeBucket": "other", "CodeKey": "other", "StageName": "other"}

    before = template.resolve(GIVEN, NAMES)
    after = template.resolve({**given, **changed}, NAMES)

    assert api(after) == api(before)


def api(stack: ResolvedStack) -> list[Resource]:
    held = ("RestApi", "Resource", "Method", "Model", "RequestValidator", "GatewayResponse")
    return [resource for kind in held for resource in stack.of_type(f"AWS::ApiGateway::{kind}")]


def test_access_log_is_one_line_of_json_that_names_the_request(stack: ResolvedStack) -> None:
    line = stack.resources["ApiStage"].properties["AccessLogSetting"]["Format"]

    assert "\n" not in line
    assert json.loads(line)["request_id"] == "$context.extendedRequestId"
