"""The result: what a request ended as, with every timestamp of its way.

Times are ms since the epoch. The stages of a request, in order:

    intended_at -> accepted_at   gateway      the client's send until the gateway took it
    accepted_at -> received_at   buffer       waiting in the buffer and for a batch (cold start apart)
    received_at -> recognised_at work         in the handler: its turn in the batch, Rekognition, retries
    recognised_at -> stored_at   write        writing the result
"""

from dataclasses import dataclass
from enum import StrEnum

from pipeline.request import Buffer, Measurement


class Status(StrEnum):
    """How a request ended."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Label:
    """One thing seen. `confidence` is in percent."""

    name: str
    confidence: float
    parents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Passage:
    """When a request passed each point of its way, and with what company.

    `init_ms` is the time its environment spent starting for this batch, 0 if it was warm. `attempts` counts the
    calls that recognition took, throttled ones among them.
    """

    accepted_at: float
    received_at: float
    recognised_at: float
    batch_size: int
    attempts: int
    init_ms: float
    environment: str


@dataclass(frozen=True, slots=True)
class Result:
    """What is stored under a request's id. `reason` says why a FAILED one failed."""

    request_id: str
    buffer: Buffer | None
    status: Status
    labels: tuple[Label, ...]
    reason: str | None
    model_version: str | None
    passage: Passage
    measurement: Measurement | None
