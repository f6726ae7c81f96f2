"""How a client shows an API who it is: by signing its requests (SigV4), by an API key, by both, or not at all.

    authentication = Authentication.by("IAM", api_url)                # the usual chain's credentials
    authentication = Authentication(api_key="...")
    ApiClient(api_url, authentication=authentication)

botocore's signer makes some objects for each request, 150 us of them; this one keeps what does not change from one
request to the next. Tests hold the two to the same signature.
"""

import hashlib
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, Self, cast
from urllib.parse import urlsplit

from pipeline.sigv4 import (
    ALGORITHM,
    TIMESTAMP,
    Scope,
    canonical_path,
    canonical_query,
    canonical_value,
    sign,
    signing_key,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# The values of infra.yaml's parameter Authentication, and an API of another template, which asks nobody.
IAM: Final = "IAM"
API_KEY: Final = "API_KEY"
IAM_AND_API_KEY: Final = "IAM_AND_API_KEY"
NONE: Final = "NONE"
MODES: Final = (IAM, API_KEY, IAM_AND_API_KEY, NONE)

# Where `forebay local` prints a key, and where the load test looks for one.
API_KEY_VARIABLE: Final = "FOREBAY_API_KEY"

_HOST: Final = re.compile(r"[a-z0-9]+\.execute-api\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}
# What every signature covers: whom it is for, and when it was made.
_DATE: Final = "x-amz-date"
_TOKEN: Final = "x-amz-security-token"  # noqa: S105 (a header's name)


class AuthenticationError(Exception):
    """Nothing to show where something is asked; the text says what and where to get it."""


class Frozen(Protocol):
    """Credentials of one moment, as botocore has them."""

    @property
    def access_key(self) -> str:
        """The access key's id."""

    @property
    def secret_key(self) -> str:
        """The secret access key."""

    @property
    def token(self) -> str | None:
        """The session token, of temporary credentials."""


class Credentials(Protocol):
    """Credentials that may be temporary, botocore's say."""

    def get_frozen_credentials(self) -> Frozen:
        """Those that hold now."""


class StaticCredentials(NamedTuple):
    """Credentials that stay."""

    access_key: str
    secret_key: str
    token: str | None = None

    def get_frozen_credentials(self) -> "StaticCredentials":
        """Themselves."""
        return self


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs requests to API Gateway in a Region. `now` yields seconds since the epoch."""

    credentials: Credentials = field(repr=False)
    region: str
    now: "Callable[[], float]" = time.time


@dataclass(frozen=True, slots=True)
class Authentication:
    """What a client shows; nothing by default. May be used by several threads at once."""

    signer: Signer | None = None
    api_key: str | None = field(default=None, repr=False)

    @classmethod
    def by(
        cls,
        mode: str,
        api_url: str,
        *,
        credentials: "Credentials | None" = None,
        region: str | None = None,
        api_key: str | None = None,
    ) -> Self:
        """What an API with that value of Authentication wants to see.

        Without `credentials` they are those of AWS's usual chain (variables, profile, role); without `region` it is the
        one in the API's URL, or else the chain's.

        Raises:
            AuthenticationError: there is no such value, or nothing to show for it.
        """
        if mode not in MODES:
            raise AuthenticationError(f"authentication {mode!r} is none of {', '.join(MODES)}")
        if mode in (API_KEY, IAM_AND_API_KEY) and not api_key:
            raise AuthenticationError(f"the API asks for an API key: set {API_KEY_VARIABLE}")
        signer = None
        if mode in (IAM, IAM_AND_API_KEY):
            signer = _signer(api_url, credentials, region)
            if signer is None:
                raise AuthenticationError(
                    "the API wants signed requests, and there are no AWS credentials: set AWS_PROFILE, or "
                    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                )
        return cls(signer, api_key if mode in (API_KEY, IAM_AND_API_KEY) else None)

    @classmethod
    def at_hand(cls, api_url: str, api_key: str | None) -> Self:
        """For an API that does not say what it wants: a signature if there are credentials, the key if there is one.

        Raises:
            AuthenticationError: there are credentials, and no Region to sign for.
        """
        return cls(_signer(api_url, None, None), api_key or None)

    def headers(self, method: str, url: str, headers: "Mapping[str, str]", body: bytes = b"") -> dict[str, str]:
        """What to send with a request beside its own `headers`, which are signed too. `Host` is among it."""
        return Route(self, method, url, headers).headers(body)


class Route:
    """Requests that differ in their body alone: what a signature covers beside it is written once.

    `headers` go with each of them.
    """

    def __init__(self, authentication: Authentication, method: str, url: str, headers: "Mapping[str, str]") -> None:
        parts = urlsplit(url)
        self.host = _host(parts.scheme, parts.hostname or "", parts.port)
        self._signer = authentication.signer
        self._fixed = {"Host": self.host}
        if authentication.api_key is not None:
            self._fixed["x-api-key"] = authentication.api_key
        self._lines = "".join(f"{name}: {value}\r\n" for name, value in self._fixed.items() if name != "Host")
        self._target = f"{method}\n{canonical_path(parts.path)}\n{canonical_query(parts.query)}\n"
        self._headers = {name.lower(): canonical_value(value) for name, value in {**headers, **self._fixed}.items()}
        self._prepared: _Prepared | None = None

    def headers(self, body: bytes) -> dict[str, str]:
        """What to send with one of them, beside what goes with each."""
        return {**self._fixed, **self._signed(hashlib.sha256(body).hexdigest() if self.signs else "")}

    def lines(self, body_hash: str) -> bytes:
        """The same but for Host, as header lines, each whole; by the body's SHA-256 in hex, if the route `signs`.

        Of bodies that begin alike a part need be hashed but once, and of a large one that is most of the work.
        """
        lines = self._lines + "".join(f"{name}: {value}\r\n" for name, value in self._signed(body_hash).items())
        return lines.encode("latin-1")

    @property
    def signs(self) -> bool:
        """Whether its requests are signed."""
        return self._signer is not None

    def _signed(self, body_hash: str) -> dict[str, str]:
        if self._signer is None:
            return {}
        now, frozen = int(self._signer.now()), self._signer.credentials.get_frozen_credentials()
        prepared = self._prepared
        if prepared is None or prepared.second != now or prepared.frozen != frozen:
            # In one piece: another thread may be at it too.
            prepared = self._prepared = _prepare(
                self._signer.region, now, frozen, self._target, self._headers, prepared
            )
        signature = sign(prepared.key, prepared.timestamp, prepared.scope, prepared.canonical + body_hash)
        return {**prepared.headers, "Authorization": prepared.authorization + signature}


@dataclass(frozen=True, slots=True)
class _Prepared:
    """All of a second's signatures but the body's hash."""

    second: int
    frozen: Frozen
    timestamp: str
    scope: Scope
    key: bytes
    canonical: str
    authorization: str
    headers: "Mapping[str, str]"


def _prepare(
    region: str,
    second: int,
    frozen: Frozen,
    target: str,
    headers: "Mapping[str, str]",
    before: _Prepared | None,
) -> _Prepared:
    timestamp = time.strftime(TIMESTAMP, time.gmtime(second))
    scope = Scope(timestamp[:8], region)
    same_key = before is not None and (before.scope, before.frozen) == (scope, frozen)
    key = before.key if before is not None and same_key else signing_key(frozen.secret_key, scope)
    own = {_DATE: timestamp} if frozen.token is None else {_DATE: timestamp, _TOKEN: frozen.token}
    covered = sorted({**headers, **own}.items())
    names = ";".join(name for name, _ in covered)
    lines = "".join(f"{name}:{value}\n" for name, value in covered)
    return _Prepared(
        second,
        frozen,
        timestamp,
        scope,
        key,
        f"{target}{lines}\n{names}\n",
        f"{ALGORITHM} Credential={frozen.access_key}/{scope}, SignedHeaders={names}, Signature=",
        own,
    )


def region_of(api_url: str) -> str | None:
    """The Region that stands in the URL of an API; None for one of a domain of its own, or of this machine."""
    found = _HOST.fullmatch(urlsplit(api_url).hostname or "")
    return None if found is None else found["region"]


def _signer(api_url: str, credentials: Credentials | None, region: str | None) -> Signer | None:
    """A signer, None without credentials."""
    region = region or region_of(api_url)
    if credentials is None or region is None:
        # A quarter of a second, which who has both need not wait.
        from botocore.exceptions import BotoCoreError
        from botocore.session import get_session

        session = get_session()
        try:
            # botocore's are of this form, though its stubs let each part be missing.
            credentials = credentials or cast("Credentials | None", session.get_credentials())
            region = region or session.get_config_variable("region")
        except BotoCoreError as error:
            raise AuthenticationError(f"the AWS configuration cannot be used: {error}; set AWS_PROFILE") from None
    if credentials is None:
        return None
    if region is None:
        raise AuthenticationError(f"{api_url} names no Region to sign for: set AWS_DEFAULT_REGION to the API's")
    return Signer(credentials, region)


def _host(scheme: str, name: str, port: int | None) -> str:
    """The Host header as every client writes it: the port is left out where it goes without saying."""
    shown = f"[{name}]" if ":" in name else name
    return shown if port is None or port == _DEFAULT_PORTS.get(scheme) else f"{shown}:{port}"
