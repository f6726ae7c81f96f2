"""The table of the order that requests kept, and what to say of it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from pipeline.units import NOTHING, count, duration, share

if TYPE_CHECKING:
    from collections.abc import Callable

    from reports.findings import BufferFindings
    from reports.order import Overtaken

# A cell may have a small line below it; a row is a title, a cell for each buffer, and an explanation.
Cell = str | tuple[str, str]
Row = tuple[str, Sequence[Cell], str]

_MOMENTS: Final[dict[str, tuple[str, str]]] = {
    "accepted": ("at the door", "by the gateway's clock, before any buffer had them"),
    "delivered": ("when delivered", "to the function, by the delivery that led to the result"),
    "stored": ("when stored", "a batch is worked on side by side"),
}


def rows(buffers: "list[BufferFindings]") -> list[Row]:
    """A title, a cell for each buffer, and an explanation."""
    table: list[Row] = []
    if any(buffer.order.groups for buffer in buffers):
        table.append(
            ("groups named", [count(buffer.order.groups) for buffer in buffers], "partition keys, or message groups")
        )
        table += _overtaken(buffers, "in their group", lambda buffer: buffer.order.in_groups)
    table += _overtaken(buffers, "among all", lambda buffer: buffer.order.in_all)
    table.append(
        ("duplicates", [count(buffer.account.duplicates) for buffer in buffers], "deliveries beyond a request's first")
    )
    return table


def _overtaken(
    buffers: "list[BufferFindings]", where: str, of: "Callable[[BufferFindings], Overtaken | None]"
) -> list[Row]:
    found = [of(buffer) for buffer in buffers]
    table: list[Row] = [
        (f"{where}, {title}", [_cell(one, moment) for one in found], why) for moment, (title, why) in _MOMENTS.items()
    ]
    table.append(
        (
            f"{where}, at most",
            [duration(None if one is None else one.latest_ms) for one in found],
            "delivered after the first that overtook it",
        )
    )
    return table


def _cell(overtaken: "Overtaken | None", moment: str) -> Cell:
    """How many, and in small what part of all."""
    if overtaken is None:
        return NOTHING
    number: int = getattr(overtaken, moment)
    return (count(number), share(number, overtaken.requests)) if number else "0"


def said(buffers: "list[BufferFindings]") -> str:
    """What the table counts, and where nothing is promised."""
    text = (
        "A request was overtaken if one that was sent after it was there before it. Kinesis keeps the order of a "
        "partition key and a FIFO queue that of a message group, as long as nothing has to be delivered again; SNS and "
        "standard queues promise none."
    )
    if not any(buffer.order.groups for buffer in buffers):
        text += " No request of this run named a group, so that each was one of its own."
    return text
