"""What a candidate costs a month: the baseline all the time, and so many spikes on top."""

import math
from dataclasses import dataclass
from typing import Final

from pipeline.bill import Line
from pipeline.prices import PRICES
from simulator.cost import cost
from simulator.planner.question import Question
from simulator.result import Result
from simulator.scenario import Rate

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
    per_s = {key: quantity / _covers_s(alone, key[1]) for key, quantity in _quantities(alone).items()}
    spike = _quantities(with_spike)
    quantities: dict[tuple[str, str], float] = {}
    for key in dict.fromkeys([*per_s, *spike]):
        usual = per_s.get(key, 0.0)
        extra = spike.get(key, 0.0) - usual * _covers_s(with_spike, key[1])
        quantities[key] = max(0.0, scale * (usual * MONTH_S + question.spikes_per_month * extra))
    lines = [Line(item, price, quantity) for (item, price), quantity in quantities.items()]
    completed_per_s = alone.completed / _arrivals_s(alone)
    extra_completed = with_spike.completed - completed_per_s * _arrivals_s(with_spike)
    return Month(
        lines=tuple(line for line in lines if line.item != _DOWNSTREAM_ITEM),
        delivered=scale * (completed_per_s * MONTH_S + question.spikes_per_month * extra_completed),
        downstream_usd=math.fsum(line.usd for line in lines if line.item == _DOWNSTREAM_ITEM),
    )


def _quantities(result: Result) -> dict[tuple[str, str], float]:
    return {(line.item, line.price): line.quantity for line in cost(result).lines}


def _covers_s(result: Result, price: str) -> float:
    """For how many seconds a quantity stands: what is paid by the hour for the whole run, the rest for arrivals."""
    return float(len(result.series)) if "hour" in PRICES[price].unit else _arrivals_s(result)


def _arrivals_s(result: Result) -> float:
    """For how long records arrive; the last of them are worked on for a little longer."""
    arrivals = result.scenario.arrivals
    assert isinstance(arrivals, Rate), "every run of the planner has a rate"
    return arrivals.knots[-1][0]
