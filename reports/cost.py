"""What a buffer's turn costs by AWS's list prices, itemised, from what its rows tell.

Of a measured run each quantity is counted from the rows: requests at the door, units by the size of each record,
invocations that stored a result and how long each took. What the rows do not tell has no line, and is named. On the
embedded AWS it is what AWS would ask for this traffic, not a bill. Of a simulation it is the bill that the model made.

A stream, its consumer and provisioned pollers are paid for by the hour, whether or not anything comes: their lines
cover the buffer's turn and no more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from pipeline import bill
from pipeline.prices import EVENT_UNIT_BYTES, GIB, KINESIS_UNIT_BYTES, SNS_UNIT_BYTES, SQS_UNIT_BYTES
from reports.invocations import invocations
from reports.outcome import Outcome
from reports.simulated import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.bill import Used
    from reports.accounting import Account
    from reports.buffer_rows import BufferRows
    from reports.description import Description, Turn

_HOUR_MS: Final = 3_600_000.0
_MB_A_GB: Final = 1_024
# API:ReceiveMessage and API:DeleteMessageBatch.
_MESSAGES_A_CALL: Final = 10
# What API Gateway says itself, and does not charge for; a buffer that is at its limit is answered in other words.
_THROTTLED_BY_THE_API: Final = '"Too Many Requests"'
_TOO_MANY: Final = 429


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a bill, in US dollars."""

    item: str
    quantity: float
    unit: str
    usd: float


@dataclass(frozen=True, slots=True)
class Cost:
    """A bill in US dollars. `unobserved` names what would be on it and nobody saw, in words.

    `per_million_accepted` and `per_million_delivered` are the same for a million requests that were accepted, and for a
    million that have a result; None without any.
    """

    items: tuple[Item, ...]
    total: float
    per_million_accepted: float | None
    per_million_delivered: float | None
    unobserved: tuple[str, ...]


def of_simulation(turn: "Turn", account: "Account") -> Cost:
    """The bill that a simulation made."""
    items = tuple(
        Item(line["item"], line["quantity"], line["unit"], line["usd"]) for line in turn.cost.get("lines", ())
    )
    return _cost(items, turn.cost.get("total", 0.0), account, ())


def of_run(run: "Description", rows: "BufferRows", account: "Account", turn: "Turn | None") -> Cost:
    """The bill of a measured turn."""
    seen = _Seen(run, rows, turn)
    lines = bill.used([*bill.door(seen.at_the_door), *seen.of_buffer(), *seen.of_function(account), *seen.of_uploads()])
    items = tuple(Item(line.item, line.quantity, line.unit, line.usd) for line in lines)
    return _cost(items, bill.total(lines), account, tuple(seen.unobserved()))


def _cost(items: tuple[Item, ...], total: float, account: "Account", unobserved: tuple[str, ...]) -> Cost:
    return Cost(
        items=items,
        total=total,
        per_million_accepted=bill.per_million(total, account.accepted),
        per_million_delivered=bill.per_million(total, account.ended),
        unobserved=unobserved,
    )


