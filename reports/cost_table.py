"""The table of what each buffer costs, and what to say of it."""

import math
from typing import TYPE_CHECKING, Final

from pipeline.bill import per_million
from pipeline.prices import AS_OF, REGION
from pipeline.units import NOTHING

if TYPE_CHECKING:
    from reports.cost import Cost
    from reports.findings import BufferFindings, Findings

_CENTS: Final = 0.1
_HUNDRED: Final = 100
_DOWNSTREAM: Final = "Rekognition images"
_WHOSE: Final = {
    "local": "What AWS would ask for this traffic, by its list prices: nothing was paid here, and it is not a bill",
    "aws": "By AWS's list prices, for what was seen of this run; the account's own bill may differ",
    "simulated": "By AWS's list prices, for what the model used",
}


def rows(buffers: "list[BufferFindings]") -> list[tuple[str, list[str], str]]:
    """A title, a cell for each buffer, and an explanation. Empty where no buffer's cost is known."""
    costs = [buffer.cost for buffer in buffers]
    units = {item.item: item.unit for cost in costs if cost is not None for item in cost.items}
    if not units:
        return []
    return [
        *((item, [_line(buffer, item) for buffer in buffers], f"each {units[item]}") for item in _merged(costs)),
        (
            "a million accepted",
            [_dollars(None if cost is None else cost.per_million_accepted) for cost in costs],
            "the lines above together",
        ),
        (
            "a million delivered",
            [_dollars(None if cost is None else cost.per_million_delivered) for cost in costs],
            "the same for a million requests that have a result",
        ),
        (
            "without Rekognition",
            [_dollars(_without(buffer, _DOWNSTREAM)) for buffer in buffers],
            "a million accepted; what it asks is the same behind each buffer",
        ),
        ("in all", [_dollars(None if cost is None else cost.total) for cost in costs], "for all that was sent"),
    ]


def _merged(costs: "list[Cost | None]") -> list[str]:
    """Every item once, each behind the one that it follows on its own bill."""
    merged: list[str] = []
    # From the last on, so that what is inserted at one place stands in the order of the buffers.
    for cost in reversed(costs):
        place = 0
        for item in () if cost is None else cost.items:
            if item.item not in merged:
                merged.insert(place, item.item)
            place = merged.index(item.item) + 1
    return merged


def _without(buffer: "BufferFindings", item: str) -> float | None:
    """US dollars for a million accepted, without an item."""
    if buffer.cost is None:
        return None
    return per_million(math.fsum(one.usd for one in buffer.cost.items if one.item != item), buffer.account.accepted)


def _line(buffer: "BufferFindings", item: str) -> str:
    usd = {} if buffer.cost is None else {one.item: one.usd for one in buffer.cost.items}
    return _dollars(per_million(usd[item], buffer.account.accepted) if item in usd else None)


def _dollars(amount: float | None) -> str:
    """Cents where they tell something: none beside hundreds of dollars, two figures of what is less than a cent or so.

    >>> [_dollars(amount) for amount in (1008.93, 8.926, 0.05, 0.000182, 0.0, None)]
    ['1,009', '8.93', '0.050', '0.00018', '0.00', '\N{EN DASH}']
    """
    if amount is None:
        return NOTHING
    if not amount or amount >= _CENTS:
        return f"{amount:,.{0 if amount >= _HUNDRED else 2}f}"
    return f"{amount:.{1 - math.floor(math.log10(amount))}f}"


def said(findings: "Findings") -> str:
    """Whose prices they are, and what they are for."""
    whose = _WHOSE.get(findings.run.target or "", "By AWS's list prices")
    return (
        f"{whose} ({REGION}, as of {AS_OF}, without free tier). Shards, consumers and provisioned pollers are paid for "
        "by the hour, and counted here for the time of the buffer's turn only: between two spikes they cost as much an "
        "hour."
    )


def unobserved(findings: "Findings") -> list[str]:
    """What is not on the bills, each once."""
    costs = [buffer.cost for buffer in findings.buffers.values() if buffer.cost is not None]
    return list(dict.fromkeys(text for cost in costs for text in cost.unobserved))
