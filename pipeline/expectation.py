"""An expectation: what a figure of a fault's cell is to be, written down before it is measured.

0             exactly that
<= 10         at most; >= 1 at least
2 to 5        from the one to the other
<= 10 %       of the accepted requests, and so >= and to
bad           as many as the requests that the fault was meant for; <= bad and >= bad, too
doomed        as many of those as are to fail at every try that their buffer gives them
accepted      all that were accepted
"""

import re
from dataclasses import dataclass
from typing import Final

from pipeline.document import shown

_NUMBER: Final = r"(\d+(?:\.\d+)?)"
_ONE: Final = re.compile(rf"(<=|>=)?\s*(?:{_NUMBER}\s*(%)?|(bad|doomed|accepted))")
_RANGE: Final = re.compile(rf"{_NUMBER}\s+to\s+{_NUMBER}\s*(%)?")
_INFINITE: Final = float("inf")


class ExpectationError(ValueError):
    """A text that is no expectation."""


@dataclass(frozen=True, slots=True)
class Whole:
    """What a share or a word of an expectation is taken of. `doomed` is None where nobody can say."""

    accepted: int
    bad: int
    doomed: int | None = None


@dataclass(frozen=True, slots=True)
class Expectation:
    """One figure's. `text` is how it was written."""

    text: str
    _low: float
    _high: float
    _percent: bool = False
    _word: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Expectation":
        """Read one.

        Raises:
            ExpectationError: it is of none of the forms above.
        """
        written = text.strip()
        if found := _RANGE.fullmatch(written):
            low, high = float(found[1]), float(found[2])
            if low <= high:
                return cls(written, low, high, found[3] is not None)
        elif found := _ONE.fullmatch(written):
            # A word is a factor of 1 of what it stands for.
            number = 1.0 if found[4] else float(found[2])
            low = 0.0 if found[1] == "<=" else number
            high = _INFINITE if found[1] == ">=" else number
            return cls(written, low, high, found[3] is not None, found[4])
        raise ExpectationError(
            f"{shown(text)!r} is no expectation; one is 0, <= 10, >= 1, 2 to 5, any of these in %, or bad, doomed, "
            "accepted"
        )

    def holds(self, value: float | None, whole: Whole) -> bool:
        """Whether a figure is as expected; one that is not known is not."""
        if value is None:
            return False
        unit = self._unit(whole)
        if unit is None:
            return False
        # Without an upper bound there is none of nothing either, where infinity times 0 would be no number.
        high = self._high if self._high == _INFINITE else self._high * unit
        return self._low * unit <= value <= high

    def _unit(self, whole: Whole) -> float | None:
        if self._percent:
            return whole.accepted / 100
        match self._word:
            case "bad":
                return whole.bad
            case "doomed":
                return whole.doomed
            case "accepted":
                return whole.accepted
        return 1.0
