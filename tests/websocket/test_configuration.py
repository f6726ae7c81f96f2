import pytest

from delivery.quotas import Quotas
from local.gateway.configuration import ConfigurationError
from local.resource_properties import NotServedError
from local.websocket.configuration import read_websocket_api
from tests.websocket.world import DEFAULT_ROUTE, TEMPLATE, resolved

QUOTAS = Quotas()
NO_API = TEMPLATE[: TEMPLATE.index("  Permission:\n")].replace("${Api}", "x")


def test_the_template_becomes_routes_with_their_function() -> None:
    stack = resolved()
    api = read_websocket_api(stack, QUOTAS)
    assert api is not None
    assert (api.api_id, api.stage_name) == (stack.resources["Api"].ref, "v1")
    assert set(api.routes) == {"$connect", "$disconnect", "$default", "ask", "tell"}
    function = stack.resources["Function"].attributes["Arn"]
    assert all(route.function_arn == function and route.timeout_s == 29.0 for route in api.routes.values())
    assert [key for key, route in api.routes.items() if route.two_way] == ["ask"]


def test_a_template_without_one_has_no_websocket_api() -> None:
    assert read_websocket_api(resolved(NO_API), QUOTAS) is None


@pytest.mark.parametrize(
    ("written", "instead", "complaint"),
    [
        ("ProtocolType: WEBSOCKET", "ProtocolType: HTTP", "Api: .*WEBSOCKET"),
        (", RouteSelectionExpression: $request.body.action", "", "Api: .*RouteSelectionExpression"),
        ("Name: test,", "Name: test, CorsConfiguration: {},", "CorsConfiguration"),
        ("AWS_PROXY", "MOCK", "Integration: .*AWS_PROXY"),
        ("/invocations", "", "Integration: .*with a function"),
        (
            "{Arn: !GetAtt Function.Arn}",
            "{Arn: 'arn:aws:lambda:us-east-1:1:function:x'}",
            "no function of this template",
        ),
        ("IntegrationType:", "TimeoutInMillis: 29001\n      IntegrationType:", "29001; 50 to 29000"),
        ("IntegrationType:", "TimeoutInMillis: 49\n      IntegrationType:", "49; 50 to 29000"),
        ("IntegrationType:", "RequestParameters: {a: b}\n      IntegrationType:", "RequestParameters"),
        ("RouteKey: tell,", "RouteKey: ask,", "there is a route ask already"),
        ("RouteKey: tell,", "RouteKey: tell, AuthorizationType: AWS_IAM,", "authorization"),
        ("RouteKey: tell,", "RouteKey: tell, ApiKeyRequired: true,", "authorization or a key"),
        ("RouteKey: tell,", "RouteKey: tell, RequestModels: {a: b},", "RequestModels"),
        ("RouteKey: tell,", "RouteKey: tell, RouteResponseSelectionExpression: $default,", "Tell: .*RouteResponse"),
        ("      RouteResponseSelectionExpression: $default\n", "", "Ask: .*would not answer"),
        ("RouteResponseKey: $default", "RouteResponseKey: other", "AskResponse: .*\\$default"),
        ('RouteKey: tell, Target: !Sub "integrations/${Integration}"', "RouteKey: tell", "Tell: .*no integration"),
        ("StageName: v1, AutoDeploy: true", "StageName: v1", "Stage: nothing is deployed"),
        ("StageName: v1,", "StageName: v1, ClientCertificateId: x,", "ClientCertificateId"),
        ("Principal: apigateway.amazonaws.com", "Principal: sns.amazonaws.com", "no AWS::Lambda::Permission"),
        ("${AWS::AccountId}:${Api}/*", "${AWS::AccountId}:${Api}/v1/ask", "Connect: .*on behalf of .*/v1/.connect"),
        ("AutoDeploy: true}\n", "AutoDeploy: true}\n  Api2: {Type: AWS::ApiGatewayV2::Api}\n", "Api2: one API"),
    ],
)
def test_what_cannot_be_served_or_would_only_fail_is_refused_by_name(
    written: str, instead: str, complaint: str
) -> None:
    assert written in TEMPLATE
    with pytest.raises((ConfigurationError, NotServedError), match=complaint):
        read_websocket_api(resolved(TEMPLATE.replace(written, instead)), QUOTAS)


