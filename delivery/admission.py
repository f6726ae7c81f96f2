"""What the fronts have in common: an offer, and which of its records pass."""

from collections.abc import Sequence
from dataclasses import fields, replace
from itertools import compress
from typing import Any

import numpy as np

from delivery.protocol import Offer


def sift(offer: Offer, passes: Sequence[bool]) -> tuple[Offer, Sequence[int]]:
    """The records that pass, as an offer, and the ids of the others.

    A range stays a range if those that pass come first, as they do when a bucket runs empty.

    Args:
        offer: any records, with whatever stands beside them.
        passes: whether each of them does.
    """
    passing = sum(passes)
    if passing == len(passes):
        return offer, ()
    first = all(passes[:passing])
    others = (
        offer.ids[passing:]
        if first
        else [record for record, passed in zip(offer.ids, passes, strict=True) if not passed]
    )

    def kept(values: Any) -> Any:
        if first:
            return values[:passing]
        return values[np.asarray(passes)] if isinstance(values, np.ndarray) else list(compress(values, passes))

    beside = {entry.name: getattr(offer, entry.name) for entry in fields(Offer)}
    return replace(
        offer, **{name: kept(value) for name, value in beside.items() if not isinstance(value, int | None)}
    ), others


def sizes_within(offer: Offer, most_bytes: int) -> list[bool]:
    """Whether each record has no more than that many bytes."""
    if isinstance(offer.sizes, int):
        return [offer.sizes <= most_bytes] * len(offer.ids)
    return [size <= most_bytes for size in offer.sizes]
