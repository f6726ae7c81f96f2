"""SQS's messages on the wire: how one is read from a request and checked, and how it is given out."""

import hashlib
import re
from collections.abc import Callable, Collection, Container
from typing import Any

from local.events import system_attributes
from local.fifo_queue import FifoQueue
from local.message_attribute import (
    InvalidAttributeError,
    MessageAttribute,
    md5_of,
    read_attributes,
    write_attributes,
)
from local.queue import Message, Queue, Received, Sending
from local.service_error import ServiceError
from local.sqs_error import invalid, missing, too_long

# API:SendMessage: what a message may have.
ATTRIBUTES = 10
MAX_DELAY = 900
# The ASCII characters that are none of XML's.
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r"))
_NAME = re.compile(r"[!-~]{1,128}")


def read_sending(values: dict[str, Any], queue: Queue) -> Sending:
    """Read a SendMessage request or an entry of a batch.

    Raises:
        ServiceError: SQS would not take it.
    """
    body: str = values["MessageBody"]
    if not body:
        raise missing("MessageBody")
    group_id = _read_name(values, "MessageGroupId")
    fifo = isinstance(queue, FifoQueue)
    # A FIFO queue's messages are delayed by the queue alone; a standard one takes groups (fair queues), no more.
    foreign = "DelaySeconds" if fifo else "MessageDeduplicationId"
    if foreign in values:
        raise invalid(
            f"Value {values[foreign]} for parameter {foreign} is invalid. Reason: "
            "The request include parameter that is not valid for this queue type."
        )
    if fifo and group_id is None:
        raise missing("MessageGroupId")
    raw = values.get("MessageAttributes", {})
    if len(raw) > ATTRIBUTES:
        raise invalid(f"Number of message attributes [{len(raw)}] exceeds the allowed maximum [{ATTRIBUTES}].")
    try:
        attributes = read_attributes(raw)
    except InvalidAttributeError as error:
        raise invalid(str(error)) from None
    texts = [body, *(attribute.value for attribute in attributes.values() if isinstance(attribute.value, str))]
    if not all(map(_is_xml, texts)):
        raise ServiceError(
            "InvalidMessageContents",
            "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | "
            "#xE000 to #xFFFD | #x10000 to #x10FFFF",
        )
    sending = Sending(
        body=body,
        attributes=attributes,
        trace_header=values.get("MessageSystemAttributes", {}).get("AWSTraceHeader", {}).get("StringValue"),
        group_id=group_id,
        deduplication_id=_deduplication_id(values, body, queue) if fifo else None,
        delay=read_seconds(values, "DelaySeconds", MAX_DELAY),
    )
    if sending.size > queue.settings.maximum_message_size:
        raise too_long(queue)
    return sending


def _read_name(values: dict[str, Any], name: str) -> str | None:
    value: str | None = values.get(name)
    if value is not None and _NAME.fullmatch(value) is None:
        raise invalid(
            f"Value {value} for parameter {name} is invalid. Reason: {name} can only include alphanumeric and "
            "punctuation characters. 1 to 128 in length."
        )
    return value


def _deduplication_id(values: dict[str, Any], body: str, queue: Queue) -> str:
    given = _read_name(values, "MessageDeduplicationId")
    if given is not None:
        return given
    if queue.settings.content_based_deduplication:
        return hashlib.sha256(body.encode()).hexdigest()
    raise invalid(
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
    )


def _is_xml(text: str) -> bool:
    # Half of what a large message costs, if it is done by a regular expression. Surrogates were refused before.
    data = text.encode()
    return len(data.translate(None, _CONTROLS)) == len(data) and "\ufffe" not in text and "\uffff" not in text


def size_of(entry: dict[str, Any]) -> int:
    """Bytes of a batch's entry, as far as it can be read."""
    try:
        attributes = read_attributes(entry.get("MessageAttributes", {}))
    except InvalidAttributeError:
        attributes = {}
    return Sending(entry["MessageBody"], attributes).size


def write_sent(message: Message) -> dict[str, Any]:
    """The answer to a message that was taken in."""
    sent: dict[str, Any] = {"MessageId": message.message_id, "MD5OfMessageBody": message.md5_of_body}
    if message.md5_of_attributes is not None:
        sent["MD5OfMessageAttributes"] = message.md5_of_attributes
    if message.sequence_number is not None:
        sent["SequenceNumber"] = message.sequence_number
    if message.sending.trace_header is not None:
        header = MessageAttribute("String", message.sending.trace_header)
        sent["MD5OfMessageSystemAttributes"] = md5_of({"AWSTraceHeader": header})
    return sent


def write_received(
    received: Received, queue: Queue, system: Container[str], wanted: Callable[[str], bool]
) -> dict[str, Any]:
    """A message as ReceiveMessage gives it, with the attributes asked for."""
    message = received.message
    given: dict[str, Any] = {
        "MessageId": message.message_id,
        "ReceiptHandle": received.receipt_handle,
        "MD5OfBody": message.md5_of_body,
        "Body": message.sending.body,
    }
    known = system_attributes(received, queue.arn)
    attributes = known if "All" in system else {name: value for name, value in known.items() if name in system}
    if attributes:
        given["Attributes"] = attributes
    own = {name: attribute for name, attribute in message.sending.attributes.items() if wanted(name)}
    if own:
        given["MessageAttributes"] = write_attributes(own)
        given["MD5OfMessageAttributes"] = md5_of(own)
    return given


def attribute_filter(names: Collection[str]) -> Callable[[str], bool]:
    """Which attributes a receive asks for: All or .*, a name, or a prefix and .* (API:ReceiveMessage)."""
    if "All" in names or ".*" in names:
        return lambda _name: True
    exact = frozenset(names)
    prefixes = tuple(name.removesuffix(".*") for name in names if name.endswith(".*"))
    return lambda name: name in exact or name.startswith(prefixes)


def read_seconds(values: dict[str, Any], name: str, most: int) -> int | None:
    """A time of a request, 0 to `most` seconds; None if it is not given.

    Raises:
        ServiceError: it is out of range.
    """
    value: int | None = values.get(name)
    if value is not None and not 0 <= value <= most:
        raise invalid(
            f"Value {value} for parameter {name} is invalid. Reason: Must be between 0 and {most}, if provided."
        )
    return value
