"""What a call carries: the requests of a load test that it is about, read off it at each edge."""

import base64
import binascii
import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from local.faults.fault import Edge, Request
from local.wire import WireRequest
from pipeline.aggregation import DamagedAggregateError, deaggregate
from pipeline.image_mark import mark_of

# What stands first in a JPEG, its mark among it.
_HEAD: Final = 4 * 1_024


def requests_of_call(edge: Edge, request: WireRequest) -> Sequence[Request]:
    """The requests that a call of a service names; none where it names them in no way that is known."""
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        return ()
    if not isinstance(body, dict):
        return ()
    named = {Edge.REKOGNITION: _of_image, Edge.DYNAMODB: _of_update}.get(edge)
    found = None if named is None else named(body)
    return () if found is None else (found,)


def requests_of_event(event: bytes) -> Sequence[Request]:
    """The requests in the event of a function behind a buffer."""
    try:
        records = json.loads(event)["Records"]
        return [found for record in records for body in _bodies(record) if (found := _of_record(body)) is not None]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ()


def mark_for(request: Request) -> str:
    """The mark by which the image of a request is known."""
    run_id, number = request
    return f"{run_id}/{number}"


def _bodies(record: dict[str, Any]) -> Iterator[str | bytes]:
    if "Sns" in record:
        yield record["Sns"]["Message"]
    elif "kinesis" in record:
        try:
            yield from deaggregate(base64.b64decode(record["kinesis"]["data"]))
        except DamagedAggregateError:
            return
    else:
        yield record["body"]


def _of_record(body: str | bytes) -> Request | None:
    try:
        run = json.loads(body)["request"]["run"]
        return str(run["id"]), int(run["sequence"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _of_image(body: dict[str, Any]) -> Request | None:
    try:
        # Whole groups of base64.
        mark = mark_of(base64.b64decode(body["Image"]["Bytes"][:_HEAD]))
    except (KeyError, TypeError, binascii.Error):
        return None
    run_id, slash, number = (mark or "").rpartition("/")
    return (run_id, int(number)) if slash and number.isdecimal() else None


def _of_update(body: dict[str, Any]) -> Request | None:
    """By the values of a measured result (pipeline.results_table)."""
    try:
        values = body["ExpressionAttributeValues"]
        return values[":run_id"]["S"], int(values[":sequence"]["N"])
    except (KeyError, TypeError, ValueError):
        return None
