"""Signatures that are not let in, and how their senders are told."""

from dataclasses import replace
from typing import Any

import pytest

from local.authentication.refusal import NotAuthenticatedError, Reason
from local.wire import WireRequest
from tests.authentication.signed import ALICE, NOW, SESSION, signatures, signed

MISMATCH = "The request signature we calculated does not match the signature you provided."


def refusal(request: WireRequest, now: float = NOW) -> NotAuthenticatedError:
    with pytest.raises(NotAuthenticatedError) as refused:
        signatures().check(request, now)
    return refused.value


def sent_with(request: WireRequest, **headers: str | None) -> WireRequest:
    """The same with other headers; None leaves one out."""
    changed = dict(request.headers) | {name.replace("_", "-"): value for name, value in headers.items()}
    kept = {name: value for name, value in changed.items() if value is not None}
    return replace(request, headers=kept, header_lines=list(kept.items()))


def authorized(**parts: str | None) -> WireRequest:
    """A signed request, parts of whose Authorization header are others."""
    request = signed()
    algorithm, _, rest = request.headers["authorization"].partition(" ")
    given: dict[str, Any] = dict(part.split("=", 1) for part in rest.split(", ")) | parts
    text = ", ".join(f"{name}={value}" for name, value in given.items() if value is not None)
    return sent_with(request, authorization=f"{algorithm} {text}")


SCOPE = f"{ALICE.access_key_id}/20241123"
REFUSED = [
    (sent_with(signed(), authorization=None), "MissingAuthenticationTokenException", "Missing Authentication Token"),
    (sent_with(signed(), authorization="Bearer eyJhbGciOi"), "IncompleteSignatureException", "Invalid key=value pair"),
    (sent_with(signed(), authorization="Basic YTpi=="), "IncompleteSignatureException", "requires 'Credential'"),
    (authorized(Credential=None), "IncompleteSignatureException", "requires 'Credential' parameter"),
    (authorized(SignedHeaders=""), "IncompleteSignatureException", "requires 'SignedHeaders' parameter"),
    (authorized(Signature=None), "IncompleteSignatureException", "requires 'Signature' parameter"),
    (sent_with(signed(), x_amz_date=None), "IncompleteSignatureException", "existence of either a 'X-Amz-Date'"),
    (sent_with(signed(), x_amz_date="yesterday"), "IncompleteSignatureException", "ISO-8601"),
    (sent_with(signed(), x_amz_date="20241399T000000Z"), "IncompleteSignatureException", "ISO-8601"),
    (authorized(Credential="AKIAALICE"), "IncompleteSignatureException", "exactly 5 slash-delimited elements"),
    (authorized(Credential=f"{SCOPE}/eu-west-1/execute-api/aws5"), "InvalidSignatureException", "valid terminator"),
    (signed(region="us-east-1"), "InvalidSignatureException", "scoped to a valid region, not 'us-east-1'"),
    (signed(service="lambda"), "InvalidSignatureException", "scoped to correct service: 'execute-api'"),
    (authorized(Credential=f"{ALICE.access_key_id}/20241122/eu-west-1/execute-api/aws4_request"),
        "InvalidSignatureException", "'20241122' != '20241123'"),
    (authorized(SignedHeaders="x-amz-date"), "InvalidSignatureException", "must be a 'SignedHeader'"),
    (authorized(SignedHeaders="host;x-amz-date;x-none"), "InvalidSignatureException", "no header of the request"),
    (signed(replace(ALICE, access_key_id="AKIANOBODY")), "UnrecognizedClientException", "security token included"),
    (signed(replace(ALICE, secret_access_key="a guess")), "InvalidSignatureException", MISMATCH),
    (authorized(Signature="0" * 64), "InvalidSignatureException", MISMATCH),
    (authorized(Signature="\u00e9\udcff"), "InvalidSignatureException", MISMATCH),
    (signed(replace(ALICE, session_token="none of hers")), "UnrecognizedClientException", "security token included"),
    (signed(replace(SESSION, session_token=None)), "UnrecognizedClientException", "security token included"),
    (signed(replace(SESSION, session_token="another")), "UnrecognizedClientException", "security token included"),
    (sent_with(signed(), x_amz_content_sha256="UNSIGNED-PAYLOAD", authorization=signed(
        headers={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}).headers["authorization"]),
        "InvalidSignatureException", MISMATCH),
    (signed(presigned_s=604_801), "InvalidSignatureException", "X-Amz-Expires"),
    (sent_with(signed(presigned_s=60), authorization="AWS4-HMAC-SHA256 x"), "InvalidSignatureException", "Found both"),
    (replace(signed(), query="X-Amz-Algorithm=AWS4-HMAC-SHA256",
        headers={"host": "h"}, header_lines=[("Host", "h")]), "IncompleteSignatureException", "'X-Amz-Credential'"),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "error_type", "said"), REFUSED)
