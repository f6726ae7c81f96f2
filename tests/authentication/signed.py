"""Requests signed by botocore, as they arrive at a server."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.authentication.identities import Identity, by_access_key
from local.authentication.signature import Signatures
from local.wire import WireRequest

NOW = 1_732_400_000.0
REGION = "eu-west-1"
HOST = "abc123.execute-api.eu-west-1.amazonaws.com"
ALICE = Identity("AKIAALICE", "alice's secret", "000000000000", "AIDAALICE", "arn:aws:iam::000000000000:user/alice")
SESSION = Identity(
    "ASIASESSION", "session's secret", "000000000000", "AROAROLE:deploy@1",
    "arn:aws:sts::000000000000:assumed-role/role/deploy@1", "its token",
)  # fmt: skip


def signatures() -> Signatures:
    return Signatures(by_access_key([ALICE, SESSION]), REGION)


def signed(
    identity: Identity = ALICE,
    *,
    method: str = "POST",
    target: str = "/live/v1/sqs/images",
    headers: Mapping[str, str] | None = None,
    body: bytes = b'{"image":{"key":"cat.jpg"}}',
    at: float = NOW,
    service: str = "execute-api",
    region: str = REGION,
    presigned_s: int | None = None,
) -> WireRequest:
    """A request as it arrives; signed in its query if `presigned_s` says how long it is to be good for."""
    credentials = Credentials(identity.access_key_id, identity.secret_access_key, identity.session_token)
    request = AWSRequest(method, f"https://{HOST}{target}", headers=dict(headers or {}), data=body)
    auth: Any = SigV4Auth(credentials, service, region)
    if presigned_s is not None:
        auth = SigV4QueryAuth(credentials, service, region, presigned_s)
        # The query of a presigned URL is all that botocore would put a body into.
        request.data = b""
    with patch("botocore.auth.get_current_datetime", lambda: datetime.fromtimestamp(at, UTC)):
        auth.add_auth(request)
    parts = urlsplit(request.url)
    lines = [("Host", HOST), *((str(name), str(value)) for name, value in request.headers.items())]
    return WireRequest(
        method, parts.path, parts.query, {name.lower(): value for name, value in lines}, request.data or b"", lines
    )
