"""What botocore signs is let in, and nothing of it can be changed; what our clients sign is what botocore signs."""

from dataclasses import replace
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import pytest
from botocore.utils import remove_dot_segments
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from local.authentication.refusal import NotAuthenticatedError
from local.wire import WireRequest
from producers.authentication import Authentication, Signer, StaticCredentials
from tests.authentication.signed import ALICE, HOST, NOW, REGION, SESSION, signatures, signed

# Any letters at all but half a surrogate pair, which no URL can carry.
words = st.text(st.characters(exclude_categories=("Cs",)), max_size=6)
# Sent as they are, percent-encoded in part, or empty and dotted, which a signature leaves out.
segments = st.one_of(
    words.map(lambda word: quote(word, safe="")),
    words.map(lambda word: quote(word, safe="=+:@!$&'()*,;~")),
    st.sampled_from(["", ".", "..", "%2e%2e", "%2F", "a%3Db"]),
)
paths = st.lists(segments, max_size=4).map(lambda parts: "/" + "/".join(["live", *parts]))
pairs = st.tuples(words, words).map(lambda pair: "=".join(quote(part, safe="-_.~") for part in pair))
queries = st.lists(pairs, max_size=3).map("&".join)
values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12)
headers = st.dictionaries(
    st.sampled_from(["Content-Type", "Idempotency-Key", "X-Amz-Meta", "Accept", "X-Other"]), values, max_size=3
)
requests = st.builds(
    lambda method, path, query, headers, body, identity: signed(
        identity, method=method, target=path + (f"?{query}" if query else ""), headers=headers, body=body
    ),
    st.sampled_from(["GET", "POST", "PUT"]), paths, queries, headers, st.binary(max_size=40),
    st.sampled_from([ALICE, SESSION]),
)  # fmt: skip
presigned = st.builds(
    lambda path, query, life: signed(
        method="GET", target=path + (f"?{query}" if query else ""), presigned_s=life, body=b""
    ),
    paths, queries, st.integers(1, 604_800),
)  # fmt: skip


def meaning(request: WireRequest) -> Any:
    """What has to stay as it is: two requests of one meaning may have one signature."""
    pairs = [pair.replace("+", " ").partition("=") for pair in request.query.split("&")]
    return (
        request.method,
        remove_dot_segments(request.path),
        sorted((unquote_to_bytes(name), unquote_to_bytes(value)) for name, _, value in pairs),
        {name: " ".join(value.split()) for name, value in request.headers.items()},
        request.body,
    )


def with_headers(request: WireRequest, headers: dict[str, str]) -> WireRequest:
    return replace(request, headers=headers, header_lines=list(headers.items()))


@settings(max_examples=50)
@given(requests)
def test_whatever_botocore_signs_is_its_signers(request: WireRequest) -> None:
    identity = signatures().check(request, NOW)

    assert identity.access_key_id in request.headers["authorization"]


@settings(max_examples=50)
@given(presigned)
def test_whatever_url_botocore_presigns_is_its_signers(request: WireRequest) -> None:
    assert signatures().check(request, NOW) == ALICE


@given(st.one_of(requests, presigned), st.data())
def test_nothing_that_is_signed_can_be_changed(request: WireRequest, data: st.DataObject) -> None:
    part = data.draw(st.sampled_from(["method", "path", "query", "headers", "body"]))
    letters = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
    if part == "headers":
        name = data.draw(st.sampled_from(sorted(request.headers)))
        changed = with_headers(request, {**request.headers, name: _changed(request.headers[name], data, letters)})
    elif part == "body":
        at = data.draw(st.integers(0, len(request.body)))
        put = bytes([data.draw(st.integers(0, 255))])
        changed = replace(request, body=request.body[:at] + put + request.body[at + 1 :])
    else:
        changed = replace(request, **{part: _changed(getattr(request, part), data, letters)})
    # A server finds no path that does not begin so.
    assume(changed.path.startswith("/") and meaning(changed) != meaning(request))

    with pytest.raises(NotAuthenticatedError):
        signatures().check(changed, NOW)


def _changed(text: str, data: st.DataObject, letters: st.SearchStrategy[str]) -> str:
    at = data.draw(st.integers(0, len(text)))
    return text[:at] + data.draw(letters) + text[at + 1 :]


@settings(max_examples=50)
@given(paths, queries, headers, st.binary(max_size=40), st.sampled_from([ALICE, SESSION]), st.sampled_from("GP"))
def test_our_clients_sign_as_botocore_does(
    path: str, query: str, headers: dict[str, str], body: bytes, identity: Any, verb: str
) -> None:
    method, target = {"G": "GET", "P": "PUT"}[verb], path + (f"?{query}" if query else "")
    credentials = StaticCredentials(identity.access_key_id, identity.secret_access_key, identity.session_token)
    ours = Authentication(Signer(credentials, REGION, now=lambda: NOW + 0.9))
    theirs = signed(identity, method=method, target=target, headers=headers, body=body)

    shown = ours.headers(method, f"https://{HOST}{target}", headers, body)

    # botocore signs no query that could be written otherwise, so neither does it tell one from the other.
    assume("+" not in query)
    theirs_by_name = theirs.headers
    expected = {name: theirs_by_name[name.lower()] for name in shown if name != "Authorization"}
    assert shown | expected == shown
    assert _parts(shown["Authorization"]) == _parts(theirs_by_name["authorization"])


def _parts(authorization: str) -> set[str]:
    algorithm, _, rest = authorization.partition(" ")
    return {algorithm, *rest.split(", ")}
