"""From an API to a real function and back: what the client hears, and what goes on behind it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from delivery.token_bucket import TokenBucket
from local.gateway.rest_api import RestApi
from local.lambda_api import LambdaApi
from local.wire import WireRequest, WireResponse
from tests.local.world import World, until, world

API = """
  Api: {Type: "AWS::ApiGateway::RestApi", Properties: {Name: api}}
  Sync:
    Type: AWS::ApiGateway::Resource
    Properties: {RestApiId: !Ref Api, ParentId: !GetAtt Api.RootResourceId, PathPart: sync}
  PostSync:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      ResourceId: !Ref Sync
      HttpMethod: POST
      AuthorizationType: NONE
      Integration:
        Type: AWS_PROXY
        IntegrationHttpMethod: POST
        TimeoutInMillis: 30000
        Uri: !Sub "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Function.Arn}/invocations"
  Permission:
    Type: AWS::Lambda::Permission
    Properties:
      Action: lambda:InvokeFunction
      FunctionName: !Ref Function
      Principal: apigateway.amazonaws.com
      SourceArn: !Sub "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*/POST/sync"
  Deployment: {Type: "AWS::ApiGateway::Deployment", Properties: {RestApiId: !Ref Api}}
  Stage:
    Type: AWS::ApiGateway::Stage
    Properties: {RestApiId: !Ref Api, DeploymentId: !Ref Deployment, StageName: live}
  Failed:
    Type: AWS::ApiGateway::GatewayResponse
    Properties: {RestApiId: !Ref Api, ResponseType: INTEGRATION_FAILURE, StatusCode: "502"}
"""


@asynccontextmanager
async def api_of(
    tmp_path: Path, handler: str, *, timeout_ms: int = 30_000, quotas: dict[str, float] | None = None, **parameters: Any
) -> AsyncIterator[tuple[World, RestApi]]:
    def with_api(text: str) -> str:
        return text + API.replace("30000", str(timeout_ms))

    async with world(tmp_path, handler, edit=with_api, quotas=quotas, **parameters) as here:
        stack = here.stack
        functions = LambdaApi(stack.functions, stack.mappings, stack.invoke, stack.accept_event, here.clock)
        account = TokenBucket(1e9, 1e9)
        yield here, RestApi(here.resolved.resources, {"lambda": functions}, here.clock, account=account)


def asked(body: bytes = b"{}") -> WireRequest:
    return WireRequest("POST", "/live/sync", "", {"host": "127.0.0.1:1"}, body)


def heard(response: WireResponse) -> tuple[int, Any]:
    return response.status, json.loads(response.body)


INTERNAL = {"message": "Internal server error"}


async def test_a_function_answers_a_client_and_its_state_is_told(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    marker.touch()
    async with api_of(tmp_path, "sample.waits_for_the_marker", Marker=str(marker)) as (here, api):
        response = await api.handle(asked(b'{"text": "\xc3\xa9"}'))
        assert response.status == 201
        event = json.loads(response.body)
        assert event["body"] == '{"text": "é"}'
        assert event["requestContext"]["requestId"] == response.headers["x-amzn-requestid"]
        assert event["requestContext"]["deploymentId"]
        state = here.stack.states["function"]
        await until(lambda: state()["completed"] == 1)
        assert (state()["accepted"], state()["cold_starts"]) == (1, 1)


async def test_a_client_told_504_leaves_the_function_running_to_its_end(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    slow = api_of(tmp_path, "sample.waits_for_the_marker", timeout_ms=50, Marker=str(marker))
    async with slow as (here, api):
        assert heard(await api.handle(asked())) == (504, {"message": "Endpoint request timed out"})
        assert here.done() == []
        marker.touch()
        await until(lambda: len(here.done()) == 1)


async def test_a_function_without_a_free_environment_is_an_integration_failure(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    one = api_of(tmp_path, "sample.waits_for_the_marker", quotas={"account_concurrency": 1}, Marker=str(marker))
    async with one as (here, api):
        first = asyncio.create_task(api.handle(asked()))
        (function,) = here.stack.functions.values()
        await until(lambda: function.environments.running == 1)
        assert heard(await api.handle(asked())) == (502, INTERNAL)
        marker.touch()
        assert (await first).status == 201


async def test_a_handler_that_raises_hangs_or_answers_too_much_is_a_502(tmp_path: Path) -> None:
    for handler in ("sample.raises", "sample.hangs", "sample.answers_much", "sample.exits", "no_such.handler"):
        async with api_of(tmp_path, handler) as (_, api):
            assert heard(await api.handle(asked())) == (502, INTERNAL), handler


async def test_an_event_too_large_for_lambda_is_a_413(tmp_path: Path) -> None:
    async with api_of(tmp_path, "sample.nothing") as (_, api):
        assert heard(await api.handle(asked(b"x" * (6 * 1024 * 1024)))) == (413, {"message": "Request Too Long"})


async def test_a_handler_that_returns_nothing_has_not_answered(tmp_path: Path) -> None:
    async with api_of(tmp_path, "sample.nothing") as (_, api):
        assert heard(await api.handle(asked())) == (502, INTERNAL)
