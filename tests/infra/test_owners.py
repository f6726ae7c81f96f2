"""Whose a request is, by the templates of infra.yaml: written where no client can, asked before anything is told."""

import base64
import json
from typing import Any
from urllib.parse import parse_qsl

import pytest

from local.template import ResolvedStack
from pipeline.request import Request
from tests.infra.test_mapping_templates import (
    ACCEPTED_AT,
    POSTS,
    REQUEST_ID,
    STREAMS,
    Rendered,
    answer_template,
    label,
    render,
    request_template,
    stored,
)

ALICE = {"caller": "AIDAALICE", "userArn": "arn:aws:iam::000000000000:user/alice"}
BOB = {"caller": "AIDABOB"}
ROLE = {"caller": "AROAROLE:session-1"}
SAME_ROLE = {"caller": "AROAROLE:session-2"}
KEY = {"apiKeyId": "key1", "apiKey": "its value"}
HANDLERS_ID = "h-AAAAAAAAAAAAAAAAAAAA_-"


def record(stack: ResolvedStack, method: str, body: dict[str, Any], identity: dict[str, str]) -> dict[str, Any]:
    call = render(request_template(stack, method), json.dumps(body).encode(), identity=identity).text
    if method in STREAMS:
        text = base64.b64decode(json.loads(call)["Data"]).decode()
    else:
        fields = dict(parse_qsl(call))
        text = fields.get("MessageBody") or fields["Message"]
    written: dict[str, Any] = json.loads(text)
    return written


@pytest.mark.parametrize("method", POSTS)
@pytest.mark.parametrize(
    ("identity", "owner"),
    [(ALICE, "iam:AIDAALICE"), (ROLE, "iam:AROAROLE"), (KEY, "key:key1"), (ALICE | KEY, "iam:AIDAALICE")],
)
def test_a_record_has_the_owner_who_called(
    stack: ResolvedStack, method: str, identity: dict[str, str], owner: str
) -> None:
    written = record(stack, method, {"image": {"key": "cat.jpg"}}, identity)

    assert Request.from_json(json.dumps(written)).owner == owner
    assert "its value" not in json.dumps(written), "a key's value is nobody's to read"


@pytest.mark.parametrize("method", POSTS)
def test_no_body_makes_its_request_anothers(stack: ResolvedStack, method: str) -> None:
    # None of these passes the model; if one did, it would still be a part of the body alone.
    body = {"image": {"key": "cat.jpg"}, "owner": "iam:AIDABOB", "run": {"id": '@owner","owner":"iam:AIDABOB'}}

    written = record(stack, method, body, ALICE)

    assert (written["owner"], written["request"]) == ("iam:AIDAALICE", body)


def lookup(stack: ResolvedStack, body: bytes, identity: dict[str, str], request_id: str) -> Rendered:
    return render(answer_template(stack, "GetRequest", r"2\d{2}"), body, {"id": request_id}, identity=identity)


STANDINGS = {
    "a result": {"status": {"S": "SUCCEEDED"}, "labels": {"L": [label("Cat", "98.7", "Animal")]}},
    "a refusal": {"status": {"S": "FAILED"}, "reason": {"S": "InvalidImageFormat"}},
    "pending": {"pending_until": {"N": str(ACCEPTED_AT + 1)}, "attach": {"S": "a" * 64}},
    "given up": {"pending_until": {"N": "1"}},
    "unpublished": {"pending_until": {"N": str(ACCEPTED_AT + 1)}, "unpublished": {"S": "full"}},
}


@pytest.mark.parametrize("request_id", [REQUEST_ID, HANDLERS_ID])
@pytest.mark.parametrize("standing", STANDINGS)
@pytest.mark.parametrize(
    ("owner", "caller", "why"),
    [
        ("iam:AIDAALICE", BOB, "another user's"),
        ("iam:AIDAALICE", ROLE, "a user's, asked for by a role"),
        ("iam:AROAROLE", ALICE, "a role's, asked for by a user"),
        ("key:key1", ALICE, "a key's, asked for by who signs"),
        ("iam:AIDAALICE", KEY, "a user's, asked for with a key"),
        ("iam:AIDAALICE", {"caller": "aidaalice"}, "an id in other letters"),
        ("iam:AIDAALICE", {"apiKeyId": "iam:AIDAALICE"}, "a key named like a user"),
        (None, ALICE, "of a record that names no owner"),
    ],
)
def test_what_is_anothers_is_answered_as_what_is_not_there(
    stack: ResolvedStack, request_id: str, standing: str, owner: str | None, caller: dict[str, str], why: str
) -> None:
    owned = {} if owner is None else {"owner": {"S": owner}}

    answer = lookup(stack, stored(**STANDINGS[standing], **owned), caller, request_id)

    assert answer == lookup(stack, b"{}", caller, request_id), why
    assert answer.status == 404


@pytest.mark.parametrize("standing", STANDINGS)
@pytest.mark.parametrize(
    ("owner", "caller"), [("iam:AIDAALICE", ALICE), ("iam:AROAROLE", SAME_ROLE), ("key:key1", KEY)]
)
def test_what_is_ones_own_is_told(stack: ResolvedStack, standing: str, owner: str, caller: dict[str, str]) -> None:
    answer = lookup(stack, stored(**STANDINGS[standing], owner={"S": owner}), caller, REQUEST_ID)

    assert answer.status is None
    assert answer.json["request_id"] == REQUEST_ID
    assert owner not in answer.text
