"""The intake: how a function takes a request, for those routes on which one stands between client and buffer.

Its id is reserved in the results table first, so that whoever asks for it is told PENDING; then its image is stored, if
it is too large for the buffer; then it is published. What goes wrong on the way is said by the request's status too;
what crashes says nothing, and is over when its time is (pipeline/pending.py). Where an idempotency key names the
request, the reservation is what keeps a duplicate from starting a second one.
"""

import json
import secrets
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from pipeline import idempotency
from pipeline.body import BodyError, check_body
from pipeline.callback_url import CallbackUrlError, check_callback_url
from pipeline.client_error import code_of
from pipeline.image_bucket import ImageBucket, s3_client
from pipeline.intake_settings import IntakeSettings
from pipeline.on_demand import OnDemand
from pipeline.outlet import (
    KinesisOutlet,
    Outlet,
    PublishError,
    Record,
    Refusal,
    SnsOutlet,
    SqsOutlet,
    kinesis_client,
    sns_client,
    sqs_client,
)
from pipeline.pending import Held, PendingRequests, Reservation
from pipeline.request import BUFFERS, InlineImage, InvalidRequestError, Request
from pipeline.results_table import dynamodb_client

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from botocore.session import Session
    from mypy_boto3_dynamodb import DynamoDBClient

    from pipeline.request import Buffer

# What the function's time may still be exceeded by: clocks that differ, and the last call's answer.
_MARGIN_MS: Final = 5_000
_RETRY_AFTER_S: Final = 1
_SEND_AGAIN: Final = "Send it again after Retry-After seconds, and wait longer each time."


@dataclass(frozen=True, slots=True)
class Taken:
    """A request that is on its way. `duplicate` says that it had been before, by the same idempotency key.

    `unnoted` is for the log: why its status does not know yet that the buffer has it.
    """

    request_id: str
    duplicate: bool
    unnoted: str | None = None


