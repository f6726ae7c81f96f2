"""What a candidate costs a month: the baseline all the time, and so many spikes on top."""

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from simulator.cost import Line, cost
from simulator.planner.question import Question
from simulator.result import Result

MONTH_S: Final = 730 * 3_600.0
# What the downstream charges is the same whichever buffer stands in front of it, and no reason to choose one.
_DOWNSTREAM_ITEM: Final = "Rekognition images"


@dataclass(frozen=True, slots=True)
class Month:
    """A month's bill by AWS's list prices, in US dollars, without what the downstream itself charges.

    `delivered` is how many requests it paid for; `downstream_usd` what they cost at the downstream if that is
    Rekognition, by list price.
    """

    lines: tuple[Line, ...]
    delivered: float
    downstream_usd: float

    @property
    def usd(self) -> float:
        """All lines together."""
        return math.fsum(line.usd for line in self.lines)

    @property
    def usd_per_million(self) -> float:
        """For a million requests delivered."""
        return self.usd / self.delivered * 1e6 if self.delivered else math.inf


def month(question: Question, *, with_spike: Result, alone: Result, scale: float) -> Month:
    """The bill of a month of 730 hours.

    A spike takes what its run takes beyond what the baseline alone would have taken in as long. Both runs are `scale`
    times smaller than the whole; a request, a shard-hour or a poller-hour of theirs stands for `scale`. Quantities are
    added up before they are priced, for prices fall with the month's quantity.
    """
    alone_s, with_spike_s = float(len(alone.series)), float(len(with_spike.series))
    quantities: dict[tuple[str, str], float] = defaultdict(float)
    per_s = _quantities(alone, alone_s)
    spike = _quantities(with_spike, 1.0)
    for key in dict.fromkeys([*per_s, *spike]):
        extra = spike.get(key, 0.0) - per_s.get(key, 0.0) * with_spike_s
        quantities[key] = max(0.0, scale * (per_s.get(key, 0.0) * MONTH_S + question.spikes_per_month * extra))
    lines = [Line(item, price, quantity) for (item, price), quantity in quantities.items()]
    completed_per_s = alone.completed / alone_s if alone_s else 0.0
    extra_completed = with_spike.completed - completed_per_s * with_spike_s
    return Month(
        lines=tuple(line for line in lines if line.item != _DOWNSTREAM_ITEM),
        delivered=scale * (completed_per_s * MONTH_S + question.spikes_per_month * extra_completed),
        downstream_usd=math.fsum(line.usd for line in lines if line.item == _DOWNSTREAM_ITEM),
    )


def _quantities(result: Result, seconds: float) -> dict[tuple[str, str], float]:
    """The quantity of each line of a result's bill, in each of so many seconds."""
    if not seconds:
        return {}
    return {(line.item, line.price): line.quantity / seconds for line in cost(result).lines}
