"""A receiver of callbacks as anybody would write one: the standard library's server behind TLS; none of it is ours."""

import datetime
import json
import ssl
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAME = "receiver.test"
NEVER = "never"
"""In place of a status: take the request, and do not answer."""


@dataclass(frozen=True)
class Call:
    """A POST that came; `answered` is its status, or NEVER."""

    headers: dict[str, str]
    body: bytes
    answered: int | str

    @property
    def document(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


class Receiver:
    """Answers each path by its script, the last answer of which stays; 204 where there is none."""

    def __init__(self, folder: Path) -> None:
        self.certificate = _certificate(folder)
        self.scripts: dict[str, list[int | str]] = {}
        self._calls: dict[str, list[Call]] = defaultdict(list)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                answer = receiver._take(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                if isinstance(answer, str):
                    receiver._ended.wait()
                    self.close_connection = True
                    return
                self.send_response(answer)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Keep the test's output clean."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
        # In the connection's own thread, at its first read.
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def parameter(self) -> str:
        """The stack's CallbackTestReceiver."""
        return f"{NAME}=127.0.0.1:{self._server.server_port}"

    def url(self, path: str, *script: int | str) -> str:
        """The URL of a path that answers so."""
        if script:
            self.scripts[path] = list(script)
        return f"https://{NAME}{path}"

    def calls(self, path: str) -> list[Call]:
        """What came to a path so far."""
        with self._lock:
            return list(self._calls[path])

    def _take(self, path: str, headers: dict[str, str], body: bytes) -> int | str:
        with self._lock:
            script = self.scripts.get(path, [204])
            answer = script.pop(0) if len(script) > 1 else script[0]
            self._calls[path].append(Call(headers, body, answer))
            return answer

    @classmethod
    @contextmanager
    def running(cls, folder: Path) -> Iterator[Self]:
        """One that serves, and is gone at the end."""
        receiver = cls(folder)
        thread = threading.Thread(target=receiver._server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield receiver
        finally:
            receiver._ended.set()
            receiver._server.shutdown()
            receiver._server.server_close()
            thread.join()


def _certificate(folder: Path) -> str:
    """Write a certificate of its own signature and its key; returns the certificate's PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    (folder / "certificate.pem").write_bytes(certificate)
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate.decode()
