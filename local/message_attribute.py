"""Message attributes, as SQS and SNS share them: a name, a data type, and a text or bytes."""

import hashlib
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# API:MessageAttributeValue: String, Number or Binary, and a custom label after a dot.
_DATA_TYPE = re.compile(r"(String|Number|Binary)(\..+)?", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9_\-.]{1,256}")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")


class InvalidAttributeError(ValueError):
    """An attribute the services refuse; says why as they do."""


@dataclass(frozen=True, slots=True)
class MessageAttribute:
    """One attribute. A Binary one holds bytes, every other one a text."""

    data_type: str
    value: str | bytes

    @property
    def size(self) -> int:
        """Bytes it adds to its message, its name left out."""
        return len(self.data_type.encode()) + len(self.value.encode() if isinstance(self.value, str) else self.value)


Attributes = Mapping[str, MessageAttribute]


def read_attributes(values: Mapping[str, Mapping[str, Any]]) -> Attributes:
    """Read the attributes of a request.

    Raises:
        InvalidAttributeError: a name, a type or a value breaks the services' rules.
    """
    return {name: _read(name, value) for name, value in values.items()}


def write_attributes(attributes: Attributes) -> dict[str, dict[str, str | bytes]]:
    """The attributes as an answer holds them."""
    return {
        name: {
            "BinaryValue" if isinstance(attribute.value, bytes) else "StringValue": attribute.value,
            "DataType": attribute.data_type,
        }
        for name, attribute in attributes.items()
    }


def size_of(attributes: Attributes) -> int:
    """Bytes the attributes add to their message: names, types and values."""
    return sum(len(name.encode()) + attribute.size for name, attribute in attributes.items())


def md5_of(attributes: Attributes) -> str:
    """The MD5 that SQS answers with: names in order, then each part behind its length.

    The SQS developer guide gives the rule under "Calculating the MD5 message digest for message attributes".
    """
    digest = hashlib.md5(usedforsecurity=False)
    for name in sorted(attributes):
        attribute = attributes[name]
        is_binary = isinstance(attribute.value, bytes)
        value = attribute.value if isinstance(attribute.value, bytes) else attribute.value.encode()
        for part in (name.encode(), attribute.data_type.encode()):
            digest.update(struct.pack(">I", len(part)) + part)
        digest.update((b"\x02" if is_binary else b"\x01") + struct.pack(">I", len(value)) + value)
    return digest.hexdigest()


def _read(name: str, value: Mapping[str, Any]) -> MessageAttribute:
    if _NAME.fullmatch(name) is None or name.startswith(".") or name.endswith(".") or ".." in name:
        raise InvalidAttributeError(
            f"The message attribute name '{name[:256]}' is not valid. It can contain the characters A-Z, a-z, 0-9, "
            "underscore, hyphen and period, 256 at most; periods stand alone and neither first nor last."
        )
    if name.lower().startswith(("aws.", "amazon.")):
        raise InvalidAttributeError(
            f"The message attribute name '{name}' starts with a prefix that is reserved: AWS. or Amazon."
        )
    data_type: str = value["DataType"]
    match = _DATA_TYPE.fullmatch(data_type)
    if match is None or len(data_type) > 256:
        raise InvalidAttributeError(
            f"The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes "
            "is Binary, Number, and String."
        )
    wanted = "BinaryValue" if match[1] == "Binary" else "StringValue"
    content: str | bytes = value.get(wanted) or ""
    if not content:
        raise InvalidAttributeError(
            f"The message attribute '{name}' must contain non-empty message attribute value for message attribute type "
            f"'{data_type}'."
        )
    if match[1] == "Number" and isinstance(content, str) and _NUMBER.fullmatch(content) is None:
        raise InvalidAttributeError(f"Can't cast the value of message (user) attribute '{name}' to a number.")
    return MessageAttribute(data_type, content)
