"""Signatures of requests, checked as API Gateway checks them for a method of the type AWS_IAM.

A signature stands in the Authorization header, or in the query of a presigned URL. It covers the verb, the path, the
query, the headers that it names (Host among them) and the body, which is always hashed here: what a client says its
hash is counts for nothing, UNSIGNED-PAYLOAD neither. A signature is good for five minutes, a presigned one for as long
as it says, a week at the most.

Texts and types of the refusals: as clients have reported them (confidence M), but for those of an incomplete signature,
which the error reference of IAM has; which of several faults is told first is not published (confidence L).
"""

import base64
import calendar
import hashlib
import hmac
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_plus

from local.authentication.identities import Identity
from local.authentication.refusal import NotAuthenticatedError, incomplete, invalid, not_signed, unrecognised
from local.wire import WireRequest
from pipeline.sigv4 import (
    ALGORITHM,
    SERVICE,
    TERMINATOR,
    TIMESTAMP,
    Scope,
    canonical_request,
    canonical_value,
    sign,
    signing_key,
    string_to_sign,
)

# IAM User Guide, "Elements of an AWS API request signature": a request must reach AWS within five minutes.
SKEW_S: Final = 300
# The same: X-Amz-Expires of a presigned URL, seven days in seconds.
LONGEST_S: Final = 604_800

