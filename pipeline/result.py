"""The result: what a request ended as, with every timestamp of its way.

Times are ms since the epoch. The stages of a request, in order:

    intended_at -> accepted_at   gateway      the client's send until the gateway took it
    accepted_at -> received_at   buffer       waiting in the buffer and for a batch (cold start apart)
    received_at -> recognised_at work         in the handler: its turn in the batch, Rekognition, retries
    recognised_at -> stored_at   write        writing the result
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pipeline.request import Buffer, Measurement


class Status(StrEnum):
    """How a request ended."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class Standing(StrEnum):
    """What a client that asks for a request is told of it; the last two with a 404.

    A request that went straight into a buffer is not known before it has a result, so its id cannot be told from one
    that never was: it is unknown or waiting.
    """

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"
    UNKNOWN_OR_WAITING = "UNKNOWN_OR_WAITING"


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
    """What is stored under a request's id. `reason` says why a FAILED one failed.

    `buffer` is None for a request that went through none, or whose record did not say. `attach` and `owner` are the
    request's.
    """

    request_id: str
    buffer: Buffer | None
    status: Status
    labels: tuple[Label, ...]
    reason: str | None
    model_version: str | None
    passage: Passage
    measurement: Measurement | None
    attach: str | None = None
    owner: str | None = None

    def to_document(self) -> dict[str, Any]:
        """What a client is told of it, in JSON's types: the same by GET, by callback, by WebSocket and by sync."""
        document: dict[str, Any] = {"request_id": self.request_id, "status": self.status.value}
        if self.reason:
            document["reason"] = self.reason
        if self.model_version:
            document["model_version"] = self.model_version
        document["labels"] = [
            {"name": label.name, "confidence": label.confidence, "parents": list(label.parents)}
            for label in self.labels
        ]
        return document
