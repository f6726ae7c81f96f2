"""The operations of a service, compiled from botocore's own model: what a request must look like, and how it is read.

botocore carries every service's shapes with their types and constraints (required, length, range, pattern, enum), so
none of them is written down here a second time. Walking the model for each request would cost more than the request;
so each operation's input is compiled once into nested functions.
"""

import base64
import binascii
import re
from collections.abc import Callable
from functools import cache, cached_property
from typing import Any

from botocore.loaders import create_loader
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StringShape, StructureShape

from local.service_error import ConstraintError, MalformedError, MissingError

# How a value is read: the value, where it stands, and the list that takes broken constraints.
Read = Callable[[Any, str, list[str]], Any]

MAX_INTEGER = 2**63 - 1


class Operation:
    """One operation of a service."""

    def __init__(self, model: OperationModel, *, check_enums: bool) -> None:
        self._check_enums = check_enums
        self.name = model.name
        self.input = model.input_shape
        self.output = model.output_shape

    def read(self, body: Any) -> dict[str, Any]:
        """Read a request's body, as JSON holds it: blobs become bytes, unknown members are left out, as AWS does.

        Raises:
            MalformedError: a value has the wrong type.
            MissingError: a required member is missing; the first that is.
            ConstraintError: values break the model's constraints.
        """
        problems: list[str] = []
        values: dict[str, Any] = self._read(body, "", problems)
        if problems:
            raise ConstraintError(problems)
        return values

    @cached_property
    def _read(self) -> Read:
        if self.input is None:
            return lambda _value, _path, _problems: {}
        return _Compiler(check_enums=self._check_enums).reader(self.input)


class ApiModel:
    """A service by botocore's name for it.

    `check_enums` is for services that hold to the enums of their model; SQS's gives ReceiveMessage's AttributeNames the
    names of a queue's attributes.
    """

    def __init__(self, service: str, *, check_enums: bool = True) -> None:
        self._check_enums = check_enums
        self._model = _service_model(service)
        self.target_prefix: str = self._model.metadata.get("targetPrefix", "")
        self.version: str = self._model.api_version
        self.operations = frozenset(self._model.operation_names)

    def operation(self, name: str) -> Operation:
        """An operation the model has; KeyError if it has none of that name."""
        if name not in self.operations:
            raise KeyError(name)
        return Operation(self._model.operation_model(name), check_enums=self._check_enums)

    def enum(self, shape: str) -> frozenset[str]:
        """The values of an enum, by its shape's name."""
        values: list[str] = self._model.shape_for(shape).metadata["enum"]
        return frozenset(values)


@cache
def _service_model(service: str) -> ServiceModel:
    # Not by a session, which reads the user's own profile and will not go on without it.
    return ServiceModel(create_loader().load_service_model(service, "service-2"), service)


class _Compiler:
    """Makes readers of shapes."""

    def __init__(self, *, check_enums: bool) -> None:
        self._check_enums = check_enums

    def reader(self, shape: Shape) -> Read:
        match shape:
            case StructureShape():
                return self._structure(shape)
            case ListShape():
                return self._list(shape)
            case MapShape():
                return self._map(shape)
        match shape.type_name:
            case "string":
                return self._string(shape)
            case "blob":
                return _blob_reader(shape)
            case "integer" | "long":
                return _integer_reader(shape)
            case "boolean":
                return _read_boolean
            case "timestamp" | "double" | "float":
                return _read_number
        raise NotImplementedError(f"the shape {shape.name} is a {shape.type_name}")

    def _structure(self, shape: StructureShape) -> Read:
        members = [(name, _java_name(name), self.reader(member)) for name, member in shape.members.items()]
        required = [(name, _java_name(name)) for name in shape.required_members]

        def read(value: Any, path: str, problems: list[str]) -> dict[str, Any]:
            if type(value) is not dict:
                raise MalformedError(_unexpected(value, "Structure"))
            prefix = f"{path}." if path else ""
            values = {}
            for name, java_name, read_member in members:
                member = value.get(name)
                if member is not None:
                    values[name] = read_member(member, prefix + java_name, problems)
            for name, java_name in required:
                if name not in values:
                    raise MissingError(prefix + java_name, name)
            return values

        return read

    def _list(self, shape: ListShape) -> Read:
        read_member = self.reader(shape.member)
        check = _length_check(shape)

        def read(value: Any, path: str, problems: list[str]) -> list[Any]:
            if type(value) is not list:
                raise MalformedError(_unexpected(value, "List"))
            if not check(len(value), lambda: "list", path, problems):
                return []
            return [
                read_member(member, f"{path}.{number}.member", problems)
                for number, member in enumerate(value, 1)
                if member is not None
            ]

        return read

    def _map(self, shape: MapShape) -> Read:
        read_key = self.reader(shape.key)
        read_value = self.reader(shape.value)

        def read(value: Any, path: str, problems: list[str]) -> dict[str, Any]:
            if type(value) is not dict:
                raise MalformedError(_unexpected(value, "Map"))
            return {
                read_key(key, f"{path}.key", problems): read_value(member, f"{path}.{key}.member", problems)
                for key, member in value.items()
                if member is not None
            }

        return read

    def _string(self, shape: Shape) -> Read:
        check_length = _length_check(shape)
        pattern = shape.metadata.get("pattern")
        matches = re.compile(pattern).fullmatch if pattern else None
        allowed = shape.enum if self._check_enums and isinstance(shape, StringShape) else []

        def read(value: Any, path: str, problems: list[str]) -> str:
            if type(value) is not str:
                raise MalformedError(_unexpected(value, "String"))
            if not value.isascii():
                try:
                    value.encode()
                except UnicodeEncodeError:
                    raise MalformedError("Unpaired surrogate in a string") from None
            if not check_length(len(value), lambda: value, path, problems):
                return value
            if matches is not None and not matches(value):
                problems.append(_problem(value, path, f"Member must satisfy regular expression pattern: {pattern}"))
            if allowed and value not in allowed:
                problems.append(_problem(value, path, f"Member must satisfy enum value set: [{', '.join(allowed)}]"))
            return value

        return read


