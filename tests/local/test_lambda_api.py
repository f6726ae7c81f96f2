"""Lambda's API as boto3 meets it."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.http import serve
from local.lambda_api import LambdaApi
from local.wire import WireRequest
from tests.local.world import World, until, world

NAME = "forebay-Function"


class Caller:
    """A world and a boto3 client for it; boto3 waits, so it is called in a thread."""

    def __init__(self, here: World, client: Any, api: LambdaApi) -> None:
        self.here = here
        self.api = api
        self._client = client

    async def call(self, operation: str, **values: Any) -> Any:
        return await asyncio.to_thread(getattr(self._client, operation), **values)

    async def refused(self, operation: str, **values: Any) -> str:
        with pytest.raises(ClientError) as caught:
            await self.call(operation, **values)
        return str(caught.value.response["Error"]["Code"])


@pytest.fixture
async def caller(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Caller]:
    async with world(tmp_path, request.param, quotas={"account_concurrency": 1}) as here:
        stack = here.stack
        api = LambdaApi(stack.functions, stack.mappings, stack.invoke, stack.accept_event, here.clock)
        server = await serve(api)
        client = boto3.client(
            "lambda",
            endpoint_url=server.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}),
        )
        yield Caller(here, client, api)
        await server.close()


@pytest.mark.parametrize("caller", ["sample.ok"], indirect=True)
async def test_invoke_returns_what_the_handler_returned(caller: Caller) -> None:
    for name in (NAME, next(iter(caller.here.stack.functions)), f"000000000000:function:{NAME}", f"{NAME}:$LATEST"):
        answer = await caller.call("invoke", FunctionName=name, Payload=b'{"a": 1}')
        assert answer["StatusCode"] == 200
        assert answer["ExecutedVersion"] == "$LATEST"
        assert "FunctionError" not in answer
        assert json.loads(answer["Payload"].read())["echo"] == {"a": 1}


@pytest.mark.parametrize("caller", ["sample.raises"], indirect=True)
async def test_a_handlers_error_is_a_200_with_function_error(caller: Caller) -> None:
    answer = await caller.call("invoke", FunctionName=NAME)
    assert answer["StatusCode"] == 200
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read())["errorType"] == "RuntimeError"


@pytest.mark.parametrize("caller", ["sample.remembers"], indirect=True)
async def test_an_event_is_accepted_at_once_and_handled_later(caller: Caller) -> None:
    event = json.dumps({"Records": [{"body": "left-to-lambda"}]})
    answer = await caller.call("invoke", FunctionName=NAME, InvocationType="Event", Payload=event)
    assert answer["StatusCode"] == 202
    await until(lambda: caller.here.done() == ["left-to-lambda"])


@pytest.mark.parametrize("caller", ["sample.hangs"], indirect=True)
async def test_a_caller_over_the_concurrency_gets_429(caller: Caller) -> None:
    running = asyncio.create_task(caller.call("invoke", FunctionName=NAME))
    (function,) = caller.here.stack.functions.values()
    await until(lambda: function.environments.running == 1)
    assert await caller.refused("invoke", FunctionName=NAME) == "TooManyRequestsException"
    assert json.loads((await running)["Payload"].read())["errorType"] == "Sandbox.Timedout"


@pytest.mark.parametrize("caller", ["sample.environment"], indirect=True)
async def test_updated_code_is_loaded_anew_by_the_next_invocation(caller: Caller) -> None:
    async def environment() -> str:
        answer = await caller.call("invoke", FunctionName=NAME)
        return str(json.loads(answer["Payload"].read())["AWS_LAMBDA_LOG_STREAM_NAME"])

    first = await environment()
    given = {"FunctionName": NAME, "S3Bucket": "any", "S3Key": "any"}
    assert (await caller.call("update_function_code", DryRun=True, **given))["FunctionName"] == NAME
    assert await environment() == first
    assert (await caller.call("update_function_code", **given))["LastUpdateStatus"] == "Successful"
    assert await environment() != first
    refused = await caller.refused("update_function_code", FunctionName=NAME, ZipFile=b"another code")
    assert refused == "InvalidParameterValueException"


@pytest.mark.parametrize("caller", ["sample.ok"], indirect=True)
async def test_configuration_and_mappings_are_the_templates(caller: Caller) -> None:
    configuration = await caller.call("get_function_configuration", FunctionName=NAME)
    assert (configuration["Handler"], configuration["Timeout"]) == ("sample.ok", 4)
    assert "AWS_SECRET_ACCESS_KEY" not in configuration["Environment"]["Variables"]
    listed = (await caller.call("list_functions"))["Functions"]
    assert [function["FunctionName"] for function in listed] == [NAME]
    mappings = (await caller.call("list_event_source_mappings", FunctionName=NAME))["EventSourceMappings"]
    assert {mapping["BatchSize"] for mapping in mappings if "BatchSize" in mapping} == {10}
    assert len(mappings) == 3
    one = await caller.call("get_event_source_mapping", UUID=mappings[0]["UUID"])
    assert one["EventSourceArn"] == mappings[0]["EventSourceArn"]
    other = await caller.call("list_event_source_mappings", FunctionName="another")
    assert other["EventSourceMappings"] == []


@pytest.mark.parametrize("caller", ["sample.ok"], indirect=True)
async def test_what_lambda_refuses_is_refused_by_its_own_name(caller: Caller) -> None:
    assert await caller.refused("invoke", FunctionName="none") == "ResourceNotFoundException"
    assert await caller.refused("get_event_source_mapping", UUID="0" * 36) == "ResourceNotFoundException"
    assert await caller.refused("invoke", FunctionName=NAME, Payload=b"{") == "InvalidRequestContentException"
    large = io.BytesIO(b'"' + b"x" * (1024 * 1024) + b'"').getvalue()
    code = await caller.refused("invoke", FunctionName=NAME, InvocationType="Event", Payload=large)
    assert code == "RequestTooLargeException"
    assert await caller.refused("delete_function", FunctionName=NAME) == "UnknownOperationException"


@pytest.mark.parametrize("caller", ["sample.ok"], indirect=True)
@pytest.mark.parametrize("name", ["%00", "..%2f..", "a:b:c:function", "%F0%28", ":", "function:", "x" * 10_000])
async def test_a_hostile_name_is_no_function(caller: Caller, name: str) -> None:
    path = f"/2015-03-31/functions/{name}/invocations"
    answer = await caller.api.handle(WireRequest("POST", path, body=b"[" * 100_000))
    assert answer.status == 404
