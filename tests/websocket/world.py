"""A WebSocket API of a small template, with stand-in functions and a clock that stands still."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config
from websocket import WebSocket

from delivery.api_throttle import account_bucket
from delivery.protocol import Refusal
from delivery.quotas import Quotas
from local.authentication.api_keys import ApiKeys
from local.authentication.callers import Callers
from local.authentication.identities import Identity, by_access_key
from local.authentication.signature import Signatures
from local.execution_environment import Answer, Ending
from local.http import HOST, listen
from local.physical_names import PhysicalNames
from local.sync_calls import RefusedError
from local.template import ResolvedStack, parse
from local.websocket.api import WebSocketApi
from local.websocket.configuration import read_websocket_api
from local.wire import WireRequest

STARTED_AT = 1_700_000_000.0

TEMPLATE = """
Resources:
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Handler: websocket_handlers.answers
      Runtime: python3.13
      Role: arn:aws:iam::000000000000:role/test
      Timeout: 4
      Environment:
        Variables:
          WEBSOCKET_ENDPOINT: !Sub https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}/v1
  Permission:
    Type: AWS::Lambda::Permission
    Properties:
      Action: lambda:InvokeFunction
      FunctionName: !Ref Function
      Principal: apigateway.amazonaws.com
      SourceArn: !Sub arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*
  Api:
    Type: AWS::ApiGatewayV2::Api
    Properties: {Name: test, ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}
  Integration:
    Type: AWS::ApiGatewayV2::Integration
    Properties:
      ApiId: !Ref Api
      IntegrationType: AWS_PROXY
      IntegrationUri: !Sub
        - arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Arn}/invocations
        - {Arn: !GetAtt Function.Arn}
  Connect:
    Type: AWS::ApiGatewayV2::Route
    Properties: {ApiId: !Ref Api, RouteKey: $connect, Target: !Sub "integrations/${Integration}"}
  Disconnect:
    Type: AWS::ApiGatewayV2::Route
    Properties: {ApiId: !Ref Api, RouteKey: $disconnect, Target: !Sub "integrations/${Integration}"}
  Default:
    Type: AWS::ApiGatewayV2::Route
    Properties: {ApiId: !Ref Api, RouteKey: $default, Target: !Sub "integrations/${Integration}"}
  Ask:
    Type: AWS::ApiGatewayV2::Route
    Properties:
      ApiId: !Ref Api
      RouteKey: ask
      RouteResponseSelectionExpression: $default
      Target: !Sub "integrations/${Integration}"
  AskResponse:
    Type: AWS::ApiGatewayV2::RouteResponse
    Properties: {ApiId: !Ref Api, RouteId: !Ref Ask, RouteResponseKey: $default}
  Tell:
    Type: AWS::ApiGatewayV2::Route
    Properties: {ApiId: !Ref Api, RouteKey: tell, Target: !Sub "integrations/${Integration}"}
  Stage:
    Type: AWS::ApiGatewayV2::Stage
    Properties: {ApiId: !Ref Api, StageName: v1, AutoDeploy: true}
Outputs:
  WebSocketUrl: {Value: !Sub "wss://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}/v1"}
  Endpoint: {Value: !GetAtt Api.ApiEndpoint}