def _blob_reader(shape: Shape) -> Read:
    check_length = _length_check(shape)

    def read(value: Any, path: str, problems: list[str]) -> bytes:
        if type(value) is not str:
            raise MalformedError(_unexpected(value, "Blob"))
        try:
            data = base64.b64decode(value, validate=True)
        except ValueError as error:
            reason = str(error) if isinstance(error, binascii.Error) else "not ASCII"
            raise MalformedError(f"Invalid base64 at '{path}': {reason}") from None
        size = len(data)
        check_length(size, lambda: f"java.nio.HeapByteBuffer[pos=0 lim={size} cap={size}]", path, problems)
        return data

    return read


def _integer_reader(shape: Shape) -> Read:
    low = shape.metadata.get("min")
    high = shape.metadata.get("max")

    def read(value: Any, path: str, problems: list[str]) -> int:
        if type(value) is float and value.is_integer():
            value = int(value)
        if type(value) is not int or abs(value) > MAX_INTEGER:
            raise MalformedError(_unexpected(value, "Integer"))
        if low is not None and value < low:
            problems.append(_problem(value, path, f"Member must have value greater than or equal to {low}"))
        if high is not None and value > high:
            problems.append(_problem(value, path, f"Member must have value less than or equal to {high}"))
        return value

    return read


def _read_boolean(value: Any, _path: str, _problems: list[str]) -> bool:
    if type(value) is not bool:
        raise MalformedError(_unexpected(value, "Boolean"))
    return value


def _read_number(value: Any, _path: str, _problems: list[str]) -> float:
    if type(value) not in (int, float) or abs(value) > MAX_INTEGER:
        raise MalformedError(_unexpected(value, "Timestamp"))
    return float(value)


def _length_check(shape: Shape) -> Callable[[int, Callable[[], str], str, list[str]], bool]:
    low = shape.metadata.get("min", 0)
    high = shape.metadata.get("max", MAX_INTEGER)

    def check(length: int, shown: Callable[[], str], path: str, problems: list[str]) -> bool:
        if length > high:
            problems.append(_problem(shown(), path, f"Member must have length less than or equal to {high}"))
        elif length < low:
            problems.append(_problem(shown(), path, f"Member must have length greater than or equal to {low}"))
        else:
            return True
        return False

    return check


def _problem(value: object, path: str, constraint: str) -> str:
    return f"Value '{str(value)[:1024]}' at '{path}' failed to satisfy constraint: {constraint}"


def _unexpected(value: object, wanted: str) -> str:
    match value:
        case dict():
            return "Start of structure or map found where not expected."
        case list():
            return "Start of list found where not expected."
        case bool():
            found = "TRUE_VALUE" if value else "FALSE_VALUE"
        case str():
            found = "STRING_VALUE"
        case int() | float():
            found = "NUMBER_VALUE"
        case _:
            found = "NULL_VALUE"
    return f"{found} cannot be converted to {wanted}"


def _java_name(name: str) -> str:
    return name[:1].lower() + name[1:]
