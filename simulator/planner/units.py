"""What an architect writes: rates, times, sizes, money and objectives, each with its unit."""

import math
import re
from typing import TYPE_CHECKING, Final

from simulator.duration import Fixed, Lognormal
from simulator.planner.question import LatencyObjective, Objective, ShareObjective

if TYPE_CHECKING:
    from collections.abc import Mapping

_NUMBER: Final = r"(?P<number>\d[\d_,]*(?:\.\d+)?|\.\d+)"
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_PER_SECOND: Final = {"s": 1.0, "sec": 1.0, "min": 1 / 60, "m": 1 / 60, "h": 1 / 3_600}
_BYTES: Final = {"": 1, "b": 1, "kb": 1_000, "kib": 1 << 10, "mb": 1_000_000, "mib": 1 << 20}
# AWS's own month: 730 hours.
_PER_MONTH: Final = {"month": 1.0, "day": 730 / 24, "year": 1 / 12}


def seconds(text: str) -> float:
    """A time: 250ms, 60s, 5m, 2h.

    Raises:
        ValueError: it is none.
    """
    number, unit = _split(text, _SECONDS, "a time", "250ms, 60s, 5m or 2h")
    return number * _SECONDS[unit]


def per_second(text: str) -> float:
    """A rate: 2000/s, 90/min, 500/h.

    Raises:
        ValueError: it is none.
    """
    number, unit = _split(text, _PER_SECOND, "a rate", "2000/s or 90/min", before_unit="/")
    return number * _PER_SECOND[unit]


def size(text: str) -> int:
    """Bytes: 2000, 2kB, 256KiB, 1MiB.

    Raises:
        ValueError: it is none.
    """
    number, unit = _split(text, _BYTES, "a size", "2000, 2kB, 256KiB or 1MiB")
    if not number:
        raise ValueError(f"{text!r} is no size; a request has a byte at least")
    return math.ceil(number * _BYTES[unit])


def usd_per_month(text: str) -> float:
    """Money: 500/month, $6000/year; US dollars, as AWS lists its prices.

    Raises:
        ValueError: it is none.
    """
    number, unit = _split(text.strip().removeprefix("$"), _PER_MONTH, "a budget", "500/month", before_unit="/")
    return number * _PER_MONTH[unit]


def duration(text: str) -> Fixed | Lognormal:
    """How long something takes: 50ms, or its median and 99th percentile, 500ms..1500ms.

    Raises:
        ValueError: it is neither.
    """
    median, dots, tail = text.partition("..")
    if seconds(median) == 0:
        raise ValueError(f"{text!r} is no time; nothing takes 0 seconds")
    if not dots:
        return Fixed(seconds(median) * 1_000)
    return Lognormal(seconds(median) * 1_000, seconds(tail) * 1_000)


def objective(text: str) -> Objective:
    """What must hold of the spike: p99 <= 60s, lost = 0, rejected <= 1%.

    Raises:
        ValueError: it is none of these.
    """
    match = re.fullmatch(r"\s*(?P<what>[a-z]+[\d.]*)\s*(?P<sign><=|<|=)\s*(?P<limit>\S.*?)\s*", text.lower())
    if match is None:
        raise ValueError(f"{text!r} is no objective; write it like 'p99 <= 60s', 'lost = 0' or 'rejected <= 1%'")
    what, sign, limit = match["what"], match["sign"], match["limit"]
    percentile = re.fullmatch(r"p(\d\d(?:\.\d+)?)", what)
    if percentile is not None:
        if not float(percentile[1]):
            raise ValueError(f"{text!r}: there is no {what}; p50, p99 and p99.9 are percentiles")
        if sign == "=":
            raise ValueError(f"{text!r}: a percentile is bounded from above, so write '{what} <= {limit}'")
        within_s = seconds(limit)
        if within_s == 0:
            raise ValueError(f"{text!r}: no request takes 0 seconds")
        return LatencyObjective(float(percentile[1]), within_s)
    if what == "lost":
        return ShareObjective("lost", _share(limit, text))
    if what == "rejected":
        return ShareObjective("rejected", _share(limit, text))
    raise ValueError(f"{text!r}: {what!r} can be no objective; there are percentiles (p50, p99, p99.9), lost, rejected")


def _share(limit: str, text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(%?)", limit)
    share = float(match[1]) / (100 if match[2] else 1) if match else math.inf
    if share >= 1:
        raise ValueError(f"{text!r}: {limit!r} is no share of the requests; write 0, 0.01 or 1%")
    return share


def _split(
    text: str, units: "Mapping[str, float]", kind: str, examples: str, before_unit: str = ""
) -> tuple[float, str]:
    match = re.fullmatch(rf"\s*{_NUMBER}\s*{before_unit}\s*(?P<unit>[a-z]*)\s*", text.lower())
    if match is None or match["unit"] not in units:
        raise ValueError(f"{text!r} is not {kind}; write it like {examples}")
    return float(re.sub("[_,]", "", match["number"])), match["unit"]
