"""A small stand-in for `forebay local`: the same first line, control route and APIs, with faults on demand.

The results table is the embedded AWS's own; nothing is ever dead, and the delivery is a queue per buffer, worked off at
`--rate` a second. Nearly every test of a run starts one, so it has to start fast: no boto3, no moto. Clients are called
back at the test receiver and pushed to over a WebSocket as soon as a result is stored, unless they are among those of
`--mute-every`.
"""

import asyncio
import base64
import contextlib
import http.client
import itertools
import json
import os
import socket
import ssl
import sys
import threading
import time
from collections import deque
from datetime import UTC, datetime
from urllib.parse import urlsplit

import click
from aiohttp import web
from stack_outputs import stack_outputs
from standardwebhooks.webhooks import Webhook

from local.dynamodb.service import DynamoDb
from local.template import Resource
from local.wire import WireRequest
from pipeline.request import BUFFERS, Request
from pipeline.result import Passage, Result, Status
from pipeline.results_table import BY_RUN_INDEX, ResultsTable

SECRET = base64.b64encode(bytes(33)).decode()
# As infra.yaml has it: tests/infra holds that one, and this one only has to be read and written in the same way.
RESULTS = Resource(
    "ResultsTable",
    "AWS::DynamoDB::Table",
    {
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "request_id", "KeyType": "HASH"}],
        "AttributeDefinitions": [
            {"AttributeName": "request_id", "AttributeType": "S"},
            {"AttributeName": "run_id", "AttributeType": "S"},
            {"AttributeName": "sequence", "AttributeType": "N"},
        ],
        "GlobalSecondaryIndexes": [
            {
                "IndexName": BY_RUN_INDEX,
                "KeySchema": [
                    {"AttributeName": "run_id", "KeyType": "HASH"},
                    {"AttributeName": "sequence", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    },
    "results",
    {},
)
NO_OBJECTS = '<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>'


class Aws:
    """What a load test asks of AWS when a turn is over; to the stand-in's own table, the client that writes it."""

    def __init__(self):
        ids = itertools.count(1)
        self.dynamodb = DynamoDb({"results": RESULTS}, time.time, lambda: f"aws-{next(ids)}")

    def update_item(self, **values):
        return self._perform("UpdateItem", values)

    def get_item(self, **values):
        return self._perform("GetItem", values)

    def _perform(self, operation, values):
        headers = {"x-amz-target": f"DynamoDB_20120810.{operation}"}
        return self.dynamodb._perform(WireRequest("POST", "/", "", headers, json.dumps(values).encode()))

    async def post(self, request):
        target = request.headers["x-amz-target"]
        if target == "AmazonSQS.ReceiveMessage":
            return web.json_response({})
        if target == "secretsmanager.GetSecretValue":
            return web.json_response({"ARN": "arn:secret", "Name": "callbacks", "SecretString": SECRET})
        headers = {"x-amz-target": target}
        answer = await self.dynamodb.handle(WireRequest("POST", "/", "", headers, await request.read()))
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)

    async def list_objects(self, _):
        return web.Response(text=NO_OBJECTS, content_type="application/xml")


class StandIn:
    def __init__(self, table, rate, lose_every, stall_after, stall_s, crash_after, mute_every, parameter):
        self.table = table
        self.mute_every = mute_every
        self.parameters = dict(each.split("=", 1) for each in parameter)
        self.pending = set()
        self.sockets = {}
        self.rate, self.lose_every = rate, lose_every
        self.stall_after, self.stall_s, self.crash_after = stall_after, stall_s, crash_after
        self.numbers = itertools.count(1)
        self.queues = {buffer: asyncio.Queue() for buffer in BUFFERS}
        self.waiting = {buffer: deque() for buffer in BUFFERS}
        self.accepted = dict.fromkeys(BUFFERS, 0)
        self.completed = dict.fromkeys(BUFFERS, 0)
        self.stalled_until = 0.0
        self.uploads = {}

    async def post(self, request):
        number = next(self.numbers)
        body = await request.json()
        if self.stall_after and number == self.stall_after:
            self.stalled_until = time.monotonic() + self.stall_s
        if (left := self.stalled_until - time.monotonic()) > 0:
            await asyncio.sleep(left)
        if self.crash_after and number == self.crash_after:
            sys.stderr.write("the stand-in crashes, as it was told\n")
            sys.stderr.flush()
            os._exit(3)
        image = body["image"]
        if "key" in image and image["key"] not in self.uploads:
            return web.json_response({"message": "no such image"}, status=400)
        handler = request.path.startswith("/v1/handler/")
        request_id = self.take(number, request.match_info["buffer"], body, "h-" if handler else "r")
        return web.json_response({"request_id": request_id}, status=202, headers={"Retry-After": "1"})

    def take(self, number, buffer, body, prefix, connection_id=None):
        self.accepted[buffer] += 1
        request_id = f"{prefix}{number}"
        if prefix == "h-":
            self.pending.add(request_id)
        record = {"request_id": request_id, "accepted_at": time.time() * 1000, "buffer": buffer, "bucket": "b"}
        if connection_id is not None:
            record["connection_id"] = connection_id
        if not (self.lose_every and number % self.lose_every == 0):
            self.queues[buffer].put_nowait(record | {"request": body})
            self.waiting[buffer].append(time.time())
        return request_id

    async def sync(self, request):
        number = next(self.numbers)
        body = await request.json()
        if self.lose_every and number % self.lose_every == 0:
            return web.json_response({"message": "out of time", "request_id": f"s{number}"}, status=504)
        record = {"request_id": f"s{number}", "accepted_at": time.time() * 1000, "buffer": "sqs", "bucket": "b"}
        stored = self.finish(record | {"request": body}, None)
        return web.json_response(stored.to_document())

    async def converse(self, request):
        connection = web.WebSocketResponse()
        await connection.prepare(request)
        connection_id = f"c{len(self.sockets)}"
        self.sockets[connection_id] = connection
        async for message in connection:
            given = json.loads(message.data)
            request_id = self.take(next(self.numbers), given["buffer"], given["request"], "h-", connection_id)
            answer = {"type": "accepted", "request_id": request_id, "correlation_id": given["correlation_id"]}
            await connection.send_json(answer)
        return connection

    async def put(self, request):
        self.uploads[request.match_info["key"]] = await request.read()
        return web.json_response({"key": request.match_info["key"]}, status=201)

    async def get(self, request):
        stored = self.table.read(request.match_info["id"])
        if stored is None and request.match_info["id"] in self.pending:
            return web.json_response({"status": "PENDING"}, headers={"Retry-After": "1"})
        if stored is None:
            return web.json_response({"status": "UNKNOWN_OR_WAITING"}, status=404, headers={"Retry-After": "1"})
        return web.json_response(stored.result.to_document())

    async def state(self, _):
        buffers = {
            buffer: {
                "accepted": self.accepted[buffer],
                "completed": self.completed[buffer],
                "dead_lettered": 0,
                "expired": 0,
                "backlog": self.queues[buffer].qsize(),
                "in_flight": 0,
                "concurrency": 1,
                "throttles": 0,
                "cold_starts": 0,
                "oldest_age_s": time.time() - self.waiting[buffer][0] if self.waiting[buffer] else None,
            }
            for buffer in BUFFERS
        }
        return web.json_response({"at": time.time() * 1000, "buffers": buffers})

    async def work(self, buffer):
        while True:
            record = await self.queues[buffer].get()
            self.waiting[buffer].popleft()
            await asyncio.sleep(1 / self.rate)
            result = self.finish(record, buffer)
            self.completed[buffer] += 1
            if not (self.mute_every and int(result.request_id.strip("hrs-")) % self.mute_every == 0):
                await self.tell(record, result)

    def finish(self, record, buffer):
        now = time.time() * 1000
        request = Request.from_json(json.dumps(record))
        passage = Passage(request.accepted_at, now, now, 1, 1, 0.0, "e1")
        result = Result(
            request.request_id, buffer, Status.SUCCEEDED, (), None, "stand-in", passage, request.measurement
        )
        self.table.write(result)
        return result

    async def tell(self, record, result):
        if connection := self.sockets.get(record.get("connection_id")):
            await connection.send_json({"type": "result"} | result.to_document())
        if url := record["request"].get("callback_url"):
            await asyncio.to_thread(self.call_back, url, result)

    def call_back(self, url, result):
        """POST to the test receiver, by the address that it was said to have."""
        name, place = self.parameters["CallbackTestReceiver"].split("=")
        assert urlsplit(url).hostname == name
        host, port = place.split(":")
        trust = ssl.create_default_context(cadata=_pem(self.parameters["CallbackTestCertificate"]))
        connection = http.client.HTTPSConnection(name, int(port), context=trust, timeout=5)
        connection.sock = trust.wrap_socket(socket.create_connection((host, int(port))), server_hostname=name)
        body, now = json.dumps(result.to_document()), datetime.now(UTC)
        headers = {
            "content-type": "application/json",
            "webhook-id": result.request_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(SECRET).sign(result.request_id, now, body),
        }
        connection.request("POST", urlsplit(url).path or "/", body, headers)
        assert connection.getresponse().status // 100 == 2
        connection.close()


def _pem(one_line):
    """A certificate whose line breaks may have become spaces."""
    head, foot = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    body = one_line.replace(head, "").replace(foot, "").split()
    return "\n".join([head, *body, foot, ""])


@click.command()
@click.option("--json", "as_json", is_flag=True)
@click.option("--exit-with-stdin", is_flag=True)
@click.option("--rate", default=100.0)
@click.option("--lose-every", default=0)
@click.option("--stall-after", default=0)
@click.option("--stall-s", default=0.0)
@click.option("--crash-after", default=0)
@click.option("--mute-every", default=0)
@click.option("--account-concurrency", default=10, expose_value=False)
@click.option("--parameter", multiple=True)
def main(as_json, exit_with_stdin, **faults):
    assert as_json
    assert exit_with_stdin
    asyncio.run(_serve(faults))


async def _serve(faults):
    aws = Aws()
    stand_in = StandIn(ResultsTable(aws, "results"), **faults)
    app = web.Application(client_max_size=10_000_000)
    app.router.add_post("/", aws.post)
    app.router.add_get("/kinesis{efo:(-efo)?}-failures", aws.list_objects)
    app.router.add_post("/v1/sync/images", stand_in.sync)
    app.router.add_post("/v1/handler/{buffer}/images", stand_in.post)
    app.router.add_get("/socket", stand_in.converse)
    app.router.add_post("/v1/{buffer}/images", stand_in.post)
    app.router.add_put("/v1/images/{key}", stand_in.put)
    app.router.add_get("/v1/requests/{id}", stand_in.get)
    app.router.add_get("/state", stand_in.state)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    here = f"http://127.0.0.1:{runner.addresses[0][1]}"
    outputs = stack_outputs(
        ApiUrl=here,
        WebSocketUrl=f"{here.replace('http', 'ws')}/socket",
        ResultsTable=RESULTS.ref,
        ResultsByRunIndex=BY_RUN_INDEX,
        SqsDeadLetterQueueUrl=f"{here}/sqs-dead",
        SnsFailureQueueUrl=f"{here}/sns-dead",
        KinesisFailureBucket="kinesis-failures",
        KinesisEfoFailureBucket="kinesis-efo-failures",
        CallbackSecretArn="arn:secret",
    )
    environment = {
        **{f"AWS_ENDPOINT_URL_{service}": here for service in ("DYNAMODB", "SQS", "S3", "SECRETS_MANAGER")},
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "eu-west-1",
    }  # fmt: skip
    ready = {"outputs": outputs, "environment": environment, "control_url": here, "options": faults}
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait_for_stdin():
        with contextlib.suppress(OSError):
            sys.stdin.read()
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=wait_for_stdin, daemon=True).start()
    workers = [asyncio.create_task(stand_in.work(buffer)) for buffer in BUFFERS]
    await ended.wait()
    for worker in workers:
        worker.cancel()
    await runner.cleanup()


if __name__ == "__main__":
    main()
