"""What was equal between the buffers of a run, and what was not: from the rows, not from the settings."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.places import Places
from reports.quantiles import measure
from reports.raw_column import chosen

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from reports.buffer_rows import BufferRows

    Floats = npt.NDArray[np.float64]
    Whole = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Load:
    """What one buffer was given, and how its deliveries looked. Times in ms; None where nothing was measured."""

    requests: int
    span_s: float
    busiest_second: int
    bytes_sent: int | None
    images: int
    lateness_p50: float | None
    lateness_p99: float | None
    lateness_max: float | None
    batch_mean: float | None
    attempts_mean: float | None
    environments: int


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What a buffer was given, for Sameness: the requests that were sent, in the order of their sequence numbers.

    `offset_ms` is when each was due, from the buffer's first arrival; `image` says which it carried by a number that
    all buffers have in common, -1 if it is not known.
    """

    sequence: "Whole"
    offset_ms: "Floats"
    image: "npt.NDArray[Any]"


@dataclass(frozen=True, slots=True)
class Sameness:
    """How far two or more buffers were given the same.

    `schedule_ms` is the greatest difference between the offsets of one sequence number from its buffer's first
    arrival; None if only one buffer ran. `other_images` counts the sequence numbers that did not carry one same image.
    """

    schedule_ms: float | None
    only_some: int
    other_images: int


def load(rows: "BufferRows") -> Load:
    """What a buffer was given."""
    sent = rows.offered
    due, bytes_sent, sizes, attempts = (
        _known(chosen(rows.numbers(name), sent)) for name in ("intended_at", "bytes", "batch_size", "attempts")
    )
    lateness = measure(chosen(rows.numbers("lateness_ms"), sent))
    return Load(
        requests=int(np.count_nonzero(sent)),
        span_s=float(np.ptp(due)) / 1_000 if len(due) else 0.0,
        busiest_second=_busiest_second(due),
        bytes_sent=int(bytes_sent.sum()) if len(bytes_sent) else None,
        images=rows.texts("image").distinct(sent),
        lateness_p50=lateness.value("p50"),
        lateness_p99=lateness.value("p99"),
        lateness_max=lateness.max,
        batch_mean=_batch_mean(sizes),
        attempts_mean=float(attempts.mean()) if len(attempts) else None,
        environments=rows.texts("environment").distinct(sent),
    )


def _known(values: "Floats") -> "Floats":
    return chosen(values, ~np.isnan(values))


def _busiest_second(due: "Floats") -> int:
    if not len(due):
        return 0
    seconds = np.floor((due - due.min()) / 1_000).astype(np.int64)
    return int(np.bincount(Places(seconds).of(seconds)).max())


def _batch_mean(sizes: "Floats") -> float | None:
    """Each record of a batch of n counts 1/n, or large batches would be counted n times."""
    batches = float((1 / sizes[sizes > 0]).sum())
    return len(sizes) / batches if batches else None


def arrivals(rows: "BufferRows") -> Arrivals:
    """The arrivals of a buffer."""
    sent = rows.offered
    due = chosen(rows.numbers("intended_at"), sent)
    offset = due - np.fmin.reduce(due, initial=np.nan)
    return Arrivals(chosen(rows.sequence, sent), offset, chosen(rows.texts("image").codes, sent))


def sameness(every: "Sequence[Arrivals]") -> Sameness:
    """Compare what the buffers were given, request by request."""
    every = [one for one in every if len(one.sequence)]
    places = Places(*(one.sequence for one in every))
    buffers = np.zeros(places.size, np.int32)
    first, last = np.full(places.size, np.inf), np.full(places.size, -np.inf)
    images, differs = np.full(places.size, -1, np.int32), np.zeros(places.size, np.bool_)
    for one in every:
        at = _as_slice(places.of(one.sequence))
        buffers[at] += 1
        first[at], last[at] = np.fmin(first[at], one.offset_ms), np.fmax(last[at], one.offset_ms)
        told = images[at].copy()
        differs[at] |= (one.image >= 0) & (told >= 0) & (one.image != told)
        images[at] = np.where(told < 0, one.image, told)
    compared = (buffers > 1) & (last >= first)
    return Sameness(
        schedule_ms=float((last - first).max(where=compared, initial=0.0)) if compared.any() else None,
        only_some=int(np.count_nonzero((buffers > 0) & (buffers < len(every)))),
        other_images=int(np.count_nonzero(differs)),
    )


def _as_slice(places: "Whole") -> "Whole | slice":
    """Places that follow one another, in their order, as what is written and read in one go."""
    first, last = int(places[0]), int(places[-1])
    return slice(first, last + 1) if last - first == len(places) - 1 else places
