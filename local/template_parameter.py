"""A template's parameter, checked as CloudFormation checks it before it touches anything."""

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

ParameterValue = str | int | float | list[str] | list[int | float]

_TYPES: Final = ("String", "Number", "List<Number>", "CommaDelimitedList")


class ParameterError(ValueError):
    """A parameter's value that CloudFormation would not take; the text says which and what it takes."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One entry of the Parameters section, as it was declared."""

    name: str
    declaration: Mapping[str, Any]

    def read(self, given: str | None) -> ParameterValue:
        """Check a value, or the default where none is given. A Number comes back as a number.

        Raises:
            ParameterError: there is no value, or one that the declaration does not allow.
        """
        if given is None:
            if "Default" not in self.declaration:
                raise ParameterError(f"parameter {self.name} has no default and was not given: {self._purpose()}")
            given = _text(self.declaration["Default"])
        type_ = self.declaration.get("Type")
        if type_ not in _TYPES:
            raise ParameterError(f"parameter {self.name} has the type {type_!r}; only {', '.join(_TYPES)} are known")
        if type_ in ("String", "Number"):
            return self._read_one(given, number=type_ == "Number")
        items = [item.strip() for item in given.split(",")]
        if type_ == "CommaDelimitedList":
            return [str(self._read_one(item, number=False)) for item in items]
        return [self._number(item) for item in items]

    def _read_one(self, text: str, *, number: bool) -> str | int | float:
        allowed = self.declaration.get("AllowedValues")
        if allowed is not None and text not in (texts := [_text(value) for value in allowed]):
            raise self._refused(text, f"one of {', '.join(texts)}")
        if number:
            value = self._number(text)
            low, high = self.declaration.get("MinValue"), self.declaration.get("MaxValue")
            if (low is not None and value < float(low)) or (high is not None and value > float(high)):
                raise self._refused(text, _range(low, high, "a number"))
            return value
        shortest, longest = self.declaration.get("MinLength"), self.declaration.get("MaxLength")
        if (shortest is not None and len(text) < int(shortest)) or (longest is not None and len(text) > int(longest)):
            raise self._refused(text, _range(shortest, longest, "a length"))
        pattern = self.declaration.get("AllowedPattern")
        if pattern is not None and not re.fullmatch(pattern, text):
            raise self._refused(text, f"a text that matches {pattern}")
        return text

    def _number(self, text: str) -> int | float:
        try:
            value = float(text)
        except ValueError:
            raise self._refused(text, "a number") from None
        if not math.isfinite(value):
            raise self._refused(text, "a number")
        return int(value) if value.is_integer() else value

    def _refused(self, text: str, takes: str) -> ParameterError:
        return ParameterError(f"parameter {self.name} takes {takes}, not {text!r}: {self._purpose()}")

    def _purpose(self) -> str:
        purpose = self.declaration.get("ConstraintDescription") or self.declaration.get("Description")
        return str(purpose or "it has no description").strip()


def read_parameters(declared: Mapping[str, Mapping[str, Any]], given: Mapping[str, str]) -> dict[str, ParameterValue]:
    """Check all values against all declarations.

    Raises:
        ParameterError: a value is refused, is missing, or names no parameter.
    """
    for name in given:
        if name not in declared:
            raise ParameterError(f"the template has no parameter {name!r}{did_you_mean(name, declared)}")
    return {name: Parameter(name, declaration).read(given.get(name)) for name, declaration in declared.items()}


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a sentence: the names that are near, or all of them."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(name.lower(), by_lower, n=3)
    if near:
        return f"; did you mean {' or '.join(by_lower[candidate] for candidate in near)}?"
    return f"; it has {', '.join(sorted(by_lower.values())) or 'none'}"


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _range(low: object, high: object, noun: str) -> str:
    if low is None:
        return f"{noun} of at most {high}"
    if high is None:
        return f"{noun} of at least {low}"
    return f"{noun} from {low} to {high}"
