"""The connections of the raw sender, at servers that answer to the byte as a row of the table says."""

import datetime
import ipaddress
import itertools
import socket

import gevent
import gevent.server
import gevent.socket
import gevent.ssl
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from geventhttpclient.response import HTTPParseError
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest._connections import Connections, _Answer, _Connection

LENGTH = b"HTTP/1.1 202 Accepted\r\nContent-Length: 4\r\n\r\nbody"


class Script:
    """A server in this process. Each request is answered by the next of `answers`; the last of them is repeated."""

    def __init__(self, *answers, closes=False, tls=None):
        self.answers, self.closes = list(answers), closes
        self.requests, self.connections = [], 0
        self._server = gevent.server.StreamServer(
            ("127.0.0.1", 0), self._serve, **({} if tls is None else {"ssl_context": tls})
        )
        self._server.start()
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self._server.server_port}"

    def close(self):
        self._server.stop(timeout=1)

    def _serve(self, connected, _):
        self.connections += 1
        while request := self._request(connected):
            self.requests.append(request)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            for part in answer if isinstance(answer, list) else [answer]:
                connected.sendall(part)
                gevent.sleep(0)
            if self.closes:
                return

    def _request(self, connected):
        received = b""
        while b"\r\n\r\n" not in received:
            if not (part := connected.recv(65_536)):
                return b""
            received += part
        head, _, body = received.partition(b"\r\n\r\n")
        length = int(next(line for line in head.split(b"\r\n") if line.startswith(b"Content-Length"))[16:])
        while len(body) < length:
            body += connected.recv(65_536)
        return head + b"\r\n\r\n" + body


@pytest.fixture
def serve():
    scripts = []

    def start(*answers, **further):
        scripts.append(Script(*answers, **further))
        return scripts[-1]

    yield start
    for script in scripts:
        script.close()


@pytest.fixture
def connect():
    made = []

    def start(url, **further):
        made.append(Connections(url, {"Content-Type": "application/json"}, **({"timeout_s": 5.0} | further)))
        return made[-1]

    yield start
    for connections in made:
        connections.close()


def test_a_request_goes_out_whole_and_to_the_byte(serve, connect):
    server = serve(LENGTH)

    assert connect(f"{server.url}/prod/orders?fast=1").post(b"{}", b"x-api-key: k\r\n") == (202, b"body", 4)

    host = server.url.removeprefix("http://").encode()
    assert server.requests == [
        b"POST /prod/orders?fast=1 HTTP/1.1\r\nHost: " + host + b"\r\nContent-Type: application/json\r\n"
        b"x-api-key: k\r\nContent-Length: 2\r\n\r\n{}"
    ]


@pytest.mark.parametrize(
    ("answer", "closes", "expected", "kept"),
    [
        (LENGTH, False, (202, b"body", 4), True),
        ([bytes([each]) for each in LENGTH], False, (202, b"body", 4), True),  # a byte at a time
        (b"HTTP/1.1 204 No Content\r\n\r\n", False, (204, b"", 0), True),  # an answer without a body has ended
        (
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n", b"2\r\ndy\r\n0\r\n\r\n"],
            False, (200, b"body", 4), True,
        ),  # chunks come together
        (b"HTTP/1.1 100 Continue\r\n\r\n" + LENGTH, False, (202, b"body", 4), True),  # an interim answer is none
        ([b"HTTP/1.1 103 Early Hints\r\n\r\n", LENGTH], False, (202, b"body", 4), True),
        (LENGTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), False, (202, b"body", 4), False),
        (LENGTH.replace(b"1.1", b"1.0"), False, (202, b"body", 4), False),  # HTTP/1.0 closes unless it says otherwise
        (b"HTTP/1.1 200 OK\r\n\r\nbody", True, (200, b"body", 4), False),  # the connection's end is the body's
        (LENGTH + LENGTH, False, (202, b"body", 4), False),  # whose the second is, nobody knows
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", False, (503, b"", 0), True),
    ],
)  # fmt: skip
def test_an_answer_is_read_to_its_end_and_its_connection_is_kept_only_if_it_may_be(
    serve, connect, answer, closes, expected, kept
):
    server = serve(answer, closes=closes)
    connections = connect(server.url)

    assert connections.post(b"{}") == expected
    assert connections.post(b"{}") == expected

    assert server.connections == (1 if kept else 2)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"", "closed the connection before its answer was whole"),
        (b"HTTP/1.1 202 Acc", "closed the connection before its answer was whole"),
        (LENGTH[:-1], "closed the connection before its answer was whole"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nbo", "before its answer was whole"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "HTTP"),
    ],
)
def test_an_answer_that_is_none_or_breaks_off_is_an_error(serve, connect, answer, says):
    server = serve(answer, closes=True)

    with pytest.raises(HTTPParseError, match=says):
        connect(server.url).post(b"{}")
    assert len(server.requests) == 1


