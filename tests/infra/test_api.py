"""The API as infra.yaml defines it: what AWS's console and the reference templates get wrong."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from local.api_deployment import deployment_digest, rewrite
from local.physical_names import PhysicalNames
from local.template import ResolvedStack, Resource, Template, load

ROUTES = {
    ("POST", "/v1/kinesis/images"),
    ("POST", "/v1/kinesis-efo/images"),
    ("POST", "/v1/sqs/images"),
    ("POST", "/v1/sns/images"),
    ("PUT", "/v1/images/{key}"),
    ("GET", "/v1/requests/{id}"),
}
GIVEN = {"CodeBucket": "code", "CodeKey": "forebay.zip"}
NAMES = PhysicalNames(queue_base_url="http://127.0.0.1:4100")
METHODS = ["PostKinesisImage", "PostKinesisEfoImage", "PostSqsImage", "PostSnsImage", "PutImage", "GetRequest"]


def path_of(stack: ResolvedStack, resource_id: str) -> str:
    for resource in stack.of_type("AWS::ApiGateway::Resource"):
        if resource.ref == resource_id:
            return path_of(stack, resource.properties["ParentId"]) + "/" + resource.properties["PathPart"]
    return ""


@pytest.fixture
def integration(stack: ResolvedStack, request: pytest.FixtureRequest) -> dict[str, Any]:
    integration = stack.resources[request.param].properties["Integration"]
    assert isinstance(integration, dict)
    return integration


def test_the_routes_are_those_of_the_contract(stack: ResolvedStack) -> None:
    methods = stack.of_type("AWS::ApiGateway::Method")

    assert [method.logical_id for method in methods] == METHODS
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

    assert declared == {(status, "method.response.header.Retry-After") for status in retried}
    for answer in properties["Integration"]["IntegrationResponses"]:
        for header in answer.get("ResponseParameters", {}):
            assert (answer["StatusCode"], header) in declared


@pytest.mark.parametrize("name", METHODS)
def test_no_part_of_the_target_comes_from_the_client(stack: ResolvedStack, name: str) -> None:
    integration = stack.resources[name].properties["Integration"]
    from_client = re.findall(r"\{(\w+)\}", integration["Uri"])

    assert from_client == (["key"] if name == "PutImage" else [])


@pytest.mark.parametrize("name", ["PostKinesisImage", "PostKinesisEfoImage", "PostSqsImage", "PostSnsImage"])
def test_a_body_is_validated_against_the_model(stack: ResolvedStack, name: str) -> None:
    properties = stack.resources[name].properties
    validators = {validator.ref: validator for validator in stack.of_type("AWS::ApiGateway::RequestValidator")}

    assert validators[properties["RequestValidatorId"]].properties["ValidateRequestBody"] is True
    assert properties["RequestModels"] == {"application/json": stack.resources["RecognitionModel"].ref}


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
        ("MISSING_AUTHENTICATION_TOKEN", "404"),  # what AWS says, with 403, to an unknown path
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
    assert ("gatewayresponse.header.Retry-After" in answer.get("ResponseParameters", {})) == (status == "429")
    # messageString comes with its quotes; nothing else that a client may have written is put in.
    assert set(re.findall(r"\$[\w.]+", text)) <= {"$context.error.messageString"}
    body = json.loads(text.replace("$context.error.messageString", '"said \\"so\\""'))
    assert set(body) == {"message", "remedy"}
    assert all(body.values())


def test_images_pass_as_bytes_and_json_as_text(stack: ResolvedStack) -> None:
    assert stack.resources["Api"].properties["BinaryMediaTypes"] == ["image~1jpeg", "image~1png"]


@pytest.mark.parametrize(("fan_out", "name"), [("true", "ApiDeployment"), ("false", "ApiDeploymentWithoutKinesisEfo")])
def test_deployment_is_named_after_what_it_deploys(template: Template, fan_out: str, name: str) -> None:
    stack = template.resolve({**GIVEN, "KinesisFanOut": fan_out}, NAMES)
    (deployment,) = stack.of_type("AWS::ApiGateway::Deployment")

    assert deployment.logical_id == name + deployment_digest(template), "run: .venv/bin/python -m local.api_deployment"
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
def test_deployment_waits_for_everything_it_takes_a_snapshot_of(template: Template, fan_out: str) -> None:
    stack = template.resolve({**GIVEN, "KinesisFanOut": fan_out}, NAMES)
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
    # The one that does change it has a deployment for each of its values.
    del changed["KinesisFanOut"]
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
