"""What is read off connections: Lambda's API and its runtime's, WebSocket frames, and HTTP itself."""

import asyncio
import contextlib
import dataclasses
import functools
import json
import random
import socket
from typing import Any, Final

from hypothesis import strategies as st

from local.authentication.refusal import NotAuthenticatedError
from local.control import Control
from local.faults.injector import Injector
from local.lambda_api import LambdaApi
from local.runtime_api import Call, RuntimeApi
from local.storage.moto_server import WsgiService
from local.websocket.frames import CloseCode, FrameGuard, text_frames
from local.wire import WireRequest
from tests.authentication.signed import ALICE, NOW, SESSION, signatures, signed
from tests.fuzz.mutation import as_text, dumped, in_a_head, mutated
from tests.fuzz.served import SERVED
from tests.fuzz.target import Target
from tests.websocket.raw_client import frame
from tests.wire.test_survival import GARBAGE, LIES

_SIGNATURES: Final = signatures()
_SIGNED: Final = signed()
_PRESIGNED: Final = signed(SESSION, method="GET", presigned_s=300)


def _signature(given: tuple[bytes, bytes, bytes, bool]) -> None:
    authorization, date, query, presigned = given
    request = _PRESIGNED if presigned else _SIGNED
    headers = dict(request.headers)
    if not presigned:
        headers |= {"authorization": as_text(authorization), "x-amz-date": as_text(date)}
    lines = list(headers.items())
    changed = dataclasses.replace(request, headers=headers, header_lines=lines, query=as_text(query))
    with contextlib.suppress(NotAuthenticatedError):
        # Nobody is let in by another's signature.
        assert _SIGNATURES.check(changed, NOW) == (SESSION if presigned else ALICE)


def _lambda(given: tuple[str, bytes, bytes]) -> None:
    method, target, body = given
    path, _, query = as_text(target).partition("?")

    async def invoke(*_: object) -> Any:
        raise AssertionError("there is no function")

    api = LambdaApi({}, [], invoke, lambda *_: None, lambda: 0.0)
    response = asyncio.run(api.handle(WireRequest(method, path, query, {}, body)))
    assert response.status in (200, 400, 404, 413), response.body
    json.loads(response.body)


def _runtime(given: tuple[str, bytes, bytes]) -> None:
    method, target, body = given
    path = as_text(target)

    async def talk() -> None:
        api = RuntimeApi()
        reply = api.invoke(Call("id1", b"{}", 1, "arn", "trace"))
        if not path.endswith("/next"):
            response = await api.handle(WireRequest(method, path, "", {}, body))
            assert response.status in (202, 400, 404, 413)
            # Nobody but who knows the id has settled it.
            assert not reply.done() or "/id1/" in path
        api.close()

    asyncio.run(talk())


def _control(body: bytes) -> None:
    control = Control({}, lambda: 0.0, injector=Injector(lambda: 0.0))
    put = asyncio.run(control.handle(WireRequest("PUT", "/faults", "", {}, body)))
    assert put.status in (200, 400), put.body
    told = asyncio.run(control.handle(WireRequest("GET", "/faults")))
    assert told.status == 200
    json.loads(told.body)


def _wsgi(given: tuple[str, bytes, dict[str, str], bytes]) -> None:
    method, target, headers, body = given

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        for value in environ.values():
            if isinstance(value, str):
                # PEP 3333: a text is bytes.
                value.encode("latin-1")
        assert int(environ["CONTENT_LENGTH"]) == len(environ["wsgi.input"].read()) == len(body)
        start_response("200 OK", [("Content-Type", "text/plain"), ("Connection", "close")])
        return [b"done"]

    path, _, query = in_a_head(target).partition("?")
    request = WireRequest(method, path, query, headers, body)
    response = asyncio.run(WsgiService(application).handle(request))
    assert (response.status, response.headers, response.body) == (200, {"content-type": "text/plain"}, b"done")


class _Reader:
    """What a guard lets through."""

    def __init__(self) -> None:
        self.passed = bytearray()

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.passed += data
        return False, b""

    def feed_eof(self) -> None:
        """Nothing more comes."""


def _frames(given: tuple[bytes, int]) -> None:
    data, seed = given
    outcomes = []
    # Whole, and cut anywhere: what passes and what is refused is the same.
    cuts = random.Random(seed)
    for sizes in ([len(data)], [1] * len(data), [cuts.randint(1, 9) for _ in data]):
        reader, refusals = _Reader(), list[tuple[CloseCode, str]]()
        guard = FrameGuard(
            reader,
            lambda code, reason, into=refusals: into.append((code, reason)),
            # Small, so that a few bytes reach them.
            frame_bytes=300,
            message_bytes=700,
        )
        at = 0
        for size in sizes:
            guard.feed_data(data[at : at + size])
            at += size
        guard.feed_eof()
        assert len(refusals) <= 1
        outcomes.append((bytes(reader.passed), tuple(refusals)))
    assert len(set(outcomes)) == 1