def test_a_connection_that_the_server_closed_meanwhile_takes_no_request(serve, connect):
    server = serve(LENGTH, closes=True)  # it does not say so in its answer
    connections = connect(server.url)

    for _ in range(3):
        assert connections.post(b"{}") == (202, b"body", 4)
        gevent.sleep(0.01)

    assert server.connections == len(server.requests) == 3


class Broken:
    """A socket whose server closed before it had read all; `said` is what it had answered by then."""

    def __init__(self, said):
        self.said = said
        self.kept, self.other = socket.socketpair()

    def fileno(self):
        return self.kept.fileno()

    def send(self, request):
        raise BrokenPipeError(32, "Broken pipe")

    def recv(self, _):
        part, self.said = self.said, b""
        return part

    def close(self):
        self.kept.close()
        self.other.close()


def test_a_server_that_refuses_before_it_has_read_all_is_heard_and_not_asked_again():
    connection = _Connection(Broken(b"HTTP/1.1 413 Payload Too Large\r\nContent-Length: 9\r\n\r\ntoo large"), 5.0)

    connection.exchange(b"much")

    assert (connection.answer.status, connection.answer.body) == (413, b"too large")
    assert not connection.answer.keeps_alive
    connection.close()


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 413 Payl", b"no HTTP"])
def test_a_request_that_breaks_off_without_an_answer_is_the_error_that_broke_it(said):
    connection = _Connection(Broken(said), 5.0)

    with pytest.raises(BrokenPipeError):
        connection.exchange(b"much")
    connection.close()


def test_a_server_that_is_silent_for_too_long_times_out_and_its_connection_is_not_used_again(serve, connect):
    server = serve(b"HTTP/1.1 202 Acc")
    connections = connect(server.url, timeout_s=0.05)

    for _ in range(2):
        with pytest.raises(TimeoutError, match="timed out"):
            connections.post(b"{}")

    assert server.connections == 2


class Endless:
    """A socket with always more of an answer to read, until `enough` says that it is enough."""

    def __init__(self, enough):
        self.enough, self.begun = enough, False
        self.kept, self.other = socket.socketpair()

    def fileno(self):
        return self.kept.fileno()

    def send(self, request):
        return len(request)

    def recv(self, _):
        if not self.begun:
            self.begun = True
            return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        return b"0\r\n\r\n" if self.enough() else b"10000\r\n" + b"x" * 65_536 + b"\r\n"

    def close(self):
        self.kept.close()
        self.other.close()


def test_an_answer_without_an_end_lets_others_have_their_turn_and_of_it_only_the_beginning_is_kept():
    turns = []

    def other():
        for turn in range(3):
            turns.append(turn)
            gevent.sleep(0)

    waiting = gevent.spawn(other)
    parts = itertools.count()
    # Of one that lets nobody have a turn, the test would see a thousand parts.
    connection = _Connection(Endless(lambda: len(turns) == 3 or next(parts) == 1_000), 5.0)

    connection.exchange(b"{}")

    sent = next(parts)
    assert sent < 10
    assert connection.answer.length == 65_536 * sent
    assert len(connection.answer.body) == 65_536
    waiting.join()
    connection.close()