class _Seen:
    """What a turn's rows and its run tell of what was used."""

    def __init__(self, run: "Description", rows: "BufferRows", turn: "Turn | None") -> None:
        self._buffer = rows.buffer
        self._kind = kind_of(run, self._buffer)
        self._images = run.images
        self._parameters: Mapping[str, Any] = _parameters(run)
        self._hours = _hours(turn)
        self.at_the_door = _at_the_door(rows)
        self._by_image = _by_image(rows)
        self._invocations = invocations(rows)

    @property
    def _sized(self) -> bool:
        return all(image in self._images for image in self._by_image.image)

    def of_buffer(self) -> "Used":
        if self._buffer == "sns":
            return self._sns()
        return self._sqs() if self._buffer == "sqs" else self._kinesis()

    def _sns(self) -> "Used":
        events = self._units(EVENT_UNIT_BYTES)
        return bill.sns(self._units(SNS_UNIT_BYTES), None if events is None else events - self._taken)

    def _sqs(self) -> "Used":
        pollers = self._number("SqsMinimumPollers")
        return bill.sqs(
            fifo=self._kind == "sqs-fifo",
            sends=self._units(SQS_UNIT_BYTES),
            receives=self._receives(),
            deletes=_per_batch(self._invocations, lambda records: bill.units(records, _MESSAGES_A_CALL)),
            empty_receives=None,
            # Those beyond the least there are come and go, and nobody tells.
            poller_hours=None if pollers is None or self._hours is None else pollers * self._hours,
        )

    def _receives(self) -> float | None:
        size = self._record_bytes
        if size is None:
            return None

        def of_a_batch(records: int) -> int:
            calls = bill.units(records, _MESSAGES_A_CALL)
            return calls * bill.units(records / calls * size, SQS_UNIT_BYTES)

        return _per_batch(self._invocations, of_a_batch)

    def _kinesis(self) -> "Used":
        shards, size = self._number("KinesisShardCount"), self._record_bytes
        return bill.kinesis(
            fan_out=self._buffer == "kinesis-efo",
            shard_hours=None if shards is None or self._hours is None else shards * self._hours,
            put_units=self._units(KINESIS_UNIT_BYTES),
            gb_out=None if size is None else self._taken * size / GIB,
        )

    def of_function(self, account: "Account") -> "Used":
        memory = self._number("FunctionMemory")
        return bill.function(
            requests=int(self._invocations.invocations.sum()),
            gb_s=None if memory is None else float(self._invocations.seconds.sum()) * memory / _MB_A_GB,
            writes=account.ended + account.duplicates,
            images=account.completed,
        )

    def of_uploads(self) -> "Used":
        by_claim_check = self._by_image.image.map(lambda name: bool(self._image(name).get("uploaded"))).astype(bool)
        uploaded = self._by_image[by_claim_check]
        return bill.uploads(puts=len(uploaded), gets=int(uploaded.ended.sum()))

    def unobserved(self) -> "list[str]":
        """What is not on the bill for want of being seen."""
        missing = ["invocations that stored no result, and deliveries beyond a request's first"]
        if not self._sized:
            missing.append("what goes by the size of a record: the run does not tell how large they were")
        if self._buffer == "sqs":
            missing.append("receives that came back empty")
        elif self._buffer != "sns" and self._number("KinesisShardCount") is None:
            missing.append("shards: the run does not tell how many there were")
        if self._number("FunctionMemory") is None:
            missing.append("the function's time: the run does not tell its memory")
        return [*missing, "results of more than 1 KB", "logs, storage and data sent to the internet"]

    @property
    def _taken(self) -> int:
        return int(self._by_image.taken.sum())

    @property
    def _record_bytes(self) -> float | None:
        """The mean size of a record in the buffer."""
        if not self._sized or not self._taken:
            return None
        sizes = [self._image(name)["record_bytes"] for name in self._by_image.image]
        return float((self._by_image.taken * sizes).sum()) / self._taken

    def _units(self, unit: int) -> int | None:
        """How many units of so many bytes the records take, each by itself."""
        if not self._sized:
            return None
        each = [bill.units(self._image(name)["record_bytes"], unit) for name in self._by_image.image]
        return int((self._by_image.taken * each).sum())

    def _image(self, name: str) -> Mapping[str, Any]:
        image: Mapping[str, Any] = self._images.get(name, {})
        return image

    def _number(self, parameter: str) -> float | None:
        """A parameter of the template; a stack tells them as texts."""
        try:
            return float(self._parameters[parameter])
        except (KeyError, TypeError, ValueError):
            return None


def _at_the_door(rows: "BufferRows") -> int:
    """How many requests API Gateway charges for."""
    left = ~np.isnan(rows.numbers("sent_at")) & ~rows.ended(Outcome.UNREQUESTED)
    refused = np.flatnonzero(left & (rows.status == _TOO_MANY))
    errors = rows.texts("error")
    free = np.array([_THROTTLED_BY_THE_API in text for text in errors.names.to_pylist()] + [False])
    return int(np.count_nonzero(left) - np.count_nonzero(free[errors.codes[refused]]))


def _by_image(rows: "BufferRows") -> pd.DataFrame:
    """Records that the buffer took, and those that were recognised, by the image they carry, None if it is not told."""
    images = rows.texts("image")
    taken = rows.taken | rows.ended(Outcome.ACCEPTED_UNANSWERED, Outcome.REJECTED_PROCESSED)
    counted = pd.DataFrame(
        {
            "image": pd.Series([*images.names.to_pylist(), None], dtype=object),
            "taken": images.counts(taken),
            "ended": images.counts(taken & rows.has_result),
        }
    )
    return counted[counted.taken > 0]


def _per_batch(invocations: pd.DataFrame, of_a_batch: "Callable[[int], int]") -> float:
    """A figure of each batch, by its size, over all of them."""
    each = [of_a_batch(int(records)) for records in invocations.records]
    return int((invocations.invocations * each).sum())


def _parameters(run: "Description") -> Mapping[str, Any]:
    parameters = run.options.get("parameters")
    return parameters if isinstance(parameters, Mapping) else {}


def _hours(turn: "Turn | None") -> float | None:
    """How long a turn took."""
    if turn is None or not isinstance(turn.started_at, int | float) or not isinstance(turn.ended_at, int | float):
        return None
    return max(0.0, turn.ended_at - turn.started_at) / _HOUR_MS
