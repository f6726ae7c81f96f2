"""The stand-in as a service on the wire: JSON 1.1, a quota, and the time that an answer takes."""

import asyncio
import json
import uuid
from typing import TYPE_CHECKING, Any

from local.recogniser.image_file import UnreadableImageError
from local.recogniser.picture import ImageSideError
from local.rekognition.detect_labels import (
    DetectLabels,
    RekognitionError,
    S3Object,
    check_stored,
    labels,
    no_object,
    refusal,
)
from local.wire import WireRequest, WireResponse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from delivery.token_bucket import TokenBucket
    from local.rekognition.memory import RecognitionMemory

_TARGET = "RekognitionService."


class RekognitionService:
    """Answers DetectLabels.

    `quota` holds what may be called a second, over all callers. `service_time` draws the seconds that an accepted
    call takes; recognising is part of them. `fetch` reads an S3 object, or raises LookupError.
    """

    def __init__(
        self,
        memory: "RecognitionMemory",
        quota: "TokenBucket",
        service_time: "Callable[[], float]",
        fetch: "Callable[[S3Object], Awaitable[bytes]]",
        clock: "Callable[[], float]",
    ) -> None:
        self._memory = memory
        self._quota = quota
        self._service_time = service_time
        self._fetch = fetch
        self._clock = clock

    async def handle(self, request: WireRequest) -> WireResponse:
        """Answer one call; errors of the service are responses."""
        try:
            return _response(200, await self._detect_labels(request))
        except RekognitionError as error:
            return _response(error.status, {"__type": error.code, "Message": error.message}, error.code)

    async def _detect_labels(self, request: WireRequest) -> dict[str, Any]:
        target = request.headers.get("x-amz-target", "")
        if target != f"{_TARGET}DetectLabels":
            raise RekognitionError(
                "UnknownOperationException", f"The local stand-in has no {target or 'such operation'}"
            )
        started = self._clock()
        if not self._quota.take_upto(started, 1):
            raise RekognitionError("ProvisionedThroughputExceededException", "Provisioned rate exceeded.")
        until = started + self._service_time()
        try:
            return await self._answer(request.body)
        finally:
            await asyncio.sleep(max(0.0, until - self._clock()))

    async def _answer(self, body: bytes) -> dict[str, Any]:
        try:
            asked = DetectLabels.from_body(json.loads(body))
        except (ValueError, RecursionError):
            raise RekognitionError("SerializationException", "The body is not JSON") from None
        try:
            image = await self._fetch(asked.image) if isinstance(asked.image, S3Object) else asked.image
        except LookupError:
            raise no_object() from None
        check_stored(image)
        try:
            return labels(asked, await self._memory.recognise(image))
        except (UnreadableImageError, ImageSideError) as error:
            raise refusal(error) from None


def _response(status: int, body: dict[str, Any], error: str | None = None) -> WireResponse:
    headers = {"content-type": "application/x-amz-json-1.1", "x-amzn-requestid": str(uuid.uuid4())}
    if error is not None:
        headers["x-amzn-errortype"] = error
    return WireResponse(status, headers, json.dumps(body).encode())