def test_an_answer_that_goes_on_for_longer_than_is_waited_is_an_error_that_says_so():
    connection = _Connection(Endless(lambda: False), 0.0)

    with pytest.raises(TimeoutError, match=r"the answer has no end: [\d,]+ bytes of it came in 0 s"):
        connection.exchange(b"{}")
    connection.close()


def test_requests_that_wait_at_once_have_a_connection_each_and_leave_them_to_the_next(serve, connect):
    server = serve([LENGTH[:10], LENGTH[10:]])
    connections = connect(server.url)

    for _ in range(2):
        waiting = [gevent.spawn(connections.post, b"%d" % number) for number in range(5)]
        gevent.joinall(waiting, raise_error=True)

    assert server.connections == 5
    assert len(server.requests) == 10


def test_a_killed_request_closes_its_connection(serve, connect):
    server = serve(b"HTTP/1.1 202 Acc", LENGTH)
    connections = connect(server.url)
    waiting = gevent.spawn(connections.post, b"{}")
    while not server.requests:
        gevent.sleep(0.001)

    waiting.kill()

    assert connections.post(b"{}") == (202, b"body", 4)
    assert server.connections == 2


def test_what_is_at_work_when_all_is_closed_is_answered_and_not_kept(serve, connect):
    server = serve([LENGTH[:10], LENGTH[10:]])
    connections = connect(server.url)
    waiting = gevent.spawn(connections.post, b"{}")
    gevent.sleep(0)

    connections.close()

    assert waiting.get() == (202, b"body", 4)
    assert connections._idle == []


def test_each_address_of_a_server_has_its_part_and_one_that_is_dead_is_passed_over(serve, connect, monkeypatch):
    server = serve(LENGTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    port = int(server.url.rpartition(":")[2])
    asked = []

    def two_addresses(*question, **further):
        asked.append(question)
        # Nothing listens on the second.
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in ("127.0.0.1", "127.0.0.2")]

    monkeypatch.setattr(gevent.socket, "getaddrinfo", two_addresses)
    connections = connect(server.url)

    assert [connections.post(b"{}") for _ in range(4)] == [(202, b"body", 4)] * 4
    # A name is not asked for with each connection.
    assert len(asked) == 1


def test_a_name_that_is_none_is_an_error(connect):
    with pytest.raises(OSError, match=r"known|resolution|address"):
        connect("http://no-such-name.invalid").post(b"{}")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that signs itself: its file, and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("certificate")
    (folder / "cert.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = gevent.ssl.SSLContext(gevent.ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return folder / "cert.pem", context


def test_over_tls_a_server_is_believed_that_somebody_vouches_for(serve, connect, certificate, monkeypatch):
    trusted, context = certificate
    server = serve(LENGTH, tls=context)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    connections = connect(server.url)

    assert [connections.post(b"{}") for _ in range(3)] == [(202, b"body", 4)] * 3
    assert server.connections == 1


def test_over_tls_a_server_is_refused_that_nobody_vouches_for(serve, connect, certificate):
    server = serve(LENGTH, tls=certificate[1])

    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        connect(server.url).post(b"{}")
    assert server.requests == []


@settings(max_examples=60, deadline=None)
@given(
    bodies=st.lists(st.binary(max_size=60), min_size=1, max_size=3),
    chunked=st.booleans(),
    cuts=st.lists(st.integers(1, 400), max_size=12),
)
def test_an_answer_is_the_same_however_the_network_cuts_it(bodies, chunked, cuts):
    answer = _Answer()
    for body in bodies:
        if chunked:
            pieces = [body[at : at + 7] for at in range(0, len(body), 7)]
            parts = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))
            whole = b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n" + parts
        else:
            whole = b"HTTP/1.1 202 Accepted\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        answer.begin()
        edges = [0, *sorted({cut for cut in cuts if cut < len(whole)}), len(whole)]
        for start, end in itertools.pairwise(edges):
            assert not answer.ended
            answer.feed(whole[start:end])
        assert (answer.ended, answer.status, answer.body, answer.keeps_alive) == (True, 202, body, True)