def test_who_is_not_let_in_is_told_why_as_aws_does(request_: WireRequest, error_type: str, said: str) -> None:
    refused = refusal(request_)

    assert (refused.error_type, said in refused.message) == (error_type, True), refused.message
    unsigned = error_type == "MissingAuthenticationTokenException"
    assert refused.reason is (Reason.NOT_SIGNED if unsigned else Reason.BAD_SIGNATURE)


@pytest.mark.parametrize(
    ("age_s", "let_in"),
    [(0, True), (300, True), (301, False), (-300, True), (-301, False), (86_400, False)],
)
def test_a_signature_is_good_for_five_minutes_either_way(age_s: float, let_in: bool) -> None:
    request = signed()
    if let_in:
        assert signatures().check(request, NOW + age_s) == ALICE
        return
    said = refusal(request, NOW + age_s).message
    if age_s > 0:
        assert said.startswith("Signature expired: 20241123T221320Z is now earlier than 2024")
        assert said.endswith(" - 5 min.)")
    else:
        assert said.startswith("Signature not yet current: 20241123T221320Z is still later than 2024")


@pytest.mark.parametrize(("life_s", "age_s", "let_in"), [(60, 60, True), (60, 61, False), (7_200, 7_000, True)])
def test_a_presigned_url_is_good_for_as_long_as_it_says(life_s: int, age_s: float, let_in: bool) -> None:
    request = signed(method="GET", body=b"", presigned_s=life_s)
    if let_in:
        assert signatures().check(request, NOW + age_s) == ALICE
    else:
        assert refusal(request, NOW + age_s).message.startswith("Signature expired: ")


def test_the_life_of_a_presigned_url_cannot_be_made_longer() -> None:
    request = signed(method="GET", body=b"", presigned_s=60)

    longer = replace(request, query=request.query.replace("X-Amz-Expires=60", "X-Amz-Expires=6000"))

    assert refusal(longer, NOW + 61).message.startswith(MISMATCH)


def test_a_header_that_came_twice_is_signed_with_both_values() -> None:
    request = signed(headers={"X-Other": "a,b"})
    lines = [(name, value) for name, value in request.header_lines if name != "X-Other"]
    twice = [*lines, ("X-Other", "a"), ("X-Other", "b")]
    as_joined = dict(request.headers) | {"x-other": "a, b"}

    assert signatures().check(replace(request, headers=as_joined, header_lines=twice), NOW) == ALICE
    turned = [*lines, ("X-Other", "b"), ("X-Other", "a")]
    assert refusal(replace(request, headers=as_joined, header_lines=turned)).message.startswith(MISMATCH)


def test_a_mismatch_shows_the_text_that_should_have_been_signed_and_no_secret() -> None:
    said = refusal(
        signed(replace(ALICE, secret_access_key="a guess"), method="GET", target="/live/a=b", body=b"")
    ).message

    assert "The Canonical String for this request should have been\n'GET\n/live/a%3Db\n" in said
    assert "AWS4-HMAC-SHA256\n20241123T221320Z\n20241123/eu-west-1/execute-api/aws4_request\n" in said
    assert ALICE.secret_access_key not in said


def test_a_secret_is_not_shown_where_its_identity_is() -> None:
    assert ALICE.secret_access_key not in repr(ALICE)
    assert str(SESSION.session_token) not in repr(SESSION)


def test_a_header_of_another_scheme_is_told_back_by_its_hash_alone() -> None:
    assert "eyJhbGciOi" not in refusal(sent_with(signed(), authorization="Bearer eyJhbGciOi")).message
