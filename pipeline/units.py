"""How numbers are written for a reader: durations with three figures at most, counts with their noun."""

from typing import Final

NOTHING: Final = "\N{EN DASH}"
_SECOND: Final = 1_000.0
_MINUTE: Final = 60 * _SECOND
_HOUR: Final = 60 * _MINUTE


def duration(ms: float | None) -> str:
    """A duration given in ms.

    >>> [duration(ms) for ms in (0.42, 12.34, 999.6, 5_768, 75_175, 754_000, 7_500_000)]
    ['0.42 ms', '12.3 ms', '1.00 s', '5.77 s', '75.2 s', '12 min 34 s', '2 h 5 min']
    """
    if ms is None:
        return NOTHING
    size = abs(ms)
    if size < 999.5:
        return f"{_three(ms)} ms"
    if size < 2 * _MINUTE:
        return f"{_three(ms / _SECOND)} s"
    minutes, seconds = divmod(round(size / _SECOND), 60)
    sign = "-" if ms < 0 else ""
    if size < 2 * _HOUR:
        return f"{sign}{minutes} min {seconds} s"
    return f"{sign}{minutes // 60} h {minutes % 60} min"


def _three(value: float) -> str:
    size = abs(value)
    return f"{value:.0f}" if size >= 99.95 else f"{value:.1f}" if size >= 9.995 else f"{value:.2f}"


def count(number: int | None, noun: str = "", plural: str | None = None) -> str:
    """A count, and what was counted.

    >>> [count(1, "request"), count(2_282, "request"), count(2, "dead letter has", "dead letters have")]
    ['1 request', '2,282 requests', '2 dead letters have']
    """
    if number is None:
        return NOTHING
    if not noun:
        return f"{number:,}"
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def megabytes(size: int | None) -> str:
    """A size given in bytes.

    >>> [megabytes(size) for size in (52_000, 49_494_955)]
    ['0.05 MB', '49.5 MB']
    """
    return NOTHING if size is None else f"{_three(size / 1e6)} MB"


def tick(ms: float) -> str:
    """A round duration on an axis.

    >>> [tick(ms) for ms in (0.5, 200, 5_000, 120_000, 3_600_000)]
    ['0.5 ms', '200 ms', '5 s', '2 min', '1 h']
    """
    if ms < _SECOND:
        return f"{ms:g} ms"
    if ms < _MINUTE:
        return f"{ms / _SECOND:g} s"
    return f"{ms / _MINUTE:g} min" if ms < _HOUR else f"{ms / _HOUR:g} h"


def share(part: int, whole: int) -> str:
    """A part of a whole in percent; never "0 %" of something nor "100 %" of less than all.

    >>> [share(1, 3), share(1, 5_000), share(4_999, 5_000), share(0, 7)]
    ['33 %', 'under 0.1 %', 'over 99.9 %', '0 %']
    """
    if not whole:
        return NOTHING
    percent = 100 * part / whole
    if part and percent < 0.1:
        return "under 0.1 %"
    if part < whole and percent > 99.9:
        return "over 99.9 %"
    return f"{percent:.1f} %" if part and (percent < 2 or 98 < percent < 100) else f"{percent:.0f} %"


def listed(words: "list[str] | tuple[str, ...]") -> str:
    """Words in a row.

    >>> [listed(["SNS"]), listed(["SNS", "SQS"]), listed(["SNS", "SQS", "Kinesis"])]
    ['SNS', 'SNS and SQS', 'SNS, SQS and Kinesis']
    """
    return " and ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else "".join(words)
