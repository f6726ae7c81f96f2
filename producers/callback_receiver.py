"""A receiver to test callbacks with: HTTPS on 127.0.0.1, which verifies signatures and can misbehave.

    with CallbackReceiver(ReceiverCertificate.fresh("receiver.test"), GivenSecret(secret)) as receiver:
        receiver.url, receiver.parameters       # what requests name, and what the template is given to know it
        receiver.wait(request_id, 10.0)         # the body of an acknowledged delivery

It takes a delivery for what it says by the standard's own library, not by the code that has signed it.
"""

import asyncio
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Self

from aiohttp import web
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook, WebhookVerificationError

from producers.receiver_secret import NoSecretError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from producers.receiver_certificate import ReceiverCertificate
    from producers.receiver_secret import SecretSource

HOST: Final = "127.0.0.1"

# A delivery of a spike may find as many before it.
_BACKLOG: Final = 1_024
# A secret that verifies nothing may have been rotated: it is read again, but not for every forgery.
_READ_AGAIN_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """What a receiver does wrong: to the first `times` deliveries of each request, or to all if it is None.

    It answers `status`, with `retry_after` as the header of that name; or it `hang`s, and never answers.
    """

    times: int | None = 0
    status: int = HTTPStatus.SERVICE_UNAVAILABLE
    hang: bool = False
    retry_after: int | None = None


WELL_BEHAVED: Final = Misbehaviour()


@dataclass(frozen=True, slots=True)
class Delivery:
    """A POST as it was taken.

    `arrived_at` is when all of it was there, ms since the epoch. `attempt` counts those of its request that were
    verified, from 1; 0 for one that was not, of which `problem` says why. `status` is what it was answered, None if
    it was left hanging.
    """

    request_id: str | None
    arrived_at: float
    attempt: int
    status: int | None
    problem: str | None
    path: str
    body: bytes = field(repr=False)

    @property
    def acknowledged(self) -> bool:
        """Whether it was answered 2xx."""
        return self.status is not None and HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def document(self) -> "dict[str, Any] | None":
        """Its body as a JSON object; None if it is none."""
        try:
            document = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return document if isinstance(document, dict) else None


class CallbackReceiver:
    """Serves from a thread of its own between __enter__ and __exit__.

    `tell` is called for each delivery, in that thread, before it is answered. `now` is the time of day, `clock` is
    monotonic, both in seconds.
    """

    def __init__(
        self,
        certificate: "ReceiverCertificate",
        secret: "SecretSource",
        *,
        misbehaviour: Misbehaviour = WELL_BEHAVED,
        port: int = 0,
        tell: "Callable[[Delivery], None]" = lambda _delivery: None,
        now: "Callable[[], float]" = time.time,
        clock: "Callable[[], float]" = time.monotonic,
    ) -> None:
        self._certificate = certificate
        self._secret = secret
        self._misbehaviour = misbehaviour
        self._tell = tell
        self._now = now
        self._clock = clock
        self._port = port
        self._webhook: Webhook | None = None
        self._read_at = float("-inf")
        self._attempts: Counter[str] = Counter()
        self._acknowledged: dict[str, list[Delivery]] = {}
        self._arrived = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="callback-receiver")
        self._runner: web.ServerRunner | None = None
        self._reading: asyncio.Lock | None = None

    @property
    def url(self) -> str:
        """What requests name to be called back here."""
        return f"https://{self._certificate.name}/"

    @property
    def port(self) -> int:
        """The port of 127.0.0.1 that it serves."""
        return self._port

    @property
    def parameters(self) -> "Mapping[str, str]":
        """The parameters of infra.yaml by which the stack knows it."""
        return {
            "CallbackTestReceiver": f"{self._certificate.name}={HOST}:{self._port}",
            "CallbackTestCertificate": self._certificate.one_line,
        }

    def acknowledged(self, request_id: str) -> list[Delivery]:
        """The deliveries of a request that were answered 2xx."""
        with self._arrived:
            return list(self._acknowledged.get(request_id, ()))

    def wait(self, request_id: str, timeout_s: float) -> bytes | None:
        """The body of a request's first acknowledged delivery; None if there is none after `timeout_s`."""
        with self._arrived:
            self._arrived.wait_for(lambda: request_id in self._acknowledged, timeout_s)
            deliveries = self._acknowledged.get(request_id)
        return deliveries[0].body if deliveries else None

    def __enter__(self) -> Self:
        """Start.

        Raises:
            OSError: the port is taken.
        """
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> None:
        self._reading = asyncio.Lock()
        # One that hangs is let go with its connection.
        server = web.Server(self._receive, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=0)
        await self._runner.setup()
        context = self._certificate.server_context()
        site = web.TCPSite(self._runner, HOST, self._port, ssl_context=context, backlog=_BACKLOG)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def _stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        await self._loop.shutdown_default_executor()

    async def _receive(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        arrived_at = round(self._now() * 1_000, 3)
        request_id = request.headers.get("webhook-id")
        status: int | None
        status, problem = await self._judged(request, body)
        attempt = 0
        answer: dict[str, str] = {}
        if problem is None:
            assert request_id is not None
            self._attempts[request_id] += 1
            attempt = self._attempts[request_id]
            wrong = self._misbehaviour
            if wrong.times is None or attempt <= wrong.times:
                status = None if wrong.hang else wrong.status
                answer = {} if wrong.retry_after is None else {"retry-after": str(wrong.retry_after)}
        delivery = Delivery(request_id, arrived_at, attempt, status, problem, request.rel_url.path, body)
        self._tell(delivery)
        if delivery.acknowledged and request_id is not None:
            with self._arrived:
                self._acknowledged.setdefault(request_id, []).append(delivery)
                self._arrived.notify_all()
        if status is None:
            await asyncio.Event().wait()
        return web.Response(status=status or HTTPStatus.NO_CONTENT, text=problem, headers=answer)

    async def _judged(self, request: web.BaseRequest, body: bytes) -> tuple[int, str | None]:
        """The status of a well-behaved receiver, and what is wrong with the delivery."""
        if request.method != "POST":
            return HTTPStatus.METHOD_NOT_ALLOWED, f"a {request.method} is no delivery"
        try:
            webhook = self._webhook or await self._known(None)
            problem = _problem(webhook, body, request)
            if problem is not None:
                webhook = await self._known(webhook)
                problem = _problem(webhook, body, request)
        except NoSecretError as error:
            return HTTPStatus.SERVICE_UNAVAILABLE, str(error)
        return (HTTPStatus.NO_CONTENT, None) if problem is None else (HTTPStatus.UNAUTHORIZED, problem)

    async def _known(self, tried: Webhook | None) -> Webhook:
        """The secret as it is now, if it is another than the one tried; the same if it was read a moment ago."""
        assert self._reading is not None
        async with self._reading:
            moment_ago = self._clock() < self._read_at + _READ_AGAIN_S
            if self._webhook is None or (self._webhook is tried and not moment_ago):
                self._read_at = self._clock()
                try:
                    self._webhook = Webhook(await asyncio.to_thread(self._secret.read))
                except (ValueError, EmptyWebhookSecretError) as error:
                    raise NoSecretError(f"the secret is no signing key: {error}") from None
            return self._webhook


def _problem(webhook: Webhook, body: bytes, request: web.BaseRequest) -> str | None:
    try:
        webhook.verify(body, dict(request.headers), json_parse=False)
    # What it makes of a signature without a comma, or of a body that is not UTF-8, is a ValueError.
    except (WebhookVerificationError, ValueError) as error:
        return f"its signature does not verify: {error}"
    return None