_NO_BODY: Final = hashlib.sha256(b"").hexdigest()
_TIMESTAMP: Final = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
_SECONDS: Final = re.compile(r"\d{1,9}", re.ASCII)
# A key for each identity and day that is signed for; a few days' worth, in case of clients that presign far ahead.
_KEPT_KEYS: Final = 1_024
_QUERY_PARAMETERS: Final = (
    "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Signer:
    """What the signatures of a client have in common for a day."""

    access_key_id: str
    scope: Scope
    signed_headers: Sequence[str]


# Not frozen, though nobody changes one: a frozen class takes a multiple of the time to make.
@dataclass(slots=True)
class _Claim:
    """What a request says of its signature. `good_for_s` is the signature's life, None without one of its own."""

    signer: _Signer
    timestamp: str
    signature: str
    token: str | None
    good_for_s: int | None = None

    @property
    def presigned(self) -> bool:
        """Whether it stands in the query."""
        return self.good_for_s is not None


class Signatures:
    """Tells by whom a request is signed. `region` is the API's."""

    def __init__(self, identities: Mapping[str, Identity], region: str) -> None:
        self._identities = identities
        self._region = region
        self._keys: dict[tuple[str, str], bytes] = {}

    def check(self, request: WireRequest, now: float) -> Identity:
        """Whose signature a request has. `now` is in seconds since the epoch.

        Raises:
            NotAuthenticatedError: it has none, or none that holds.
        """
        claim = _claim(request)
        signer = claim.signer
        _check_scope(claim, self._region)
        _check_time(claim, now)
        identity = self._identities.get(signer.access_key_id)
        if identity is None or not _same_token(identity.session_token, claim.token):
            raise unrecognised()
        canonical = canonical_request(
            request.method,
            request.path,
            _without_signature(request.query) if claim.presigned else request.query,
            _signed(request, signer.signed_headers),
            hashlib.sha256(request.body).hexdigest() if request.body else _NO_BODY,
        )
        expected = sign(self._key(identity, signer.scope), claim.timestamp, signer.scope, canonical)
        if not hmac.compare_digest(expected.encode(), claim.signature.encode("utf-8", "replace")):
            raise invalid(_explained(claim, canonical))
        return identity

    def _key(self, identity: Identity, scope: Scope) -> bytes:
        # Region and service are the API's own by now, so the day is all that a scope differs by.
        known = (identity.access_key_id, scope.date)
        key = self._keys.get(known)
        if key is None:
            if len(self._keys) >= _KEPT_KEYS:
                self._keys.clear()
            key = self._keys[known] = signing_key(identity.secret_access_key, scope)
        return key


def _claim(request: WireRequest) -> _Claim:
    """What the request says, from its header or its query.

    Raises:
        NotAuthenticatedError: it says nothing, or not all that it has to.
    """
    authorization = request.headers.get("authorization")
    presigned = _presigned(request.query) if "X-Amz-" in request.query else {}
    if "X-Amz-Algorithm" not in presigned:
        if not authorization:
            raise not_signed()
        return _claim_of_header(authorization, request.headers)
    if authorization:
        raise invalid("Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.")
    return _claim_of_query(presigned)


def _claim_of_header(authorization: str, headers: Mapping[str, str]) -> _Claim:
    date = headers.get("x-amz-date") or headers.get("date") or ""
    before, mark, signature = authorization.rpartition(", Signature=")
    signer = _usual_signer(before) if mark and date and signature.isalnum() else None
    if signer is None:
        signer, signature = _signer_and_signature(authorization, date)
    return _Claim(signer, _timestamp(date), signature, headers.get("x-amz-security-token"))


# Clients write the signature last, and before it the same all day.
@lru_cache(maxsize=256)
def _usual_signer(before: str) -> _Signer | None:
    """Who signs, by what stands before the signature; None if anything about that is wrong, for who then says what."""
    try:
        signer, _ = _signer_and_signature(f"{before}, Signature=0", "0")
    except NotAuthenticatedError:
        return None
    return signer


def _signer_and_signature(authorization: str, date: str) -> tuple[_Signer, str]:
    algorithm, _, rest = authorization.partition(" ")
    given: dict[str, str] = {}
    for part in rest.split(","):
        name, equals, value = part.strip().partition("=")
        if not equals:
            # By its hash, as AWS has it of late: what stands there may be the password of something else.
            digest = base64.b64encode(hashlib.sha256(authorization.encode("utf-8", "replace")).digest()).decode()
            raise incomplete(
                "Invalid key=value pair (missing equal-sign) in Authorization header "
                f"(hashed with SHA-256 and encoded with Base64): '{digest}'."
            )
        given[name] = value
    missing = [name for name in ("Credential", "Signature", "SignedHeaders") if not given.get(name)]
    if missing or algorithm != ALGORITHM or not date:
        said = [f"Authorization header requires '{name}' parameter." for name in missing]
        if algorithm != ALGORITHM:
            said.append(f"Unsupported AWS 'algorithm': use {ALGORITHM}.")
        if not date:
            said.append("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
        raise incomplete(" ".join(said))
    return _signer(given["Credential"], given["SignedHeaders"]), given["Signature"]


def _claim_of_query(given: Mapping[str, str]) -> _Claim:
    missing = [name for name in _QUERY_PARAMETERS if not given.get(name)]
    if missing:
        raise incomplete(" ".join(f"AWS query-string parameters must include '{name}'." for name in missing))
    if given["X-Amz-Algorithm"] != ALGORITHM:
        raise incomplete(f"Unsupported AWS 'algorithm': use {ALGORITHM}.")
    expires = given.get("X-Amz-Expires", str(SKEW_S))
    if _SECONDS.fullmatch(expires) is None or not 1 <= int(expires) <= LONGEST_S:
        raise invalid(f"X-Amz-Expires must be a number of seconds from 1 to {LONGEST_S}.")
    return _Claim(
        _signer(given["X-Amz-Credential"], given["X-Amz-SignedHeaders"]),
        _timestamp(given["X-Amz-Date"]),
        given["X-Amz-Signature"],
        given.get("X-Amz-Security-Token"),
        int(expires),
    )


def _presigned(query: str) -> dict[str, str]:
    """The query's own parameters of a signature, the first of each name."""
    found: dict[str, str] = {}
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if name.startswith("X-Amz-"):
            found.setdefault(name, unquote_plus(value))
    return found


def _without_signature(query: str) -> str:
    return "&".join(pair for pair in query.split("&") if pair.partition("=")[0] != "X-Amz-Signature")


def _signer(credential: str, signed_headers: str) -> _Signer:
    parts = credential.rsplit("/", 4)
    if len(parts) != 5:
        raise incomplete(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, "
            f"got '{credential[:256]}'."
        )
    access_key_id, date, region, service, terminator = parts
    if terminator != TERMINATOR:
        raise invalid(f"Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{terminator[:64]}'.")
    return _Signer(access_key_id, Scope(date, region, service), tuple(signed_headers.split(";")))


def _timestamp(text: str) -> str:
    if _TIMESTAMP.fullmatch(text) is None or _epoch(text) is None:
        raise incomplete(
            f"Date must be in ISO-8601 'basic format'. Got '{text[:64]}'. See http://en.wikipedia.org/wiki/ISO_8601."
        )
    return text


@lru_cache(maxsize=64)
def _epoch(timestamp: str) -> int | None:
    """Seconds since the epoch. Those who sign within a second write the same."""
    try:
        return calendar.timegm(time.strptime(timestamp, TIMESTAMP))
    except ValueError:
        return None


def _check_scope(claim: _Claim, region: str) -> None:
    scope = claim.signer.scope
    faults = []
    if scope.region != region:
        faults.append(f"Credential should be scoped to a valid region, not '{scope.region[:64]}'. ")
    if scope.service != SERVICE:
        faults.append(f"Credential should be scoped to correct service: '{SERVICE}'. ")
    if scope.date != claim.timestamp[:8]:
        faults.append(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{scope.date[:64]}' != '{claim.timestamp[:8]}', from '{claim.timestamp}'."
        )
    if faults:
        raise invalid("".join(faults))
    if "host" not in claim.signer.signed_headers:
        raise invalid("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")


def _check_time(claim: _Claim, now: float) -> None:
    signed_at = _epoch(claim.timestamp)
    assert signed_at is not None
    life_s = SKEW_S if claim.good_for_s is None else claim.good_for_s
    if signed_at < now - life_s:
        life = "5 min." if life_s == SKEW_S else f"{life_s} sec."
        raise invalid(
            f"Signature expired: {claim.timestamp} is now earlier than {_written(now - life_s)} "
            f"({_written(now)} - {life})"
        )
    if signed_at > now + SKEW_S:
        raise invalid(
            f"Signature not yet current: {claim.timestamp} is still later than {_written(now + SKEW_S)} "
            f"({_written(now)} + 5 min.)"
        )


def _same_token(ours: str | None, given: str | None) -> bool:
    if ours is None or given is None:
        return ours is given
    return hmac.compare_digest(ours.encode(), given.encode("utf-8", "replace"))


def _signed(request: WireRequest, names: Sequence[str]) -> list[tuple[str, str]]:
    """The headers that were signed. One that did not arrive is told apart from one that is empty by its mismatch."""
    headers = request.headers
    # A header sent more than once is joined by a bare comma in a signature, unlike anywhere else.
    several = len(request.header_lines) > len(headers)
    pairs = []
    for name in names:
        if several:
            values = [canonical_value(value) for each, value in request.header_lines if each.lower() == name]
            value = ",".join(values) if values else None
        else:
            value = headers.get(name)
            value = None if value is None else canonical_value(value)
        if value is None:
            raise invalid(f"'{name[:64]}' is a 'SignedHeader' in the AWS Authorization, and no header of the request.")
        pairs.append((name, value))
    return pairs


def _explained(claim: _Claim, canonical: str) -> str:
    # What was signed is the client's own request, so it learns nothing by it but where its text differs.
    return (
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access "
        "Key and signing method. Consult the service documentation for details.\n\nThe Canonical String for this "
        f"request should have been\n'{canonical}'\n\nThe String-to-Sign should have been\n"
        f"'{string_to_sign(claim.timestamp, claim.signer.scope, canonical)}'\n"
    )


def _written(seconds: float) -> str:
    return time.strftime(TIMESTAMP, time.gmtime(seconds))
