"""When connecting: a resolver by script, real sockets and real TLS."""

import contextlib
import itertools
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any

import pytest
from hostile_urls import HOSTILE
from tls_server import ALSO_PUBLIC, PUBLIC, Script, TlsServer, World, answer, endless, serving, status, trusting

from consumers.callback_post import MOST_RECEIVED, Answered, NoAnswer, NotCalled, Poster, SystemResolver, dial, trust_in
from pipeline.callback_url import TestReceiver
from pipeline.internet_address import Address
from pipeline.settings import SettingsError
from producers.receiver_certificate import ReceiverCertificate

NAME = "hooks.example.com"
URL = f"https://{NAME}/forebay?token=x"
BODY = b'{"status":"SUCCEEDED"}'
OK = status("200 OK")
# A real time limit, which no test reaches but those that say so.
AMPLE_S = 60.0


@pytest.fixture(scope="module")
def certificate() -> ReceiverCertificate:
    return ReceiverCertificate.fresh(NAME)


class Ticking:
    """A clock on which every look takes a second."""

    def __init__(self) -> None:
        self._ticks = itertools.count()

    def __call__(self) -> float:
        return float(next(self._ticks))


def poster(world: World, certificate: ReceiverCertificate, **more: Any) -> Poster:
    given: dict[str, Any] = {
        "ports": frozenset({443}),
        "resolve": world.resolve,
        "connect": world.connect,
        "trust": trusting(certificate),
    }
    return Poster(**(given | more))


def post(
    poster: Poster, url: str = URL, *, limit_s: float = AMPLE_S, clock: Callable[[], float] = time.monotonic
) -> Any:
    return poster.post(url, BODY, {"webhook-id": "r1"}, clock() + limit_s)


# --- what is sent, and where


def test_the_connection_goes_to_the_checked_address_and_the_name_is_for_tls_and_host(
    certificate: ReceiverCertificate,
) -> None:
    with serving(certificate, OK) as (server, world):
        assert post(poster(world, certificate)) == Answered(200)

    assert world.dialled == [(PUBLIC, 443)]
    (request,) = server.requests
    assert request.sni == NAME
    assert request.head[0] == "POST /forebay?token=x HTTP/1.1"
    assert request.header("host") == [NAME]
    assert request.header("content-type") == ["application/json"]
    assert request.header("webhook-id") == ["r1"]
    assert request.header("connection") == ["close"]
    assert request.body == BODY


def test_a_port_of_the_allow_list_is_dialled_and_stands_in_the_host_header(certificate: ReceiverCertificate) -> None:
    with serving(certificate, OK) as (server, world):
        assert post(poster(world, certificate, ports=frozenset({443, 8443})), f"https://{NAME}:8443/") == Answered(200)

    assert world.dialled == [(PUBLIC, 8443)]
    assert server.requests[0].header("host") == [f"{NAME}:8443"]


@pytest.mark.parametrize("code", [200, 204, 299, 301, 302, 303, 307, 308, 400, 404, 410, 429, 500, 503, 599])
def test_whatever_the_status_it_is_the_answer_and_nothing_else_is_called(
    code: int, certificate: ReceiverCertificate
) -> None:
    script = status(f"{code} X", "location: https://169.254.169.254/latest/meta-data/", "retry-after: 7")
    with serving(certificate, script) as (server, world):
        assert post(poster(world, certificate)) == Answered(code, "7")

    assert (len(server.requests), world.looked_up, world.dialled) == (1, [NAME], [(PUBLIC, 443)])


