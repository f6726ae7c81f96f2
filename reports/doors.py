"""The doors into a buffer, compared: straight from API Gateway, and by way of the request handler, a function."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline.prices import PRICES
from reports.quantiles import Quantiles, measure

if TYPE_CHECKING:
    from reports.description import Description
    from reports.joined import Joined

DOORS: Final = {
    "proxy": "straight from API Gateway",
    "handler": "by the request handler",
}
_MILLION: Final = 1_000_000
_MB_A_GB: Final = 1_024
_ACCEPTED: Final = 202
# pipeline/intake.py writes a request's item before it publishes the request, and updates it after.
_HANDLER_WRITES: Final = 2


@dataclass(frozen=True, slots=True)
class Passage:
    """What it took to get in by one door; times in ms.

    `response` is the time until the 202, from the intended send, of all requests that came this way; `curve` the same
    as points (ms, share of them). `invocations` is how many times a function ran for a request. `usd` is what a
    million requests cost at the door, by item, and None where the run does not tell a function's memory: what the
    buffer and all behind it cost is the same by either.
    """

    door: str
    ways: tuple[str, ...]
    response: Quantiles
    curve: list[tuple[float, float]]
    invocations: int
    usd: Mapping[str, float] | None

    @property
    def usd_per_million(self) -> float | None:
        """US dollars for a million requests."""
        return None if self.usd is None else sum(self.usd.values())


def doors(run: "Description", joined: "Joined") -> dict[str, Passage]:
    """The doors that requests came by, over HTTP. A WebSocket has but one."""
    found = {}
    for door in DOORS:
        ways = tuple(
            turn.buffer
            for turn in run.turns
            if turn.door == door and turn.pattern in ("polling", "callback") and turn.buffer in joined.buffers
        )
        if ways:
            found[door] = _passage(run, joined, door, ways)
    return found


def _passage(run: "Description", joined: "Joined", door: str, ways: tuple[str, ...]) -> Passage:
    every = [joined.rows(way) for way in ways]
    times = np.concatenate([rows.numbers("response_ms")[rows.status == _ACCEPTED] for rows in every])
    times = times[~np.isnan(times)]
    ordered = np.sort(times)
    response = measure(times)
    return Passage(
        door=door,
        ways=ways,
        response=response,
        curve=[(float(ms), (rank + 1) / len(ordered)) for rank, ms in enumerate(ordered)],
        invocations=int(door == "handler"),
        usd=_usd(run, door, response.mean),
    )


def _usd(run: "Description", door: str, mean_ms: float | None) -> Mapping[str, float] | None:
    bill = {"API Gateway requests": PRICES["api_request"].of(_MILLION)}
    if door == "proxy":
        return bill
    parameters = run.options.get("parameters")
    memory = parameters.get("FunctionMemory") if isinstance(parameters, Mapping) else None
    if mean_ms is None or memory is None:
        return None
    # The function runs within the time until its 202, so that this is the most it can be billed for.
    gb_s = _MILLION * mean_ms / 1_000 * float(memory) / _MB_A_GB
    return bill | {
        "Lambda requests": PRICES["lambda_request"].of(_MILLION),
        "Lambda time, at most": PRICES["lambda_gb_s"].of(gb_s),
        "DynamoDB writes": PRICES["dynamodb_write"].of(_HANDLER_WRITES * _MILLION),
    }


def polling_usd(asked_per_result: float | None) -> float | None:
    """What asking costs for a million results: each question is a request to the API and a read of the table."""
    if asked_per_result is None:
        return None
    asked = asked_per_result * _MILLION
    return PRICES["api_request"].of(asked) + PRICES["dynamodb_read"].of(asked)
