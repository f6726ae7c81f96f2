"""What a run's recording tells of each buffer beside its decisions: how long invocations took, and which keys came."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from delivery.async_invoke import AsyncInvoke
from delivery.kinesis_fan_out_mapping import KinesisFanOutMapping
from delivery.kinesis_mapping import KinesisMapping
from delivery.sqs_mapping import SqsMapping
from delivery.transcript import name_of_kind

_BUFFERS: Final[Mapping[str, str]] = {
    name_of_kind(kind): buffer
    for buffer, kind in (
        ("sns", AsyncInvoke), ("sqs", SqsMapping), ("kinesis", KinesisMapping), ("kinesis-efo", KinesisFanOutMapping),
    )
}  # fmt: skip
_STREAMS: Final = ("kinesis", "kinesis-efo")


@dataclass(frozen=True, slots=True)
class Ran:
    """An invocation as its machine saw it, from poll to settle: seconds since the epoch, and how many records."""

    began_at: float
    ended_at: float
    records: int


@dataclass(slots=True)
class Told:
    """Of one buffer: the invocations of environments that ran already, as they ended; and the hash keys of the records
    that its stream took, as they came, none if it is no stream.
    """

    warm: list[Ran] = field(default_factory=list)
    hash_keys: list[int] = field(default_factory=list)


def told_of(recording: Iterable[str]) -> dict[str, Told]:
    """Read a recording that can be replayed, by buffer."""
    mappings: dict[str, str] = {}
    streams: dict[str, str] = {}
    found: dict[str, Told] = defaultdict(Told)
    for line in recording:
        event = json.loads(line)
        if isinstance(event, dict):
            if (buffer := _BUFFERS.get(event.get("kind", ""))) is not None:
                mappings[event["make"]] = buffer
                if buffer in _STREAMS:
                    streams[event["args"][0]["of"]] = buffer
            continue
        machine, call, args, _, answer = event
        if call == "settle":
            now, invocation, _ = args
            if not invocation["slot"]["cold"]:
                found[mappings[machine]].warm.append(Ran(invocation["start"], now, len(invocation["ids"])))
        elif call == "offer" and machine in streams:
            found[streams[machine]].hash_keys += _taken(args[1], answer)
    return found


def _taken(offer: dict[str, Any], refused: dict[str, Any]) -> list[int]:
    """What is refused is sent again, and comes later."""
    not_taken = {id_ for id_, _ in refused["of"]}
    return [key for id_, key in zip(offer["ids"], offer["hash_keys"], strict=True) if id_ not in not_taken]