@pytest.mark.parametrize(
    ("written", "instead", "why"),
    [
        ("Principal: apigateway.amazonaws.com\n", "Principal: apigateway.amazonaws.com\n", "as it stands"),
        ("${Api}/*", "${Api}/v1/?*", "ARNs may hold ? too"),
        (
            "      SourceArn: !Sub arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*\n",
            "",
            "any",
        ),
        ("FunctionName: !Ref Function", "FunctionName: !GetAtt Function.Arn", "an ARN names it, too"),
    ],
)
def test_a_permission_that_covers_every_route_is_enough(written: str, instead: str, why: str) -> None:
    assert written in TEMPLATE
    assert read_websocket_api(resolved(TEMPLATE.replace(written, instead)), QUOTAS) is not None, why


def test_a_role_for_the_call_needs_no_permission() -> None:
    role = "CredentialsArn: arn:aws:iam::000000000000:role/api\n      IntegrationType:"
    text = TEMPLATE.replace("Principal: apigateway.amazonaws.com", "Principal: sns.amazonaws.com")
    assert read_websocket_api(resolved(text.replace("IntegrationType:", role)), QUOTAS) is not None


def test_a_stage_may_name_its_deployment_instead_of_deploying_by_itself() -> None:
    text = TEMPLATE.replace(
        "StageName: v1, AutoDeploy: true}\n",
        "StageName: v1, DeploymentId: !Ref Deployment}\n"
        "  Deployment: {Type: AWS::ApiGatewayV2::Deployment, Properties: {ApiId: !Ref Api}}\n",
    )
    assert read_websocket_api(resolved(text), QUOTAS) is not None


def test_an_integration_response_is_taken_and_without_effect_as_for_any_proxy_integration() -> None:
    response = """  Mapped:
    Type: AWS::ApiGatewayV2::IntegrationResponse
    Properties: {ApiId: !Ref Api, IntegrationId: !Ref Integration, IntegrationResponseKey: $default}
"""
    api = read_websocket_api(resolved(TEMPLATE.replace("Outputs:\n", response + "Outputs:\n")), QUOTAS)
    assert api is not None
    assert set(api.routes) == {"$connect", "$disconnect", "$default", "ask", "tell"}


def test_a_route_waits_as_long_as_its_integration_says() -> None:
    text = TEMPLATE.replace("IntegrationType:", "TimeoutInMillis: 1500\n      IntegrationType:")
    api = read_websocket_api(resolved(text), QUOTAS)
    assert api is not None
    assert {route.timeout_s for route in api.routes.values()} == {1.5}


def test_an_api_may_do_without_any_route_that_it_does_not_need() -> None:
    api = read_websocket_api(resolved(TEMPLATE.replace(DEFAULT_ROUTE, "")), QUOTAS)
    assert api is not None
    assert "$default" not in api.routes


def test_names_and_addresses_are_those_of_the_port_where_it_is_served() -> None:
    stack = resolved(websocket_base_url="http://127.0.0.1:4300", api_base_url="http://127.0.0.1:4200")
    assert stack.outputs == {
        "WebSocketUrl": "ws://127.0.0.1:4300/v1",
        "Endpoint": "ws://127.0.0.1:4300",
    }
    variables = stack.resources["Function"].properties["Environment"]["Variables"]
    assert variables == {"WEBSOCKET_ENDPOINT": "http://127.0.0.1:4300/v1"}
    resources = stack.resources
    assert resources["Stage"].ref == "v1"
    assert resources["Connect"].properties["Target"] == f"integrations/{resources['Integration'].ref}"
    for logical_id, attribute in (
        ("Api", "ApiId"),
        ("Integration", "IntegrationId"),
        ("Connect", "RouteId"),
        ("AskResponse", "RouteResponseId"),
    ):
        assert resources[logical_id].attributes[attribute] == resources[logical_id].ref
    assert len({resource.ref for resource in resources.values()}) == len(resources)


def test_without_a_port_of_its_own_the_addresses_are_those_of_aws() -> None:
    stack = resolved()
    api_id = stack.resources["Api"].ref
    assert stack.outputs["WebSocketUrl"] == f"wss://{api_id}.execute-api.us-east-1.amazonaws.com/v1"
    assert stack.outputs["Endpoint"] == f"wss://{api_id}.execute-api.us-east-1.amazonaws.com"
