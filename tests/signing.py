"""Clients that are none of ours, made to sign: by botocore, with the variables that an embedded AWS has exported."""

from collections.abc import Mapping

import requests
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

# Those that a client's own library does not change once they are signed.
_KEPT = ("content-type", "idempotency-key", "x-api-key")


def signed_headers(
    environment: Mapping[str, str], method: str, url: str, headers: Mapping[str, str], body: bytes | str | None
) -> dict[str, str]:
    """The headers of a request, with its signature."""
    call = AWSRequest(method, url, headers=dict(headers), data=body or b"")
    SigV4Auth(_credentials(environment), "execute-api", environment["AWS_DEFAULT_REGION"]).add_auth(call)
    return dict(call.headers.items())


def presigned(environment: Mapping[str, str], url: str) -> str:
    """A URL that is good for a minute, for who cannot send a header: a browser's WebSocket."""
    call = AWSRequest("GET", url)
    SigV4QueryAuth(_credentials(environment), "execute-api", environment["AWS_DEFAULT_REGION"], 60).add_auth(call)
    return str(call.url)


def curl_options(environment: Mapping[str, str]) -> list[str]:
    """What has curl sign by its own means."""
    scope = f"aws:amz:{environment['AWS_DEFAULT_REGION']}:execute-api"
    user = f"{environment['AWS_ACCESS_KEY_ID']}:{environment['AWS_SECRET_ACCESS_KEY']}"
    return ["--aws-sigv4", scope, "--user", user]


class Signed(requests.auth.AuthBase):
    """Signs what the library requests sends."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        kept = {name: value for name, value in request.headers.items() if name.lower() in _KEPT}
        assert request.method is not None
        assert request.url is not None
        request.headers.update(signed_headers(self._environment, request.method, request.url, kept, request.body))
        return request


def _credentials(environment: Mapping[str, str]) -> Credentials:
    return Credentials(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])
