"""One POST to a stranger's server: to an address that was checked, within a time and a size.

The URL is checked anew, its name resolved once, and every address that came of it must be public. The socket is then
connected to such an address, not to the name, so that there is no second resolution to be answered otherwise; the name
is for SNI, the certificate and the Host header. Nothing of the URL is parsed again, and no redirect is followed.

http.client over a socket of our own, not urllib3: its pools, retries, redirects and proxies would all have to be
turned off, its timeout is one of each read and not of the whole, and in Lambda's runtime it is of another version.
"""

import base64
import binascii
import contextlib
import http.client
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from pipeline.callback_url import CallbackUrl, CallbackUrlError, TestReceiver, check_callback_url
from pipeline.internet_address import Address, why_not_public
from pipeline.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# Of all that a receiver sends, TLS apart: status line, header fields and what is read of the body.
MOST_RECEIVED: Final = 32_768
# Of the body nothing is used. It is read so that the connection ends in order, if it comes at once.
_BODY_READ: Final = 4_096
_BODY_S: Final = 1.0
# Of a name with more addresses than these, the rest are not tried; all are checked.
_ADDRESSES_TRIED: Final = 4
_USER_AGENT: Final = "Forebay-Callback/1"
_LONGEST_REASON: Final = 300


@dataclass(frozen=True, slots=True)
class Answered:
    """The receiver's answer. `retry_after` is the header's value, if there was one."""

    status: int
    retry_after: str | None = None


@dataclass(frozen=True, slots=True)
class NotCalled:
    """A URL that is not called, now or later."""

    reason: str


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """An attempt that came to nothing, and another may not. The receiver may have read the whole POST all the same."""

    reason: str


Outcome = Answered | NotCalled | NoAnswer


class Resolve(Protocol):
    """Finds the addresses of a name."""

    def __call__(self, name: str, timeout_s: float) -> "Sequence[Address]":
        """All of them, or raise an OSError, such as TimeoutError."""


class SystemResolver:
    """getaddrinfo with a time limit. A lookup cannot be stopped, so each has a thread, which ends with the resolver's
    own patience; those that wait for one count their time meanwhile.
    """

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="resolve")

    def __call__(self, name: str, timeout_s: float) -> "Sequence[Address]":
        """All addresses of a name.

        Raises:
            TimeoutError: they are not known in time.
            OSError: there are none.
        """
        # With the root's dot no search domain is tried behind it.
        lookup = self._threads.submit(socket.getaddrinfo, f"{name}.", None, type=socket.SOCK_STREAM)
        try:
            found = lookup.result(timeout_s)
        except TimeoutError:
            lookup.cancel()
            raise
        return list(dict.fromkeys(ip_address(place[0]) for *_, place in found))


