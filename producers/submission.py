"""A submission: an image on its way into a buffer, before it has an id."""

import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.request import Buffer, InlineImage, Measurement, Request, StoredImage

if TYPE_CHECKING:
    from collections.abc import Callable


def new_id() -> str:
    """A request id that no other has."""
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class Submission:
    """An image to recognise, inline or uploaded before, and what a load test says of it."""

    image: InlineImage | StoredImage
    measurement: Measurement | None = None


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a producer gives a submission, as the gateway would: its id, and when it was taken.

    The time is the producer's own (seconds); its retries come after it, so they count as waiting in the buffer. `owner`
    is who may ask the API for the results (pipeline.ownership); without one they are in the results table alone.
    """

    buffer: Buffer
    now: "Callable[[], float]" = time.time
    new_id: "Callable[[], str]" = new_id
    owner: str | None = None

    def request(self, submission: Submission) -> Request:
        """Make the request that goes into the buffer."""
        return Request(
            request_id=self.new_id(),
            accepted_at=round(self.now() * 1_000, 3),
            buffer=self.buffer,
            image=submission.image,
            measurement=submission.measurement,
            owner=self.owner,
        )