class IntakeError(Exception):
    """A request that was not taken, as its client is to be told; `status` is HTTP's. `cause` is for the log alone."""

    def __init__(
        self,
        status: int,
        message: str,
        remedy: str,
        *,
        retry_after_s: int | None = None,
        request_id: str | None = None,
        cause: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.remedy = remedy
        self.retry_after_s = retry_after_s
        self.request_id = request_id
        self.cause = cause


class Images(Protocol):
    """Where images lie that are too large for a buffer."""

    @property
    def bucket(self) -> str:
        """The bucket's name, which every record carries."""

    def put(self, key: str, data: bytes) -> None:
        """Store one."""


class Intake:
    """Takes requests, from as many threads as its clients have connections. `now` yields seconds.

    `pending_s` is how long each buffer may hold a request, `check_url` raises CallbackUrlError.
    """

    def __init__(
        self,
        pending: PendingRequests,
        images: Images,
        outlets: "Mapping[Buffer, Outlet]",
        *,
        pending_s: "Mapping[Buffer, int]",
        check_url: "Callable[[str], object]",
        now: "Callable[[], float]" = time.time,
        new_id: "Callable[[], str]" = idempotency.new_id,
    ) -> None:
        self._pending = pending
        self._images = images
        self._outlets = outlets
        self._pending_s = pending_s
        self._check_url = check_url
        self._now = now
        self._new_id = new_id

    @classmethod
    def from_environment(
        cls, environment: "Mapping[str, str]", session: "Session", dynamodb: "DynamoDBClient | None" = None
    ) -> "Intake":
        """Make one with clients of its own; those to S3 and the buffers when they are first needed.

        A client for the results table may be given: one more is 0.05 s of a cold start.

        Raises:
            pipeline.settings.SettingsError: a variable is missing or wrong.
        """
        settings = IntakeSettings.from_environment(environment)
        kinesis = OnDemand(lambda: kinesis_client(session))
        outlets: dict[Buffer, Outlet] = {
            "sns": SnsOutlet(OnDemand(lambda: sns_client(session)), settings.topic_arn),
            "sqs": SqsOutlet(OnDemand(lambda: sqs_client(session)), settings.queue_url, settings.fifo),
            "kinesis": KinesisOutlet(kinesis, settings.stream_name),
        }
        if settings.efo_stream_name is not None:
            outlets["kinesis-efo"] = KinesisOutlet(kinesis, settings.efo_stream_name)
        return cls(
            PendingRequests(
                dynamodb or dynamodb_client(session, 1), settings.results_table, ttl_days=settings.result_ttl_days
            ),
            ImageBucket(OnDemand(lambda: s3_client(session)), settings.image_bucket),
            outlets,
            pending_s=settings.pending_s,
            check_url=partial(
                check_callback_url, ports=settings.callback_ports, test_receiver=settings.callback_test_receiver
            ),
        )

    def take(
        self,
        body: "Mapping[str, Any]",
        *,
        buffer: str,
        remaining_ms: float,
        accepted_at: float | None = None,
        idempotency_key: str | None = None,
        connection_id: str | None = None,
        owner: str | None = None,
    ) -> Taken:
        """Take a client's body (JSON that has been read; anything that JSON can hold) and publish it to a buffer.

        `remaining_ms` is what Lambda leaves the function from now; `accepted_at` the gateway's requestTimeEpoch, ms,
        or now. `buffer` is the client's word, too; `owner` is the gateway's (pipeline/ownership.py), and an
        `idempotency_key` is one of its owner's.

        Raises:
            IntakeError: it is not on its way; says what to tell the client.
        """
        known, outlet = self._outlet(buffer)
        accepted_at = round(self._now() * 1_000) if accepted_at is None else accepted_at
        request_id = self._request_id(known, idempotency_key, owner)
        record: dict[str, Any] = {
            "request_id": request_id,
            "accepted_at": accepted_at,
            "buffer": known,
            **({} if owner is None else {"owner": owner}),
            "bucket": self._images.bucket,
        }
        if connection_id is not None:
            record["connection_id"] = connection_id
        record["request"] = body
        request = self._checked(record)
        reserved = self._reserve(request, body, remaining_ms)
        if isinstance(reserved, Held):
            return Taken(request_id, duplicate=True)
        try:
            outlet.publish(self._record(outlet, request, record, reserved))
        except PublishError as error:
            raise self._unpublished(reserved, error) from error
        return Taken(request_id, duplicate=False, unnoted=self._published(reserved, accepted_at, known))

    def _outlet(self, buffer: str) -> "tuple[Buffer, Outlet]":
        for known in BUFFERS:
            if known == buffer and known in self._outlets:
                return known, self._outlets[known]
        raise IntakeError(
            404,
            "There is no such buffer.",
            f"Use one of {', '.join(name for name in BUFFERS if name in self._outlets)}.",
        )

    def _request_id(self, buffer: "Buffer", key: str | None, owner: str | None) -> str:
        if key is None:
            return self._new_id()
        if not idempotency.is_key(key):
            raise IntakeError(
                400,
                f"The Idempotency-Key is not 1 to {idempotency.LONGEST_KEY} visible characters of ASCII.",
                "Use one random key, such as a UUID, for all tries of one request.",
            )
        return idempotency.id_of(buffer, key, owner)

    def _checked(self, record: "dict[str, Any]") -> Request:
        """The request, as whoever takes it off the buffer will read it.

        Raises:
            IntakeError: it could not be read there, or its callback URL is none to call.
        """
        try:
            check_body(record["request"])
            request = Request.from_record(record)
            if request.callback_url is not None:
                self._check_url(request.callback_url)
        except BodyError as error:
            raise bad_body(str(error)) from None
        except InvalidRequestError as error:
            raise bad_body(error.reason) from None
        except CallbackUrlError as error:
            raise IntakeError(
                400,
                f"The callback_url is refused: {error.reason}.",
                "Name an https URL of a host on the public internet, or leave it out and poll for the result.",
            ) from None
        return request

    def _reserve(self, request: Request, body: "Mapping[str, Any]", remaining_ms: float) -> Reservation | Held:
        body_hash = idempotency.digest_of(body)
        try:
            reserved = self._pending.reserve(
                request.request_id,
                body_hash=body_hash,
                attach=request.attach,
                owner=request.owner,
                until_ms=self._now() * 1_000 + remaining_ms + _MARGIN_MS,
            )
        except (BotoCoreError, ClientError) as error:
            # Its id is not told: what stands under it, if anything, is of no use to anybody.
            raise _table_failed(error) from error
        if isinstance(reserved, Held) and reserved.body_hash not in (body_hash, None):
            raise IntakeError(
                422,
                "This Idempotency-Key was used for another request.",
                "Use a new key for every request, and the same one only to send the very same body again.",
                request_id=request.request_id,
            )
        return reserved

    def _record(self, outlet: Outlet, request: Request, record: "dict[str, Any]", reserved: Reservation) -> Record:
        """The record for the buffer, with the claim check in place of an image that would not fit.

        Raises:
            IntakeError: the image could not be stored.
        """
        whole = Record(request.request_id, record["request"].get("group", request.request_id), _text(record))
        if not isinstance(request.image, InlineImage) or outlet.fits(whole):
            return whole
        # No client can name a key with a slash. The rest nobody can guess, not even from an idempotency key: the
        # upload's route does store under any name, and only says no afterwards.
        key = f"{request.request_id}/{secrets.token_urlsafe(16)}"
        try:
            self._images.put(key, request.image.data)
        except (BotoCoreError, ClientError) as error:
            code = code_of(error)
            self._note_unpublished(
                reserved, f"The image could not be stored ({code}), so the request was not published."
            )
            raise IntakeError(
                503,
                "The image could not be stored.",
                _SEND_AGAIN,
                retry_after_s=_RETRY_AFTER_S,
                request_id=request.request_id,
                cause=f"{code}: {error}",
            ) from error
        return replace(whole, text=_text(record | {"request": record["request"] | {"image": {"key": key}}}))

    def _unpublished(self, reserved: Reservation, error: PublishError) -> IntakeError:
        unnoted = self._note_unpublished(
            reserved, f"The request was not published: {error.refusal.value} ({error.code})."
        )
        cause = "; ".join(filter(None, (str(error), unnoted)))
        return _refused(error.refusal, reserved.request_id, cause)

    def _note_unpublished(self, reserved: Reservation, reason: str) -> str | None:
        try:
            self._pending.unpublished(reserved, reason)
        except (BotoCoreError, ClientError) as error:
            # Then it is pending until its function's time is over, and after that it is not.
            return f"not noted: {error}"
        return None

    def _published(self, reserved: Reservation, accepted_at: float, buffer: "Buffer") -> str | None:
        try:
            self._pending.published(reserved, accepted_at + self._pending_s[buffer] * 1_000)
        except (BotoCoreError, ClientError) as error:
            # The buffer has it: its result will come, and must not be started again by an answer of failure.
            return f"not noted: {error}"
        return None


def _refused(refusal: Refusal, request_id: str, cause: str) -> IntakeError:
    if refusal is Refusal.AT_ITS_LIMIT:
        return IntakeError(
            429,
            "The buffer is at its limit and did not take the request.",
            _SEND_AGAIN,
            retry_after_s=_RETRY_AFTER_S,
            request_id=request_id,
            cause=cause,
        )
    if refusal is Refusal.TOO_LARGE:
        return IntakeError(
            413,
            "The request is larger than this buffer may hold.",
            "Upload the image with PUT /v1/images/{key} and send its key instead of its bytes.",
            request_id=request_id,
            cause=cause,
        )
    return IntakeError(
        503,
        "The buffer failed; it may or may not have taken the request.",
        _SEND_AGAIN,
        retry_after_s=_RETRY_AFTER_S,
        request_id=request_id,
        cause=cause,
    )


def bad_body(problem: str) -> IntakeError:
    """How a client is told that its body is wrong."""
    return IntakeError(
        400,
        f"Invalid request body: {problem}.",
        'Send {"image": {"bytes": base64}} or {"image": {"key": ...}} of an uploaded image, and nothing else but '
        "group, run, callback_url and attach.",
    )


def _table_failed(error: BotoCoreError | ClientError) -> IntakeError:
    code = code_of(error)
    throttled = "Throttl" in code or "ThroughputExceeded" in code or "LimitExceeded" in code
    return IntakeError(
        429 if throttled else 503,
        "The request's status could not be written, so it was not taken.",
        _SEND_AGAIN,
        retry_after_s=_RETRY_AFTER_S,
        cause=f"{code}: {error}",
    )


def _text(record: "Mapping[str, Any]") -> str:
    # ASCII, as json writes it: no character in it is one that a buffer cannot carry.
    return json.dumps(record, separators=(",", ":"))
