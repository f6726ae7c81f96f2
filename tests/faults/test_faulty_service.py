"""A service's edge with faults in force, as botocore meets it over a real connection."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from local.clock import epoch_clock
from local.faults.fault import Edge, read_faults
from local.faults.faulty_service import FaultyService
from local.faults.injector import Injector
from local.http import Server, serve
from local.wire import WireRequest, WireResponse

Open = Callable[..., Any]


class Behind:
    """The service behind the edge; or one whose process is gone."""

    def __init__(self) -> None:
        self.calls = 0
        self.gone = False

    async def handle(self, _request: WireRequest) -> WireResponse:
        self.calls += 1
        if self.gone:
            raise ConnectionRefusedError
        return WireResponse(200, {"content-type": "application/x-amz-json-1.0"}, b'{"Labels": []}')


@pytest.fixture
def behind() -> Behind:
    return Behind()


@pytest.fixture
async def open_client(behind: Behind) -> AsyncIterator[Open]:
    """A client of a service whose edge has these faults."""
    servers: list[Server] = []

    async def make(service: str, *faults: dict[str, Any]) -> Any:
        injector = Injector(epoch_clock())
        injector.put(read_faults({"faults": [{"edge": service, **fault} for fault in faults]}))
        servers.append(await serve(FaultyService(behind, Edge(service), injector, epoch_clock())))
        return boto3.client(
            service,
            endpoint_url=servers[-1].url,
            region_name="us-east-1",
            aws_access_key_id="k",
            aws_secret_access_key="s",
            config=Config(retries={"total_max_attempts": 1}),
        )

    yield make
    for server in servers:
        await server.close()


CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "rekognition": ("detect_labels", {"Image": {"Bytes": b"image"}}),
    "dynamodb": ("get_item", {"TableName": "results", "Key": {"request_id": {"S": "r"}}}),
    "kinesis": ("put_record", {"StreamName": "s", "Data": b"record", "PartitionKey": "k"}),
    "sqs": ("send_message", {"QueueUrl": "http://127.0.0.1/0/q", "MessageBody": "record"}),
    "sns": ("publish", {"TopicArn": "arn:aws:sns:us-east-1:000000000000:t", "Message": "record"}),
}


async def call(client: Any, service: str) -> Any:
    operation, values = CALLS[service]
    return await asyncio.to_thread(getattr(client, operation), **values)


@pytest.mark.parametrize("service", CALLS)
async def test_a_fault_s_error_is_read_by_the_sdk_as_the_service_s_own(
    open_client: Open, behind: Behind, service: str
) -> None:
    client = await open_client(service, {"effect": "answer", "status": 503, "code": "ServiceUnavailable"})
    with pytest.raises(ClientError) as caught:
        await call(client, service)
    assert caught.value.response["Error"]["Code"] == "ServiceUnavailable"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert not behind.calls


async def test_api_gateway_reads_a_query_protocol_s_error_as_json() -> None:
    injector = Injector(epoch_clock())
    injector.put(read_faults({"faults": [{"edge": "sns", "effect": "answer", "status": 400, "code": "Throttled"}]}))
    form = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
    answer = await FaultyService(Behind(), Edge.SNS, injector, epoch_clock()).handle(
        WireRequest("POST", "/", headers=form, body=b"Action=Publish")
    )
    assert answer.status == 400
    assert json.loads(answer.body)["Error"]["Code"] == "Throttled"
    assert json.loads(answer.body)["Error"]["Type"] == "Sender"


async def test_an_answer_that_is_lost_is_of_a_call_that_was_done(open_client: Open, behind: Behind) -> None:
    client = await open_client("rekognition", {"effect": "break-off"})
    with pytest.raises(ConnectionClosedError):
        await call(client, "rekognition")
    assert behind.calls == 1


async def test_a_server_that_is_gone_breaks_off_as_one_that_dies(open_client: Open, behind: Behind) -> None:
    client = await open_client("rekognition")
    behind.gone = True
    with pytest.raises(ConnectionClosedError):
        await call(client, "rekognition")
    behind.gone = False
    assert (await call(client, "rekognition"))["Labels"] == []


async def test_a_slow_service_takes_so_many_times_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    now = [0.0]

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    class TakesTwoSeconds:
        async def handle(self, _request: WireRequest) -> WireResponse:
            now[0] += 2.0
            return WireResponse(200)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    injector = Injector(lambda: now[0])
    injector.put(read_faults({"faults": [{"edge": "rekognition", "effect": "slow", "factor": 10}]}))
    service = FaultyService(TakesTwoSeconds(), Edge.REKOGNITION, injector, lambda: now[0])
    assert (await service.handle(WireRequest("POST", "/"))).status == 200
    assert slept == [18.0]
