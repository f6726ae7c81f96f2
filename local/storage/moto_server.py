"""S3 and Secrets Manager by moto, as a process of its own: `python -m local.storage.moto_server`.

It prints one line of JSON, {"url": ...}, when it is ready, and stops when its standard input closes, so that it never
outlives the one who started it.

moto's application is called in one thread, a request at a time: what it keeps are plain dictionaries. Its own server
opens a thread and a connection for each request, and takes half as long again.
"""

import asyncio
import io
import json
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol
from urllib.parse import unquote_to_bytes

import click

from local.http import serve
from local.physical_names import ACCOUNT
from local.wire import WireRequest, WireResponse

# moto finds the service in the scope of the signature, and asks nothing else of it; what is not signed is for S3.
_UNSIGNED: Final = (
    "AWS4-HMAC-SHA256 Credential=local/20250101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
)
# A connection's own, which the server in front sets by itself.
_HOP_BY_HOP: Final = frozenset({"connection", "keep-alive", "server", "date", "transfer-encoding"})


class Application(Protocol):
    """A WSGI application."""

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer."""


class WsgiService:
    """A WSGI application as a wire service, answering one request at a time."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def handle(self, request: WireRequest) -> WireResponse:
        """Answer."""
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], _error: object = None) -> None:
            started.append((status, headers))

        answer = self._application(_environ(request), start_response)
        try:
            body = b"".join(answer)
        finally:
            close = getattr(answer, "close", None)
            if close is not None:
                close()
        status, headers = started[-1]
        kept = {name.lower(): value for name, value in headers if name.lower() not in _HOP_BY_HOP}
        return WireResponse(int(status.split(" ", 1)[0]), kept, body)


def _environ(request: WireRequest) -> dict[str, Any]:
    # PEP 3333: texts hold bytes, as Latin-1.
    host, _, port = _bytes(request.headers.get("host", "127.0.0.1")).decode("latin-1").partition(":")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(_bytes(request.path)).decode("latin-1"),
        "RAW_URI": _bytes(request.path).decode("latin-1"),
        "QUERY_STRING": _bytes(request.query).decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": port or "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in request.headers.items():
        environ[f"HTTP_{name.upper().replace('-', '_')}"] = _bytes(value).decode("latin-1")
    environ.setdefault("HTTP_AUTHORIZATION", _UNSIGNED)
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    if "content-type" in request.headers:
        environ["CONTENT_TYPE"] = environ["HTTP_CONTENT_TYPE"]
    environ["CONTENT_LENGTH"] = str(len(request.body))
    environ["HTTP_CONTENT_LENGTH"] = environ["CONTENT_LENGTH"]
    return environ


def _bytes(text: str) -> bytes:
    """What a text of a request's head was on the wire, UTF-8 or not."""
    return text.encode("utf-8", "surrogateescape")


@click.command()
@click.option("--port", type=int, default=0, help="0: any free one.")
def main(port: int) -> None:
    """Serve S3 and Secrets Manager on this machine, by moto; what it keeps is gone with the process."""
    asyncio.run(_serve_until_stdin_closes(port))


async def _serve_until_stdin_closes(port: int) -> None:
    # moto asks for credentials of its own when it calls itself; the user's must not be found. Its account is the one of
    # the stack, which stands in the ARNs of secrets.
    os.environ.update(AWS_ACCESS_KEY_ID="moto", AWS_SECRET_ACCESS_KEY="moto", AWS_DEFAULT_REGION="us-east-1")  # noqa: S106
    os.environ["MOTO_ACCOUNT_ID"] = ACCOUNT
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    server = await serve(WsgiService(DomainDispatcherApplication(create_backend_app)), port=port)
    sys.stdout.write(json.dumps({"url": server.url}) + "\n")
    sys.stdout.flush()
    closed = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(closed), sys.stdin)
    while await closed.read(1024):
        pass
    await server.close()


if __name__ == "__main__":
    main()
