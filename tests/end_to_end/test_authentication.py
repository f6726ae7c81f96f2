"""Two identities at one embedded AWS, with clients that sign by their own means: each reads what is its own."""

import hashlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
import requests
import websocket
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from producers.authentication import Authentication, StaticCredentials
from producers.http import ApiClient
from producers.polling import PollingClient
from producers.websocket import WebSocketClient
from tests.end_to_end.clients import Talk
from tests.end_to_end.conftest import PHOTOS, Running, running, until

pytestmark = pytest.mark.end_to_end

BODY = {"image": {"key": "cat.jpg"}}
SECRET = "a secret of alice's"


@dataclass(frozen=True)
class Caller:
    """An identity of the embedded AWS, and what it has to show."""

    up: Running
    shown: dict[str, str]

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        """A call signed by botocore, sent by requests."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        call = AWSRequest(method, self.up.api + path, {"Content-Type": "application/json", **self.keyed, **named}, data)
        SigV4Auth(self.credentials, "execute-api", "us-east-1").add_auth(call)
        return requests.request(method, call.url, data=call.data, headers=dict(call.headers.items()), timeout=60)

    def result(self, request_id: str) -> dict[str, Any]:
        def found() -> Any:
            answer = self.send("GET", f"/v1/requests/{quote(request_id, safe='')}")
            return answer.json() if answer.status_code == 200 and answer.json()["status"] != "PENDING" else None

        return dict(until(found, f"a result of {request_id}"))

    def talk(self) -> Talk:
        """A connection by a presigned URL, as a browser would have it."""
        call = AWSRequest("GET", self.up.ready["outputs"]["WebSocketUrl"], self.keyed)
        SigV4QueryAuth(self.credentials, "execute-api", "us-east-1", 60).add_auth(call)
        return Talk(websocket.create_connection(call.url, timeout=60, header=self.keyed))

    @property
    def credentials(self) -> Credentials:
        return Credentials(self.shown["AWS_ACCESS_KEY_ID"], self.shown["AWS_SECRET_ACCESS_KEY"])

    @property
    def keyed(self) -> dict[str, str]:
        return {"x-api-key": self.shown["FOREBAY_API_KEY"]}


@pytest.fixture(scope="module")
def up() -> Iterator[Running]:
    with running(
        "--parameter", "Authentication=IAM_AND_API_KEY", "--identity", "alice", "--identity", "bob",
        "--rekognition-median-ms", "5",
    ) as up:  # fmt: skip
        yield up


@pytest.fixture(scope="module")
def alice(up: Running) -> Caller:
    caller = Caller(up, up.ready["identities"]["alice"])
    photo = (PHOTOS / "chelsea.jpg").read_bytes()
    assert caller.send("PUT", "/v1/images/cat.jpg", photo, Content_Type="image/jpeg").status_code == 201
    return caller


@pytest.fixture(scope="module")
def bob(up: Running) -> Caller:
    return Caller(up, up.ready["identities"]["bob"])


ROUTES = [
    ("POST", "/v1/sqs/images"), ("POST", "/v1/sns/images"), ("POST", "/v1/kinesis/images"),
    ("POST", "/v1/kinesis-efo/images"), ("POST", "/v1/handler/sqs/images"), ("POST", "/v1/sync/images"),
    ("PUT", "/v1/images/cat.jpg"), ("GET", "/v1/requests/h-AAAAAAAAAAAAAAAAAAAAAA"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_no_route_is_open(alice: Caller, method: str, path: str) -> None:
    unsigned = requests.request(method, alice.up.api + path, json=BODY, headers=alice.keyed, timeout=10)
    keyless = Caller(alice.up, {**alice.shown, "FOREBAY_API_KEY": "a-value-of-no-key-at-all"}).send(method, path, BODY)
    guessed = Caller(alice.up, {**alice.shown, "AWS_SECRET_ACCESS_KEY": "guess"}).send(method, path, BODY)

    for answer, kind in (
        (unsigned, "MissingAuthenticationTokenException"),
        (keyless, "ForbiddenException"),
        (guessed, "InvalidSignatureException"),
    ):
        assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (403, kind)
        assert set(answer.json()) == {"message", "remedy"}


def test_the_websocket_is_not_open_either(alice: Caller) -> None:
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        websocket.create_connection(alice.up.ready["outputs"]["WebSocketUrl"], timeout=10, header=alice.keyed)

    assert refused.value.status_code == 403


@pytest.mark.parametrize("route", ["sqs", "kinesis", "sns", "handler/sqs"])
def test_a_result_is_its_owners_alone(alice: Caller, bob: Caller, route: str) -> None:
    request_id = alice.send("POST", f"/v1/{route}/images", BODY).json()["request_id"]

    assert alice.result(request_id)["status"] == "SUCCEEDED"
    path = f"/v1/requests/{quote(request_id, safe='')}"
    form = "h-AAAAAAAAAAAAAAAAAAAAAA" if request_id.startswith("h-") else "AAAAAAAAAAAAAAA%3D"
    anothers, nobodys = bob.send("GET", path), bob.send("GET", f"/v1/requests/{form}")
    assert (anothers.status_code, anothers.content) == (nobodys.status_code, nobodys.content) == (404, nobodys.content)
    assert anothers.headers.get("Retry-After") == nobodys.headers.get("Retry-After")


def test_a_synchronous_answer_can_be_asked_for_again_by_its_owner_alone(alice: Caller, bob: Caller) -> None:
    request_id = alice.send("POST", "/v1/sync/images", BODY).json()["request_id"]

    assert alice.result(request_id)["status"] == "SUCCEEDED"
    assert bob.send("GET", f"/v1/requests/{quote(request_id, safe='')}").status_code == 404


def test_one_idempotency_key_of_two_owners_stands_for_two_requests(alice: Caller, bob: Caller) -> None:
    def sent(caller: Caller) -> str:
        return str(caller.send("POST", "/v1/handler/sqs/images", BODY, Idempotency_Key="1").json()["request_id"])

    assert sent(alice) == sent(alice) != sent(bob)


def test_an_attach_is_its_owners_alone_and_another_hears_nothing(alice: Caller, bob: Caller) -> None:
    body = {**BODY, "attach": hashlib.sha256(SECRET.encode()).hexdigest()}
    request_id = alice.send("POST", "/v1/sqs/images", body).json()["request_id"]
    attach = {"action": "attach", "request_id": request_id, "secret": SECRET}
    hers, his = alice.talk(), bob.talk()

    assert his.ask(**attach)["type"] == "attached"
    assert hers.ask(**attach)["type"] == "attached"
    assert hers.result(request_id)["status"] == "SUCCEEDED"

    # He is answered by the same function after the push, so that what had been pushed to him would be here by now.
    assert his.ask(**attach)["type"] == "attached"
    assert {heard["type"] for heard in his.received} == {"attached"}


def test_a_request_made_over_a_websocket_is_its_connections_owners(alice: Caller, bob: Caller) -> None:
    accepted = alice.talk().ask(action="recognise", buffer="kinesis", request=BODY)

    assert alice.result(accepted["request_id"])["status"] == "SUCCEEDED"
    assert bob.send("GET", f"/v1/requests/{accepted['request_id']}").status_code == 404


def test_curl_signs_by_its_own_means(alice: Caller) -> None:
    photo = PHOTOS / "chelsea.jpg"
    credentials = f"{alice.shown['AWS_ACCESS_KEY_ID']}:{alice.shown['AWS_SECRET_ACCESS_KEY']}"

    def curl(*arguments: str) -> dict[str, Any]:
        signing = ["--aws-sigv4", "aws:amz:us-east-1:execute-api", "--user", credentials]
        keyed = ["-H", f"x-api-key: {alice.shown['FOREBAY_API_KEY']}"]
        done = subprocess.run(["curl", "-sS", *signing, *keyed, *arguments], capture_output=True, text=True, check=True)
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    api = alice.up.api
    put = ["-X", "PUT", "--data-binary", f"@{photo}", "-H", "Content-Type: image/jpeg", f"{api}/v1/images/curl.jpg"]
    assert curl(*put) == {"key": "curl.jpg"}
    body = ["-H", "Content-Type: application/json", "-d", json.dumps({"image": {"key": "curl.jpg"}})]
    request_id = curl(*body, f"{api}/v1/handler/sqs/images")["request_id"]
    alice.result(request_id)
    assert curl(f"{api}/v1/requests/{request_id}")["status"] == "SUCCEEDED"


def test_our_own_clients_show_what_is_asked(alice: Caller) -> None:
    shown = alice.shown
    authentication = Authentication.by(
        "IAM_AND_API_KEY",
        alice.up.api,
        credentials=StaticCredentials(shown["AWS_ACCESS_KEY_ID"], shown["AWS_SECRET_ACCESS_KEY"]),
        region="us-east-1",
        api_key=shown["FOREBAY_API_KEY"],
    )
    api = ApiClient(alice.up.api, authentication=authentication)
    photo = (PHOTOS / "chelsea.jpg").read_bytes()

    with PollingClient(api, "sqs") as polling:
        assert polling.recognise(photo).status == "SUCCEEDED"
    url = alice.up.ready["outputs"]["WebSocketUrl"]
    with WebSocketClient(url, "kinesis", api=api, authentication=authentication) as pushed:
        assert pushed.recognise(photo).status == "SUCCEEDED"
