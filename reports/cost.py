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

from pipeline import bill
from pipeline.prices import EVENT_UNIT_BYTES, GIB, KINESIS_UNIT_BYTES, SNS_UNIT_BYTES, SQS_UNIT_BYTES
from reports.simulated import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from pipeline.bill import Used
    from reports.accounting import Account
    from reports.description import Description, Turn
    from reports.joined import Joined

_HOUR_MS: Final = 3_600_000.0
_MB_A_GB: Final = 1_024
# API:ReceiveMessage and API:DeleteMessageBatch.
_MESSAGES_A_CALL: Final = 10
# What API Gateway says itself, and does not charge for; a buffer that is at its limit is answered in other words.
_THROTTLED_BY_THE_API: Final = '%"Too Many Requests"%'

_DOOR: Final = """
SELECT count(*) FILTER (
    sent_at IS NOT NULL AND NOT (http_status = 429 AND coalesce(error, '') LIKE $throttled)
) AS sent FROM joined WHERE buffer = $buffer AND outcome <> 'unrequested'
"""
# Records that the buffer took, and those that were recognised, by the image they carry.
_BY_IMAGE: Final = """
SELECT image, count(*) AS taken, count(*) FILTER (result_status IS NOT NULL) AS ended FROM joined
WHERE buffer = $buffer AND (http_status BETWEEN 200 AND 299 OR outcome IN ('accepted_unanswered', 'rejected_processed'))
GROUP BY image
"""
# The records of an invocation have its environment and the moment it began in common. Environments by their hash: their
# names are long, and there may be as many invocations as records.
_INVOCATIONS: Final = """
WITH invocation AS (
    SELECT max(batch_size) AS records, max(init_ms) AS init_ms,
        max(stored_at) - received_at AS took_ms
    FROM joined WHERE buffer = $buffer AND received_at IS NOT NULL AND environment IS NOT NULL
    GROUP BY hash(environment), received_at
)
SELECT coalesce(records, 1) AS records, count(*) AS invocations,
    sum(greatest(coalesce(took_ms, 0), 0) + coalesce(init_ms, 0)) / 1e3 AS seconds
FROM invocation GROUP BY 1 ORDER BY 1
"""


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


def of_run(run: "Description", joined: "Joined", account: "Account", turn: "Turn | None", buffer: str) -> Cost:
    """The bill of a measured turn."""
    seen = _Seen(run, joined, buffer, turn)
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

    def __init__(self, run: "Description", joined: "Joined", buffer: str, turn: "Turn | None") -> None:
        self._buffer = buffer
        self._kind = kind_of(run, buffer)
        self._images = run.images
        self._parameters: Mapping[str, Any] = _parameters(run)
        self._hours = _hours(turn)
        (at_the_door,) = joined.frame(_DOOR, buffer=buffer, throttled=_THROTTLED_BY_THE_API).sent
        self.at_the_door = int(at_the_door)
        self._by_image = joined.frame(_BY_IMAGE, buffer=buffer)
        self._invocations = joined.frame(_INVOCATIONS, buffer=buffer)

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


def _per_batch(invocations: "pd.DataFrame", of_a_batch: "Callable[[int], int]") -> float:
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
