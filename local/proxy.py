"""A wire service that is another server: moto's for S3 and DynamoDB."""

from typing import TYPE_CHECKING, Final

import aiohttp
from yarl import URL

from local.wire import WireRequest, WireResponse

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

# Those that belong to one connection, not to the message (RFC 9110, 7.6.1), and those that the client sets anew.
_HOP_BY_HOP: Final = frozenset(
    ("connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade")
)


class HttpProxy:
    """Passes requests on to `base_url` (no slash at its end) as they are, and answers as they come.

    The session opens with the first request; `close` closes it. An upstream that cannot be reached, or breaks off,
    raises ConnectionError.
    """

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._session: aiohttp.ClientSession | None = None

    async def handle(self, request: WireRequest) -> WireResponse:
        """Pass one request on.

        Raises:
            ConnectionError: there was no whole answer.
        """
        target = request.path + (f"?{request.query}" if request.query else "")
        headers = {name: value for name, value in request.headers.items() if name not in _HOP_BY_HOP}
        try:
            async with self._opened().request(
                request.method,
                URL(self._base_url + target, encoded=True),
                headers=headers,
                data=request.body,
                allow_redirects=False,
                skip_auto_headers=("user-agent", "content-type", "accept", "accept-encoding"),
            ) as response:
                body = await response.read()
                answered = _message_headers(response.headers)
                if request.method == "HEAD" and "content-length" in response.headers:
                    answered["content-length"] = response.headers["content-length"]
                return WireResponse(response.status, answered, body)
        except aiohttp.ClientError as error:
            raise ConnectionError(f"no answer from {self._base_url}: {error}") from error

    async def close(self) -> None:
        """Close the connections. A later request opens new ones."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            # No limit of connections and no timeout of its own: both are the caller's to decide.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(total=None),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


def _message_headers(headers: "CIMultiDictProxy[str]") -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in headers.items():
        name = name.lower()
        if name not in _HOP_BY_HOP:
            joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined
