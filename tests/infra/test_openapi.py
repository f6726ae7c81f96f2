"""docs/openapi.yaml says what infra.yaml deploys: every route, every answer, every form."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.authentication.callers import Demand, demand_of
from local.physical_names import PhysicalNames
from local.template import ResolvedStack, Template
from tests.infra.conftest import path_of

DOCUMENT = yaml.safe_load((Path(__file__).parents[2] / "docs" / "openapi.yaml").read_text(encoding="utf-8"))
# What the gateway may say to any request by itself, by its gateway responses; a lookup has no body to refuse.
BY_THE_GATEWAY = {"400", "403", "413", "429", "500", "502", "504"}
BODIES = {"Recognition": "RecognitionModel", "SyncRecognition": "SyncRecognitionModel"}


def operations() -> dict[str, tuple[str, str, dict[str, Any]]]:
    return {
        operation["operationId"]: (verb.upper(), path, operation)
        for path, verbs in DOCUMENT["paths"].items()
        for verb, operation in verbs.items()
    }


def resolved(node: Any) -> Any:
    while isinstance(node, dict) and "$ref" in node:
        place: Any = DOCUMENT
        for step in node["$ref"].removeprefix("#/").split("/"):
            place = place[step]
        node = place
    return node


def test_the_document_has_the_routes_of_the_template_and_no_other(stack: ResolvedStack) -> None:
    deployed = {
        method.properties["OperationName"]: (
            method.properties["HttpMethod"],
            path_of(stack, method.properties["ResourceId"]),
        )
        for method in stack.of_type("AWS::ApiGateway::Method")
    }

    assert {name: (verb, path) for name, (verb, path, _) in operations().items()} == deployed


@pytest.mark.parametrize("name", operations())
def test_every_answer_of_the_template_is_documented(stack: ResolvedStack, name: str) -> None:
    answers = stack.resources[name].properties.get("MethodResponses", [])
    documented = operations()[name][2]["responses"]

    assert {answer["StatusCode"] for answer in answers} | BY_THE_GATEWAY <= set(documented)
    for answer in answers:
        headers = {header.rpartition(".")[2] for header in answer.get("ResponseParameters", {})}
        assert headers <= set(resolved(documented[answer["StatusCode"]]).get("headers", {})), answer


@pytest.mark.parametrize("name", operations())
def test_every_parameter_of_the_template_is_documented_as_needed_or_not(stack: ResolvedStack, name: str) -> None:
    _, path, operation = operations()[name]
    documented = {(p["in"], p["name"]): p["required"] for p in operation.get("parameters", ())}
    declared = {}
    for parameter, needed in stack.resources[name].properties.get("RequestParameters", {}).items():
        place, _, key = parameter.removeprefix("method.request.").partition(".")
        # OpenAPI says it by the media types of the body.
        if (place, key) != ("header", "Content-Type"):
            declared[place, key] = needed

    # A part of the path is always needed; the template has to name it only to map or to check it.
    assert documented == declared | {("path", key): True for key in re.findall(r"\{(\w+)\}", path)}


@pytest.mark.parametrize("name", [name for name, (verb, _, _) in operations().items() if verb == "POST"])
def test_a_body_has_the_form_that_the_gateway_checks(stack: ResolvedStack, name: str) -> None:
    (model,) = stack.resources[name].properties["RequestModels"].values()
    ((media_type, body),) = operations()[name][2]["requestBody"]["content"].items()
    schema = body["schema"]["$ref"].rpartition("/")[2]

    assert media_type == "application/json"
    assert stack.resources[BODIES[schema]].ref == model


@pytest.mark.parametrize(("schema", "model"), BODIES.items())
def test_the_forms_are_the_models(template: Template, schema: str, model: str) -> None:
    written = template.document["Resources"][model]["Properties"]["Schema"]

    # The template has to say which draft it is, OpenAPI 3.1 has one of its own; these keywords mean the same in both.
    assert DOCUMENT["components"]["schemas"][schema] == {
        key: value for key, value in written.items() if key not in ("$schema", "title")
    }


@pytest.mark.parametrize(
    ("authentication", "asked"),
    [("IAM", {"signature"}), ("API_KEY", {"apiKey"}), ("IAM_AND_API_KEY", {"signature", "apiKey"})],
)
def test_what_each_route_asks_of_its_caller_is_documented(
    template: Template, authentication: str, asked: set[str]
) -> None:
    given = {"CodeBucket": "code", "CodeKey": "key", "Authentication": authentication}
    stack = template.resolve(given, PhysicalNames(queue_base_url="http://127.0.0.1:4100"))

    assert asked in [set(either) for either in DOCUMENT["security"]]
    for method in stack.of_type("AWS::ApiGateway::Method"):
        demand = demand_of(method.logical_id, method.properties)
        assert demand == Demand(signed="signature" in asked, keyed="apiKey" in asked), method.logical_id


def test_every_name_that_is_referred_to_is_there_and_every_name_is_referred_to() -> None:
    referred = set(re.findall(r"'\$ref': '#/components/([\w/-]+)'", repr(DOCUMENT)))
    referred |= {f"securitySchemes/{name}" for either in DOCUMENT["security"] for name in either}
    named = {f"{kind}/{name}" for kind, parts in DOCUMENT["components"].items() for name in parts}

    assert referred == named
