"""The proxy in front of a real server."""

import asyncio
from collections.abc import AsyncIterator

import boto3
import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer

from local.http import Server, listen, serve
from local.proxy import HttpProxy
from local.wire import WireRequest, WireResponse
from tests.gateway.conftest import Infra
from tests.gateway.upstream import Upstream

EVERY_BYTE = bytes(range(256))


@pytest.fixture
def upstream() -> Upstream:
    return Upstream(WireResponse(207, {"content-type": "text/x", "x-amz-id": "1", "location": "/next"}, EVERY_BYTE))


@pytest.fixture
async def server(upstream: Upstream) -> AsyncIterator[Server]:
    server = await serve(upstream)
    yield server
    await server.close()


@pytest.fixture
async def proxy(server: Server) -> AsyncIterator[HttpProxy]:
    proxy = HttpProxy(server.url)
    yield proxy
    await proxy.close()


async def test_a_request_and_its_answer_pass_unchanged(proxy: HttpProxy, upstream: Upstream) -> None:
    request = WireRequest(
        "PUT", "/b/%2E%2E/a%2Fb%20c+d", "x=%26&acl", {"content-type": "image/png", "x-amz-target": "T"}, EVERY_BYTE
    )
    response = await proxy.handle(request)
    assert (response.status, response.body) == (207, EVERY_BYTE)
    assert (response.headers["content-type"], response.headers["x-amz-id"]) == ("text/x", "1")
    (seen,) = upstream.seen
    assert (seen.method, seen.path, seen.query, seen.body) == ("PUT", request.path, request.query, EVERY_BYTE)
    assert set(seen.headers) - {"host", "content-length"} == {"content-type", "x-amz-target"}


async def test_headers_of_the_connection_are_not_passed_on(proxy: HttpProxy, upstream: Upstream) -> None:
    headers = {"content-length": "3", "transfer-encoding": "chunked", "connection": "close", "host": "evil", "te": "x"}
    response = await proxy.handle(WireRequest("POST", "/", "", headers, b"longer than three"))
    assert response.status == 207
    (seen,) = upstream.seen
    assert (seen.body, seen.headers["content-length"]) == (b"longer than three", "17")
    assert seen.headers["host"].startswith("127.0.0.1")
    assert not {"te", "transfer-encoding"} & set(seen.headers)


async def test_a_redirect_is_not_followed_and_a_compressed_answer_not_opened(
    proxy: HttpProxy, upstream: Upstream
) -> None:
    upstream.answer = WireResponse(302, {"location": "/elsewhere", "content-encoding": "gzip"}, b"no gzip")
    response = await proxy.handle(WireRequest("GET", "/"))
    assert (response.status, response.headers["location"], response.body) == (302, "/elsewhere", b"no gzip")
    assert len(upstream.seen) == 1


async def test_head_says_the_length_of_what_it_leaves_out(proxy: HttpProxy) -> None:
    response = await proxy.handle(WireRequest("HEAD", "/"))
    assert (response.body, response.headers["content-length"]) == (b"", "256")


async def test_a_hundred_at_once(proxy: HttpProxy, upstream: Upstream) -> None:
    answers = await asyncio.gather(*(proxy.handle(WireRequest("GET", f"/{number}")) for number in range(100)))
    assert {answer.status for answer in answers} == {207}
    assert {request.path for request in upstream.seen} == {f"/{number}" for number in range(100)}


async def test_nobody_there_is_a_connection_error() -> None:
    with listen() as nobody:
        proxy = HttpProxy(f"http://127.0.0.1:{nobody.getsockname()[1]}")
        try:
            with pytest.raises(ConnectionError, match="no answer from"):
                await proxy.handle(WireRequest("GET", "/"))
        finally:
            await proxy.close()


async def test_it_can_be_closed_unused_and_used_after() -> None:
    upstream = Upstream()
    server = await serve(upstream)
    proxy = HttpProxy(server.url)
    await proxy.close()
    assert (await proxy.handle(WireRequest("GET", "/"))).status == 200
    await proxy.close()
    await server.close()


async def test_infra_uploads_to_and_looks_up_in_motos_own_server(infra: Infra) -> None:
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    url = "http://{}:{}".format(*moto.get_host_and_port())
    options = {
        "endpoint_url": url,
        "region_name": "eu-west-1",
        "aws_access_key_id": "local",
        "aws_secret_access_key": "local",
        "config": Config(s3={"addressing_style": "path"}),
    }
    outputs = infra.stack.outputs
    s3, dynamodb = boto3.client("s3", **options), boto3.client("dynamodb", **options)
    proxy = HttpProxy(url)
    try:
        s3.create_bucket(Bucket=outputs["ImageBucket"], CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        dynamodb.create_table(
            TableName=outputs["ResultsTable"],
            KeySchema=[{"AttributeName": "request_id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "request_id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        item = {"request_id": {"S": "Fv6kVGuJIAMF3Iw="}, "status": {"S": "SUCCEEDED"}, "labels": {"L": []}}
        dynamodb.put_item(TableName=outputs["ResultsTable"], Item=item)
        behind = Infra(infra.stack, {**infra.upstreams, "s3": proxy, "dynamodb": proxy})  # type: ignore[dict-item]

        uploads = {name: await behind.ask("PUT", f"/v1/images/{name}", EVERY_BYTE, "image/png") for name in ("a", "..")}
        found = await behind.ask("GET", "/v1/requests/Fv6kVGuJIAMF3Iw=", content_type=None)
        missing = await behind.ask("GET", "/v1/requests/gone", content_type=None)

        assert (uploads["a"].status, found.status, missing.status) == (201, 200, 404)
        stored = s3.get_object(Bucket=outputs["ImageBucket"], Key="a")
        assert (stored["Body"].read(), stored["ContentType"]) == (EVERY_BYTE, "image/png")
        assert len(s3.list_buckets()["Buckets"]) == 1
    finally:
        await proxy.close()
        s3.close()
        dynamodb.close()
        moto.stop()
