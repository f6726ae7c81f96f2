"""The conclusion: the result that a request has by what recognition said of its image."""

from typing import TYPE_CHECKING

from pipeline.recognition import Recognised, Refused
from pipeline.result import Result, Status

if TYPE_CHECKING:
    from pipeline.request import Buffer, Measurement
    from pipeline.result import Passage


def concluded(
    recognition: Recognised | Refused,
    *,
    request_id: str,
    buffer: "Buffer | None",
    passage: "Passage",
    measurement: "Measurement | None",
    attach: str | None = None,
    owner: str | None = None,
) -> Result:
    """An image that was seen is a SUCCEEDED result, one that was refused a FAILED one with the reason."""
    seen = recognition if isinstance(recognition, Recognised) else None
    refused = recognition if isinstance(recognition, Refused) else None
    return Result(
        request_id=request_id,
        buffer=buffer,
        status=Status.SUCCEEDED if seen else Status.FAILED,
        labels=seen.labels if seen else (),
        reason=refused.reason if refused else None,
        model_version=seen.model_version if seen else None,
        passage=passage,
        measurement=measurement,
        attach=attach,
        owner=owner,
    )