_FRAMES: Final = [
    frame(1, b'{"action":"ask"}') + frame(9, b"ping") + frame(8, b"\x03\xe8bye"),
    frame(1, b"x" * 200, final=False) + frame(0, b"y" * 300, final=False) + frame(0, b"z" * 201),
    frame(1, b"x" * 301) + frame(8, b"\x03\xf1"),
    frame(2, b"binary") + text_frames(b"unmasked" * 20, 100),
]


def _http(sent: bytes) -> None:
    served = SERVED.get()
    with served.connect() as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
        received = bytearray()
        with contextlib.suppress(ConnectionResetError):
            while chunk := connection.recv(1 << 16):
                received += chunk
    assert not received or received.startswith((b"HTTP/1.", b"HTTP/0.9 505", b"HTTP/2.0 505")), received[:80]
    assert b"HTTP/1.1 500" not in received
    served.answers_the_well_behaved()


@functools.cache
def _requests() -> list[bytes]:
    whole = [
        b"POST /a?b=c HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
        b"PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n"
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
        b"GET http://h/a HTTP/1.0\r\n\r\n",
    ]
    return [*whole, *(sent for sent, _ in [*GARBAGE, *LIES] if len(sent) < 4_096)]


_LAMBDA_PATHS: Final = [
    b"/2015-03-31/functions/recognise/invocations", b"/2015-03-31/functions/", b"/2015-03-31/event-source-mappings/",
    b"/2015-03-31/event-source-mappings/?EventSourceArn=a&FunctionName=arn:aws:lambda:r:1:function:f",
    b"/2015-03-31/functions/arn%3Aaws%3Alambda%3Ar%3A1%3Afunction%3Af/configuration",
    b"/2015-03-31/functions/recognise/code",
]  # fmt: skip
_RUNTIME_PATHS: Final = [
    b"/2018-06-01/runtime/invocation/id1/response", b"/2018-06-01/runtime/invocation/id1/error",
    b"/2018-06-01/runtime/init/error", b"/2018-06-01/runtime/invocation/id2/response",
]  # fmt: skip
_PLANS: Final = [
    dumped({"faults": [fault]})
    for fault in (
        {"edge": "rekognition", "effect": "answer", "status": 400, "code": "Denied", "requests": {"r": {"1": 2}}},
        {"edge": "sqs", "effect": "slow", "factor": 10, "from": 1.5, "until": 2.5},
        {"edge": "function", "effect": "starve", "memory_mb": 100, "after_ms": 5, "requests": {"r": {"1": None}}},
    )
]
_HEADERS: Final = st.dictionaries(
    st.sampled_from(["host", "content-type", "content-length", "authorization", "transfer-encoding", "x-amz-date"]),
    st.binary(max_size=20).map(in_a_head),
    max_size=4,
)
_METHODS: Final = st.sampled_from(["POST", "GET", "PUT", "DELETE"])

TARGETS: Final = [
    Target(
        "signature",
        st.tuples(
            mutated([_SIGNED.headers["authorization"].encode()], [b"Credential=", b"SignedHeaders=", b"/", b",", b";"]),
            mutated([_SIGNED.headers["x-amz-date"].encode()]),
            mutated([_PRESIGNED.query.encode(), b""], [b"X-Amz-Expires=", b"&", b"%2F", b"X-Amz-Date="]),
            st.booleans(),
        ),
        _signature,
    ),
    Target("Lambda", st.tuples(_METHODS, mutated(_LAMBDA_PATHS), mutated([b"{}", b"[1]"])), _lambda),
    Target("Runtime API", st.tuples(_METHODS, mutated(_RUNTIME_PATHS), mutated([b"{}"])), _runtime),
    Target("control", mutated(_PLANS, [b"Infinity", b"NaN", b"1e999"]), _control),
    Target(
        "moto's door",
        st.tuples(_METHODS, mutated([b"/bucket/key%2F%C3%A9?list-type=2", b"/"]), _HEADERS, mutated([b"<a/>"])),
        _wsgi,
    ),
    Target("frames", st.tuples(mutated(_FRAMES), st.integers(0, 99)), _frames),
    Target("HTTP", st.deferred(lambda: mutated(_requests(), [b"\r\n\r\n", b"Content-Length: ", b"chunked"])), _http),
]