"""
DEFAULT_ROUTE = TEMPLATE[TEMPLATE.index("  Default:\n") : TEMPLATE.index("  Ask:\n")]


def resolved(text: str = TEMPLATE, **names: str) -> ResolvedStack:
    return parse(text).resolve({}, PhysicalNames(queue_base_url="http://127.0.0.1:1", **names))


@dataclass
class Clock:
    """Stands still until it is moved. Seconds."""

    now: float = STARTED_AT

    def __call__(self) -> float:
        return self.now


BACKEND = Identity("id", "secret", "000000000000", "AIDABACKEND", "arn:aws:iam::000000000000:user/backend")
API_KEY = "a-value-of-24-characters"


class OfToday(Signatures):
    """Signatures of clients that have a clock of their own, which does not stand still."""

    def check(self, request: WireRequest, _now: float) -> Identity:
        return super().check(request, time.time())


CALLERS = Callers(OfToday(by_access_key([BACKEND]), "us-east-1"), ApiKeys({API_KEY: "key1"}))

Event = dict[str, Any]
# What stands for a function: gives what it returns, raises to fail, may wait.
Handler = Callable[[Event], Awaitable[Any]]


class ThrottledError(Exception):
    """There is no concurrency for this invocation."""


async def accepts(event: Event) -> Any:
    """Accepts every client, and answers a message with its body."""
    return {"statusCode": 200, "body": event.get("body")}


@dataclass
class World:
    """A served API: what its function was told, and how to reach it."""

    api: WebSocketApi
    clock: Clock
    url: str
    address: str
    api_id: str
    events: list[Event]
    answers: Handler
    clients: list[WebSocket] = field(default_factory=list)

    async def connect(self, path: str = "/v1", **options: Any) -> WebSocket:
        """A standard client, connected; raises what it raises."""
        client = WebSocket()
        client.settimeout(20)
        await asyncio.to_thread(client.connect, f"ws://{self.address}{path}", **options)
        self.clients.append(client)
        return client

    async def ask(self, client: WebSocket, message: Any) -> Any:
        """Send a message and wait for the next one that comes, both JSON."""
        await asyncio.to_thread(client.send, json.dumps(message))
        return await self.received(client)

    async def received(self, client: WebSocket) -> Any:
        return json.loads(await asyncio.to_thread(client.recv))

    async def closed(self, client: WebSocket) -> int:
        """The code a connection is closed with; what comes before is not looked at."""
        while True:
            opcode, data = await asyncio.to_thread(client.recv_data)
            if opcode == 8:
                return int.from_bytes(data[:2])

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for what a client or the server is about to do."""
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110 (it tells nobody)
                await asyncio.sleep(0.005)

    async def events_of(self, kind: str, count: int = 1) -> list[Event]:
        """The events of a kind, once there are so many."""
        found: list[Event] = []

        def enough() -> bool:
            found[:] = [event for event in self.events if event["requestContext"]["eventType"] == kind]
            return len(found) >= count

        await self.until(enough)
        assert len(found) == count
        return found

    @property
    def connection_id(self) -> str:
        """The id of the only open connection."""
        (connection_id,) = self.api.connections
        return connection_id

    def backend(self, identity: Identity = BACKEND) -> Any:
        """boto3, as a backend makes it."""
        return boto3.client(
            "apigatewaymanagementapi",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=identity.access_key_id,
            aws_secret_access_key=identity.secret_access_key,
            config=Config(retries={"total_max_attempts": 1}),
        )


@asynccontextmanager
async def world(
    answers: Handler = accepts, *, template: str = TEMPLATE, quotas: Mapping[str, float] | None = None
) -> AsyncIterator[World]:
    numbers = Quotas.with_overrides(quotas or {})
    stack = resolved(template)
    configuration = read_websocket_api(stack, numbers)
    assert configuration is not None
    clock = Clock()
    socket = listen()
    address = f"{HOST}:{socket.getsockname()[1]}"
    events: list[Event] = []

    async def invoke(function_arn: str, event: bytes) -> Answer:
        assert function_arn == stack.resources["Function"].attributes["Arn"]
        parsed = json.loads(event)
        events.append(parsed)
        try:
            returned = await up.answers(parsed)
        except ThrottledError:
            raise RefusedError(Refusal.CONCURRENCY) from None
        except ValueError as error:
            return Answer(Ending.RAISED, json.dumps({"errorMessage": str(error)}).encode(), "request")
        return Answer(Ending.RETURNED, json.dumps(returned).encode(), "request")

    account = account_bucket(numbers)
    api = WebSocketApi(configuration, invoke, numbers, clock, account=account, callers=CALLERS, domain_name=address)
    await api.serve(socket)
    up = World(api, clock, f"http://{address}/v1", address, configuration.api_id, events, answers)
    try:
        yield up
    finally:
        # A client that nobody reads for would have the server wait for its Close frame.
        for client in up.clients:
            client.shutdown()
        await api.close()
        assert not api.connections
