"""Why cells of the calibration fail: by group and row, in words. One that fails without a word here is a fault."""

from collections.abc import Iterable, Mapping
from typing import Final

_DIFFERENCE: Final = (
    "A pull's drain is a difference, of what the spike brings and what the handlers get through: simulated with 3 % "
    "more or less time a record, it is some 10 % longer or shorter, and so is P50. Which batch met the long times, and "
    "when other programs slowed the machine's other times, is not given, and moves it as much."
)
_REASONS: Final[Mapping[tuple[str, str], str]] = {
    ("embedded", "sqs"): _DIFFERENCE,
    ("embedded", "kinesis"): _DIFFERENCE,
    ("embedded", "kinesis-efo"): _DIFFERENCE,
    ("embedded", "sns"): (
        "The median lies in a gap. Hardly a record is done between 6.7 s and 10 s, before and after most of those that "
        "were throttled wake up again: the 48th percentile is 6.6 s, the 52nd 10 s. Which side of it the median falls, "
        "a few records decide; the simulated runs reach over the whole gap, and P90 and drain are not touched."
    ),
    ("trigger_bench", "sqs"): (
        "X-Ray's span runs from the sending function to the receiver's own segment, in another Region and year: seven "
        "times the first table for the same trigger, and no transit holds both. For a cautious plan give "
        "`transit_ms: {p50: 111, p99: 267}`."
    ),
    ("trigger_bench", "api-gateway-to-lambda"): "A synchronous call has no buffer, and the simulator no such way.",
    ("cold_start", "python3.13"): (
        "Most starts lie closer together than in a lognormal of this P99, and a few are much slower than all others. "
        "The model's P90 is too long: its cold starts err on the slow side."
    ),
    ("cold_start", "python3.14"): "As 3.13, and more so.",
    ("burst", "burst-warm"): (
        "No rule of AWS slows a call down because 99 others come with it; what does was measured from outside alone. "
        "The model starts all 100 at once. Where tens of milliseconds in a warm burst count, do not rely on it."
    ),
    (
        "proxy",
        "service-proxy",
    ): "How long API Gateway takes is not modelled: it belongs to the transit, which is given.",
    ("proxy", "by-lambda"): "As above.",
}


class UnexplainedError(Exception):
    """A cell fails, and nothing says why. Find out, and write it into `simulator/calibration/reasons.py`."""


def reasons(group: str, failing: Mapping[str, Iterable[str]], names: Mapping[str, str]) -> list[str]:
    """A sentence for the rows that fail, once for those that do for the same reason.

    `failing` names the columns in which a row does, `names` how a row is called.

    Raises:
        UnexplainedError: there is none for a row.
    """
    found: dict[str, list[str]] = {}
    for row, columns in failing.items():
        if not (columns := list(columns)):
            continue
        if (group, row) not in _REASONS:
            raise UnexplainedError(
                f"{row} of {group} fails at {', '.join(columns)}, and nothing says why: find out, and write it into "
                "simulator/calibration/reasons.py"
            )
        found.setdefault(_REASONS[group, row], []).append(names[row])
    return [f"{' and '.join(rows)}: {reason}" for reason, rows in found.items()]