def dial(address: Address, port: int, timeout_s: float) -> socket.socket:
    """Connect to an address."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        # Header and body are two writes: the second must not wait until the first is acknowledged.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.connect((str(address), port))
    except BaseException:
        connection.close()
        raise
    return connection


class _TooMuchError(OSError):
    """A receiver that sends more than anybody reads."""


class _Bounds:
    """What one attempt may still take: time until `deadline` on the clock, and bytes."""

    def __init__(self, deadline: float, clock: "Callable[[], float]") -> None:
        self.deadline = deadline
        self._clock = clock
        self._bytes = MOST_RECEIVED

    def remaining_s(self) -> float:
        remaining = self.deadline - self._clock()
        if remaining <= 0:
            raise TimeoutError
        return remaining

    def end_within(self, seconds: float) -> None:
        self.deadline = min(self.deadline, self._clock() + seconds)

    def take(self, count: int) -> None:
        self._bytes -= count
        if self._bytes < 0:
            raise _TooMuchError(f"more than {MOST_RECEIVED:,} bytes were answered")


class _BoundedSocket(ssl.SSLSocket):
    """A TLS socket whose every read and write has what is left of the attempt's time, not a time of its own.

    A receiver that sends a byte a second would else hold the function for as long as it likes.
    """

    bounds: _Bounds

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        self.settimeout(self.bounds.remaining_s())
        count = super().recv_into(buffer, nbytes, flags)
        self.bounds.take(count)
        return count

    def send(self, data: Any, flags: int = 0) -> int:
        self.settimeout(self.bounds.remaining_s())
        return super().send(data, flags)


class Poster:
    """POSTs to callback URLs, from any number of threads. `clock` is monotonic, in seconds.

    `resolve`, `connect` and `trust` are the system's own unless a test has others.
    """

    def __init__(
        self,
        *,
        ports: frozenset[int],
        resolve: Resolve,
        test_receiver: TestReceiver | None = None,
        test_certificate: str = "",
        trust: ssl.SSLContext | None = None,
        connect: "Callable[[Address, int, float], socket.socket]" = dial,
        clock: "Callable[[], float]" = time.monotonic,
    ) -> None:
        """Make it ready; once for many attempts, for the certificates that are trusted take some time to read.

        Raises:
            SettingsError: the test certificate is none.
        """
        self._ports = ports
        self._resolve = resolve
        self._test_receiver = test_receiver
        self._trust = _bounded(trust or ssl.create_default_context())
        self._test_trust = _bounded(trust_in(test_certificate)) if test_certificate else self._trust
        self._connect = connect
        self._clock = clock

    def post(self, url: str, body: bytes, headers: "Mapping[str, str]", deadline: float) -> Outcome:
        """POST a body of JSON; it has ended by `deadline`, a time of the clock, whatever the receiver does.

        `headers` are ours: what they hold is written as it is.
        """
        bounds = _Bounds(deadline, self._clock)
        try:
            target = check_callback_url(url, ports=self._ports, test_receiver=self._test_receiver)
            addresses = self._addresses(target, bounds)
        except CallbackUrlError as error:
            return NotCalled(error.reason)
        except TimeoutError:
            return NoAnswer("its name was not resolved in time")
        except OSError as error:
            return NoAnswer(_reason("its name is not resolved", error))
        try:
            with self._connection(target, addresses, bounds) as connection:
                return _exchange(connection, target, body, headers)
        except TimeoutError:
            return NoAnswer("it did not answer in time")
        except ssl.SSLCertVerificationError as error:
            return NoAnswer(f"its certificate is not trusted: {error.verify_message}"[:_LONGEST_REASON])
        except (OSError, http.client.HTTPException) as error:
            return NoAnswer(_reason("it did not answer", error))

    def _addresses(self, target: CallbackUrl, bounds: _Bounds) -> "Sequence[Address]":
        if target.address is not None:
            # A literal was checked with the URL. The test receiver's may be any; nobody else has that name.
            return (target.address,)
        addresses = self._resolve(target.name, bounds.remaining_s())
        if not addresses:
            raise OSError("no address")
        for address in addresses:
            reason = why_not_public(address)
            # One is enough: whoever mixes them hopes that another one is connected to than was checked.
            if reason is not None:
                raise CallbackUrlError(f"{target.name} resolves to {reason}: only the public internet is called")
        return addresses

    def _connection(self, target: CallbackUrl, addresses: "Sequence[Address]", bounds: _Bounds) -> _BoundedSocket:
        tried = addresses[:_ADDRESSES_TRIED]
        for left, address in zip(range(len(tried), 0, -1), tried, strict=True):
            try:
                # One that swallows everything leaves the others their share.
                plain = self._connect(address, target.connect_port, bounds.remaining_s() / left)
            except OSError:
                if left == 1:
                    raise
            else:
                return self._secured(plain, target, bounds)
        raise AssertionError("there is at least one address")

    def _secured(self, plain: socket.socket, target: CallbackUrl, bounds: _Bounds) -> _BoundedSocket:
        trust = self._trust if target.test_receiver is None else self._test_trust
        try:
            # The handshake's own limit is one for all of it.
            plain.settimeout(bounds.remaining_s())
            secured = cast("_BoundedSocket", trust.wrap_socket(plain, server_hostname=target.name))
        except BaseException:
            plain.close()
            raise
        secured.bounds = bounds
        return secured


def _exchange(connection: _BoundedSocket, target: CallbackUrl, body: bytes, headers: "Mapping[str, str]") -> Answered:
    exchange = http.client.HTTPConnection(target.name, target.port)
    exchange.sock = connection
    # It has the only connection there is to be.
    exchange.auto_open = 0
    exchange.putrequest("POST", target.target, skip_host=True, skip_accept_encoding=True)
    ours = {
        "host": target.host,
        "content-type": "application/json",
        "content-length": str(len(body)),
        "user-agent": _USER_AGENT,
        "connection": "close",
    }
    for name, value in {**ours, **headers}.items():
        exchange.putheader(name, value)
    exchange.endheaders(body)
    with exchange.getresponse() as response:
        answer = Answered(response.status, response.getheader("retry-after"))
        connection.bounds.end_within(_BODY_S)
        # It has answered, however its body goes on.
        with contextlib.suppress(OSError, http.client.HTTPException):
            response.read(_BODY_READ)
        return answer


def trust_in(certificate: str) -> ssl.SSLContext:
    """Trust in this certificate alone: a PEM, which may have lost its line breaks on the way through a parameter.

    Raises:
        SettingsError: it is none.
    """
    inner = certificate.replace("-----BEGIN CERTIFICATE-----", "").replace("-----END CERTIFICATE-----", "")
    try:
        # Given as a text, OpenSSL would want the line breaks.
        return ssl.create_default_context(cadata=base64.b64decode("".join(inner.split()), validate=True))
    except (binascii.Error, ValueError, ssl.SSLError):
        raise SettingsError(
            "CALLBACK_TEST_CERTIFICATE is not a certificate in PEM: take what `forebay callback-receiver` prints"
        ) from None


def _bounded(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _BoundedSocket
    return context


def _reason(what: str, error: BaseException) -> str:
    return f"{what}: {type(error).__name__}: {error}"[:_LONGEST_REASON]
