"""DynamoDB's attribute values: typed values as they stand on the wire, `{"S": "text"}`, binaries as bytes.

Values are never changed in place; an item is shared between a table and the answers made of it.
"""

import base64
import binascii
import math
from collections.abc import Mapping
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation
from typing import Any, Final

from local.service_error import ServiceError

Value = Mapping[str, Any]
Item = Mapping[str, Value]

# Amazon DynamoDB developer guide, Constraints: numbers have 38 digits, magnitudes of 1E-130 to 9.99E+125; documents
# nest 32 deep.
_NUMBERS: Final = Context(prec=38, Emin=-130, Emax=125, traps=[InvalidOperation, Inexact])
_DEEPEST: Final = 32
_SETS: Final = {"SS": "S", "NS": "N", "BS": "B"}


class InvalidError(ServiceError):
    """DynamoDB's ValidationException."""

    def __init__(self, message: str) -> None:
        super().__init__("ValidationException", message)


def read_item(attributes: object) -> dict[str, Value]:
    """Read a map of attribute values off the wire.

    Raises:
        InvalidError: a value is none.
    """
    if not isinstance(attributes, dict):
        raise InvalidError("a map of attribute values is expected")
    return {name: read_value(value) for name, value in attributes.items()}


def read_value(value: object, depth: int = 0) -> Value:
    """Read one attribute value off the wire.

    Raises:
        InvalidError: it is none.
    """
    if not isinstance(value, dict) or len(value) != 1:
        raise InvalidError("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
    if depth > _DEEPEST:
        raise InvalidError("Nesting Levels have exceeded supported limits")
    ((kind, content),) = value.items()
    match kind, content:
        case "S", str():
            return {"S": _text(content)}
        case "N", str():
            return {"N": number(content)}
        case "B", str():
            return {"B": _bytes(content)}
        case "BOOL", bool():
            return {"BOOL": content}
        case "NULL", True:
            return {"NULL": True}
        case "L", list():
            return {"L": [read_value(member, depth + 1) for member in content]}
        case "M", dict():
            return {"M": {_text(name): read_value(member, depth + 1) for name, member in content.items()}}
        case "SS" | "NS" | "BS", list() if content:
            members = [read_value({_SETS[kind]: member})[_SETS[kind]] for member in content]
            if len(set(members)) < len(members):
                raise InvalidError("One or more parameter values were invalid: Input collection contains duplicates")
            return {kind: members}
    raise InvalidError(f"One or more parameter values were invalid: {kind} cannot hold {type(content).__name__}")


def number(text: str) -> str:
    """A number as DynamoDB gives it back: no exponent, no zeros at either end that say nothing.

    Raises:
        InvalidError: it is no number, or not one that DynamoDB can hold.
    """
    try:
        value = _NUMBERS.create_decimal(text.strip()) if text.isascii() and "_" not in text else Decimal("NaN")
    except DecimalException:
        value = Decimal("NaN")
    if not value.is_finite() or (value != 0 and value.adjusted() < _NUMBERS.Emin):
        raise InvalidError(
            "The parameter cannot be converted to a numeric value of 38 significant digits "
            f"and a magnitude of 1E-130 to 9.99E+125: {text[:100]}"
        )
    return "0" if value == 0 else format(value.normalize(_NUMBERS), "f")


def add_numbers(one: str, other: str, sign: int = 1) -> str:
    """The sum of two numbers, or the difference where `sign` is -1.

    Raises:
        InvalidError: it is not one that DynamoDB can hold.
    """
    try:
        return number(str(_NUMBERS.add(Decimal(one), sign * Decimal(other))))
    except DecimalException:
        raise InvalidError(
            "Number overflow. Attempting to store a number with magnitude larger than supported"
        ) from None


def kind_of(value: Value) -> str:
    """S, N, B, BOOL, NULL, L, M, SS, NS or BS."""
    return next(iter(value))


def sort_key(value: Value) -> Any:
    """What scalars of one type are ordered by: numbers by size, texts by their UTF-8, binaries by their bytes."""
    ((kind, content),) = value.items()
    match kind:
        case "N":
            return Decimal(content)
        case "S":
            return content.encode()
    return content


def equal(one: Value, other: Value) -> bool:
    """Whether two values are the same; sets have no order."""
    kind = kind_of(one)
    if kind != kind_of(other):
        return False
    if kind in _SETS:
        return set(one[kind]) == set(other[kind])
    if kind == "L":
        return len(one["L"]) == len(other["L"]) and all(map(equal, one["L"], other["L"]))
    if kind == "M":
        return one["M"].keys() == other["M"].keys() and all(
            equal(value, other["M"][name]) for name, value in one["M"].items()
        )
    return bool(one[kind] == other[kind])


def size_of(item: Item) -> int:
    """Bytes of an item as DynamoDB counts them (developer guide, CapacityUnitCalculations)."""
    return sum(len(name.encode()) + _size(value) for name, value in item.items())


def _size(value: Value) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            digits = str(content).strip("-0.").replace(".", "")
            return math.ceil(len(digits) / 2) + 1 + int(content[0] == "-")
        case "B":
            return len(bytes(content))
        case "L":
            return 3 + sum(1 + _size(member) for member in content)
        case "M":
            return 3 + sum(1 + len(name.encode()) + _size(member) for name, member in content.items())
        case "SS" | "NS" | "BS":
            return sum(_size({_SETS[kind]: member}) for member in content)
    return 1


def _text(text: object) -> str:
    if not isinstance(text, str):
        raise InvalidError("a text is expected")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidError("a text holds an unpaired surrogate") from None
    return text


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidError("a binary value is not base64") from None