def test_proxies_of_the_environment_are_not_used(
    certificate: ReceiverCertificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with serving(certificate, OK) as (_, world):
        assert post(poster(world, certificate)) == Answered(200)


# --- names


@pytest.mark.parametrize(("url", "reason", "hope"), HOSTILE, ids=range(len(HOSTILE)))
def test_what_is_refused_at_the_door_is_refused_again_before_anything_is_looked_up(
    url: str, reason: str, hope: str, certificate: ReceiverCertificate
) -> None:
    world = World(port=9)
    outcome = post(poster(world, certificate), url)
    assert isinstance(outcome, NotCalled), hope
    assert reason in outcome.reason
    assert (world.looked_up, world.dialled) == ([], [])


INSIDE = [
    (["127.0.0.1"], "loopback"),
    (["10.0.0.5"], "private"),
    (["169.254.169.254"], "link-local"),
    (["100.64.0.1"], "private"),
    (["0.0.0.0"], "unspecified"),
    (["::1"], "loopback"),
    (["::"], "unspecified"),
    (["fd00:ec2::254"], "no global unicast"),
    (["fe80::1"], "link-local"),
    (["fe80::1%2"], "zone"),
    (["2606:2800::1%2"], "zone"),
    (["::ffff:10.0.0.5"], "leads to 10.0.0.5"),
    (["64:ff9b::a00:5"], "leads to 10.0.0.5"),
    (["2002:a00:5::"], "leads to 10.0.0.5"),
    (["2001:0:0:0:0:0:f5ff:fffa"], "special-purpose"),
    # Half of the answers are public, for a check of the first, or of any.
    (["93.184.216.34", "10.0.0.5"], "10.0.0.5 is"),
    (["10.0.0.5", "93.184.216.34"], "10.0.0.5 is"),
    (["93.184.216.34", "::1"], "::1 is"),
    (["2606:2800:220:1:248:1893:25c8:1946", "127.0.0.1"], "127.0.0.1 is"),
    (["8.8.8.8", "8.8.4.4", "1.1.1.1", "9.9.9.9", "169.254.169.254"], "169.254.169.254 is"),
]


@pytest.mark.parametrize(("addresses", "reason"), INSIDE)
def test_a_name_that_resolves_inside_is_refused_for_good_and_not_dialled(
    addresses: list[str], reason: str, certificate: ReceiverCertificate
) -> None:
    world = World(port=9, answers=[[ip_address(address) for address in addresses]])
    outcome = post(poster(world, certificate))
    assert isinstance(outcome, NotCalled)
    assert reason in outcome.reason
    assert world.dialled == []


def test_a_name_that_is_rebound_after_the_check_is_not_looked_up_again(certificate: ReceiverCertificate) -> None:
    with serving(certificate, OK) as (_, world):
        world.answers = [[PUBLIC], [ip_address("127.0.0.1")]]
        assert post(poster(world, certificate)) == Answered(200)

        assert (world.looked_up, world.dialled) == ([NAME], [(PUBLIC, 443)])
        # The next attempt looks it up anew, and sees it.
        assert isinstance(post(poster(world, certificate)), NotCalled)


def test_the_socket_is_connected_without_any_name(
    certificate: ReceiverCertificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by the world's connect, but by the real one: if it resolved anything, it would say so."""

    def resolve(*_: Any, **__: Any) -> Any:
        raise AssertionError("a second resolution")

    with TlsServer(certificate, OK) as server:
        receiver = TestReceiver(NAME, ip_address("127.0.0.1"), server.port)
        ready = Poster(
            ports=frozenset({443}),
            resolve=resolve,
            test_receiver=receiver,
            test_certificate=certificate.certificate,
        )
        with monkeypatch.context() as patched:
            patched.setattr(socket, "getaddrinfo", resolve)
            assert post(ready) == Answered(200)


@pytest.mark.parametrize("error", [socket.gaierror(-2, "Name or service not known"), TimeoutError()])
def test_a_name_that_does_not_resolve_may_do_so_later(error: OSError, certificate: ReceiverCertificate) -> None:
    def resolve(name: str, timeout_s: float) -> Any:
        raise error

    world = World(port=9)
    outcome = post(poster(world, certificate, resolve=resolve))
    assert isinstance(outcome, NoAnswer)
    assert "its name" in outcome.reason
    assert world.dialled == []


def test_no_addresses_at_all_are_a_name_that_does_not_resolve(certificate: ReceiverCertificate) -> None:
    assert isinstance(post(poster(World(port=9, answers=[[]]), certificate)), NoAnswer)


def test_the_systems_resolver_asks_for_the_name_without_search_domains(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def getaddrinfo(name: str, *_: Any, **__: Any) -> Any:
        asked.append(name)
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1%lo", 0, 0, 1)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 0)),
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert list(SystemResolver(1)(NAME, AMPLE_S)) == [ip_address("fe80::1%lo"), PUBLIC]
    assert asked == [f"{NAME}."]


def test_a_lookup_that_hangs_is_left_alone_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: release.wait() and [])
    resolver = SystemResolver(1)
    try:
        for _ in range(2):  # the second one waits for the only thread, and its time counts all the same
            with pytest.raises(TimeoutError):
                resolver(NAME, 0.01)
    finally:
        release.set()


# --- addresses


def test_an_address_that_refuses_is_followed_by_the_next_one(certificate: ReceiverCertificate) -> None:
    with serving(certificate, OK) as (_, world):
        world.answers = [[ALSO_PUBLIC, PUBLIC]]
        world.dead = {ALSO_PUBLIC}
        assert post(poster(world, certificate)) == Answered(200)
    assert world.dialled == [(ALSO_PUBLIC, 443), (PUBLIC, 443)]


def test_of_many_addresses_only_a_few_are_tried_and_each_has_its_share_of_the_time(
    certificate: ReceiverCertificate,
) -> None:
    many = [ip_address(f"93.184.216.{last}") for last in range(1, 60)]
    world = World(port=9, answers=[many])
    shares = []

    def connect(address: Address, port: int, timeout_s: float) -> socket.socket:
        world.dialled.append((address, port))
        shares.append(timeout_s)
        raise TimeoutError

    outcome = poster(world, certificate, connect=connect, clock=lambda: 0.0).post(URL, BODY, {}, 12.0)
    assert outcome == NoAnswer("it did not answer in time")
    assert [address for address, _ in world.dialled] == many[:4]
    assert shares == [3.0, 4.0, 6.0, 12.0]


def test_a_port_that_refuses_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        dial(ip_address("127.0.0.1"), port, AMPLE_S)


def test_an_address_in_the_url_is_dialled_as_it_is(certificate: ReceiverCertificate) -> None:
    with serving(certificate, OK) as (server, world):
        outcome = post(poster(world, certificate), "https://93.184.216.34/")
    # The certificate is another's, so nothing was sent.
    assert isinstance(outcome, NoAnswer)
    assert "certificate" in outcome.reason
    assert (world.looked_up, world.dialled, server.requests) == ([], [(PUBLIC, 443)], [])


# --- certificates


@pytest.mark.parametrize("served", ["www.example.com", "example.com", "receiver.test"])
def test_a_certificate_of_another_name_ends_the_attempt_before_anything_is_sent(served: str) -> None:
    other = ReceiverCertificate.fresh(served)
    with serving(other, OK) as (server, world):
        outcome = post(poster(world, other))
    assert isinstance(outcome, NoAnswer)
    assert "Hostname mismatch" in outcome.reason
    assert server.requests == []


def test_a_certificate_that_nobody_has_signed_is_not_trusted(certificate: ReceiverCertificate) -> None:
    with serving(certificate, OK) as (server, world):
        outcome = post(poster(world, certificate, trust=ssl.create_default_context()))
    assert isinstance(outcome, NoAnswer)
    assert "not trusted" in outcome.reason
    assert server.requests == []


def test_the_test_certificate_is_trusted_for_the_test_receiver_and_for_nobody_else(
    certificate: ReceiverCertificate,
) -> None:
    with serving(certificate, OK) as (server, world):
        receiver = TestReceiver("receiver.test", ip_address("127.0.0.1"), server.port)
        outcome = post(
            poster(
                world,
                certificate,
                trust=ssl.create_default_context(),
                test_receiver=receiver,
                test_certificate=certificate.certificate,
            )
        )
    assert isinstance(outcome, NoAnswer)
    assert "not trusted" in outcome.reason
    assert server.requests == []


def test_the_test_receiver_is_reached_by_its_own_address_port_and_certificate() -> None:
    certificate = ReceiverCertificate.fresh("receiver.test")
    with serving(certificate, OK) as (server, world):
        receiver = TestReceiver("receiver.test", ip_address("127.0.0.1"), server.port)
        ready = poster(
            world,
            certificate,
            trust=ssl.create_default_context(),
            connect=dial,
            test_receiver=receiver,
            test_certificate=certificate.one_line,
        )
        assert post(ready, "https://receiver.test/hook") == Answered(200)
    assert world.looked_up == []
    assert server.requests[0].sni == "receiver.test"
    assert server.requests[0].header("host") == ["receiver.test"]


def test_without_a_certificate_for_it_the_test_receiver_must_have_a_public_one() -> None:
    certificate = ReceiverCertificate.fresh("receiver.test")
    with serving(certificate, OK) as (server, world):
        receiver = TestReceiver("receiver.test", ip_address("127.0.0.1"), server.port)
        trust = ssl.create_default_context()
        outcome = post(
            poster(world, certificate, trust=trust, connect=dial, test_receiver=receiver), "https://receiver.test/"
        )
    assert isinstance(outcome, NoAnswer)
    assert "not trusted" in outcome.reason


@pytest.mark.parametrize(
    "strict", [ssl.VerifyFlags.VERIFY_DEFAULT, ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN]
)
def test_the_receivers_certificate_stands_up_to_newer_pythons_strictness(
    strict: ssl.VerifyFlags, certificate: ReceiverCertificate
) -> None:
    trust = trusting(certificate)
    trust.verify_flags |= strict
    with serving(certificate, OK) as (_, world):
        assert post(poster(world, certificate, trust=trust)) == Answered(200)


@pytest.mark.parametrize("text", ["x", "-----BEGIN CERTIFICATE----- AAAA -----END CERTIFICATE-----", "-----BEGIN"])
def test_what_is_no_certificate_is_said_at_start(text: str) -> None:
    with pytest.raises(SettingsError, match="forebay callback-receiver"):
        trust_in(text)


def test_a_server_that_speaks_no_tls_is_no_answer(certificate: ReceiverCertificate) -> None:
    with plain_server(lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")) as port:
        assert isinstance(post(poster(World(port), certificate)), NoAnswer)


# --- answers that never end


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "script",
    [
        endless(b"", b"H"),
        endless(HEAD, b"x"),
        endless(HEAD + b"x: ", b"y"),
        endless(HEAD, b"x: y\r\n"),
        endless(HEAD, b"x: " + b"y" * 60_000 + b"\r\n"),
        endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        endless(b"", b"HTTP/1.1 100 Continue\r\nx: y\r\n\r\n"),
    ],
    ids=["status line", "header name", "header value", "headers", "long headers", "100s", "100s with headers"],
)
def test_a_flood_instead_of_an_answer_is_cut_off(script: Script, certificate: ReceiverCertificate) -> None:
    with serving(certificate, script) as (_, world):
        outcome = post(poster(world, certificate))
    assert isinstance(outcome, NoAnswer)


def test_a_flood_is_cut_off_by_its_bytes(certificate: ReceiverCertificate) -> None:
    with serving(certificate, endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n")) as (_, world):
        outcome = post(poster(world, certificate))
    assert isinstance(outcome, NoAnswer)
    assert f"more than {MOST_RECEIVED:,} bytes" in outcome.reason


@pytest.mark.parametrize(
    "script",
    [
        endless(HEAD + b"\r\n", b"x" * 1_000),
        endless(HEAD + b"content-length: 99999999999\r\n\r\n", b"x" * 1_000),
        endless(HEAD + b"transfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        answer(HEAD + b"transfer-encoding: chunked\r\n\r\nzzzz\r\n"),
        answer(HEAD + b"content-length: 10\r\n\r\nx"),
        answer(HEAD + b"content-length: minus\r\n\r\n"),
    ],
    ids=["until closed", "of a length", "chunked", "no chunk", "too short", "no length"],
)
def test_an_acknowledgement_counts_whatever_its_body(script: Script, certificate: ReceiverCertificate) -> None:
    with serving(certificate, script) as (_, world):
        assert post(poster(world, certificate)) == Answered(200)


@pytest.mark.parametrize(
    "script",
    [
        endless(b"", b"H"),
        endless(HEAD + b"x: ", b"y"),
        endless(HEAD, b"x: y\r\n"),
        endless(b"", b"HTTP/1.1 100 C\r\n\r\n"),
    ],
    ids=["status line", "header value", "headers", "100s"],
)
def test_a_receiver_that_drips_has_one_time_limit_for_all_of_it(
    script: Script, certificate: ReceiverCertificate
) -> None:
    """Every read is answered at once, and each takes a second of this clock: only their sum can end it."""
    clock = Ticking()
    with serving(certificate, _byte_by_byte(script)) as (_, world):
        assert post(poster(world, certificate, clock=clock), limit_s=20, clock=clock) == NoAnswer(
            "it did not answer in time"
        )


def test_a_body_that_drips_holds_an_acknowledged_attempt_for_a_moment_only(certificate: ReceiverCertificate) -> None:
    clock = Ticking()
    with serving(certificate, endless(HEAD + b"\r\n", b"x")) as (_, world):
        assert post(poster(world, certificate, clock=clock), limit_s=1_000_000, clock=clock) == Answered(200)
    # Each of its bytes is a read, and each read a second of this clock.
    assert clock() < 100


def test_a_receiver_that_says_nothing_is_left_when_the_time_is_over(certificate: ReceiverCertificate) -> None:
    closed = threading.Event()

    def wait_for_the_end(connection: ssl.SSLSocket, _request: bytes) -> None:
        with contextlib.suppress(OSError):
            connection.recv(1)
        closed.set()

    with serving(certificate, wait_for_the_end) as (_, world):
        assert post(poster(world, certificate), limit_s=0.2) == NoAnswer("it did not answer in time")
        assert closed.wait(AMPLE_S)


@pytest.mark.parametrize("drip", [b"", b"\x16\x03\x03\x40\x00"], ids=["nothing", "a record, byte by byte"])
def test_a_handshake_that_never_ends_is_left_when_the_time_is_over(
    drip: bytes, certificate: ReceiverCertificate
) -> None:
    """The server's pace is its own: it would go on for minutes, were each read given a time of its own."""
    left = threading.Event()

    def handshake(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.sendall(drip)
            for _ in range(16_384):
                if left.wait(0.01):
                    return
                if drip:
                    connection.sendall(b"\x00")

    with plain_server(handshake) as port:
        try:
            outcome = post(poster(World(port), certificate), limit_s=0.3)
        finally:
            ended_by_the_server = left.is_set()
            left.set()
    assert outcome == NoAnswer("it did not answer in time")
    assert not ended_by_the_server


def test_a_receiver_that_does_not_read_cannot_hold_the_writing(certificate: ReceiverCertificate) -> None:
    left = threading.Event()

    def shake_hands_and_wait(connection: socket.socket) -> None:
        with certificate.server_context().wrap_socket(connection, server_side=True):
            left.wait(AMPLE_S)

    with plain_server(shake_hands_and_wait) as port:
        # More than the buffers of both ends hold.
        outcome = poster(World(port), certificate).post(URL, b"x" * 50_000_000, {}, time.monotonic() + 0.3)
        ended_by_the_server = left.is_set()
        left.set()
    assert outcome == NoAnswer("it did not answer in time")
    assert not ended_by_the_server


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\r\n",
        b"garbage\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 99 X\r\n\r\n",
        b"HTTP/1.1 1000 X\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"<html>",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        bytes(range(256)),
    ],
)
def test_what_is_no_http_is_no_answer(raw: bytes, certificate: ReceiverCertificate) -> None:
    with serving(certificate, answer(raw)) as (_, world):
        assert isinstance(post(poster(world, certificate)), NoAnswer)


def test_nothing_is_begun_when_no_time_is_left(certificate: ReceiverCertificate) -> None:
    world = World(port=9)
    assert isinstance(post(poster(world, certificate), limit_s=0), NoAnswer)
    assert (world.looked_up, world.dialled) == ([], [])


def test_no_socket_stays_open(certificate: ReceiverCertificate) -> None:
    opened: list[socket.socket] = []

    class Kept(World):
        def connect(self, address: Address, port: int, timeout_s: float) -> socket.socket:
            opened.append(super().connect(address, port, timeout_s))
            return opened[-1]

    ends: list[Script] = [OK, answer(b"garbage"), status("503 X"), endless(HEAD, b"x: y\r\n")]
    for end in ends:
        with TlsServer(certificate, end) as server:
            post(poster(Kept(server.port), certificate))
    assert len(opened) == len(ends)
    # The TLS socket has taken over the descriptor, and has given it back.
    assert all(connection.fileno() == -1 for connection in opened)


def test_no_socket_stays_open_when_the_time_is_over_before_the_handshake(certificate: ReceiverCertificate) -> None:
    opened: list[socket.socket] = []
    now = 0.0

    def connect(address: Address, port: int, timeout_s: float) -> socket.socket:
        nonlocal now
        now = 10.0
        opened.append(socket.socket())
        return opened[-1]

    outcome = poster(World(port=9), certificate, connect=connect, clock=lambda: now).post(URL, BODY, {}, 10.0)
    assert outcome == NoAnswer("it did not answer in time")
    assert [connection.fileno() for connection in opened] == [-1]


def _byte_by_byte(script: Script) -> Script:
    def send(connection: ssl.SSLSocket, request: bytes) -> None:
        class Slow:
            def sendall(self, data: bytes) -> None:
                for at in range(len(data)):
                    connection.sendall(data[at : at + 1])

        script(Slow(), request)  # type: ignore[arg-type]

    return send


@contextlib.contextmanager
def plain_server(script: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server without TLS, for one connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                script(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()
