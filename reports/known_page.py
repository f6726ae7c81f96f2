"""The page of a run whose clients waited for their results: what stands on it, from the findings."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.units import NOTHING, count, duration
from reports import known_verdict
from reports.doors import DOORS, polling_usd
from reports.quantiles import PERCENTILES, Quantile, Quantiles, samples_needed
from reports.way_faces import way_faces

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reports.doors import Passage
    from reports.findings import Findings
    from reports.palette import Face
    from reports.time_to_know import Knowing


@dataclass(frozen=True, slots=True)
class Cell:
    """A value, and below it in small what qualifies it."""

    value: str
    small: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a table: a way, or a door, and its cells."""

    face: "Face | None"
    title: str
    cells: "Sequence[Cell]"


def parts(findings: "Findings") -> dict[str, Any]:
    """What the template shows beside what every page does."""
    look = way_faces(findings.knowing)
    return {
        "faces": look,
        "headline": known_verdict.headline(findings),
        "load": known_verdict.load(findings),
        "closing": known_verdict.closing(findings),
        "know_lines": [_know_line(look[name], way) for name, way in findings.knowing.items()],
        "polling_lines": [
            _polling_line(look[name], way) for name, way in findings.knowing.items() if way.pattern == "polling"
        ],
        "door_lines": [_door_line(passage) for passage in findings.by_door.values()],
        "door_items": _door_items(findings.by_door),
        "account_lines": [_account_line(look[name], findings, name) for name in findings.knowing],
        "late_lines": [_late_line(look[name], findings, name) for name in findings.knowing],
        "same": _same(findings),
    }


def _know_line(face: "Face", way: "Knowing") -> Line:
    return Line(
        face,
        face.name,
        [
            *(_quantile(way.known, name) for name in ("p50", "p90", "p99")),
            Cell(duration(way.known.max), f"of {count(way.known.n)}"),
            Cell(duration(way.stored.typical)),
            Cell(duration(way.behind.typical), _most(way.behind)),
            Cell(NOTHING if way.requests_per_result is None else f"{way.requests_per_result:.2f}", _spent_on(way)),
        ],
    )


def _polling_line(face: "Face", way: "Knowing") -> Line:
    usd = polling_usd(way.asked_per_result)
    return Line(
        face,
        face.name,
        [
            Cell(duration(way.known.typical)),
            Cell(duration(way.behind.typical)),
            Cell(duration(way.behind.max)),
            Cell(NOTHING if way.asked_per_result is None else f"{way.asked_per_result:.2f}"),
            Cell(NOTHING if usd is None else f"{usd:,.2f}"),
        ],
    )


def _door_line(passage: "Passage") -> Line:
    return Line(
        None,
        DOORS[passage.door],
        [
            *(_quantile(passage.response, name) for name in ("p50", "p90", "p99")),
            Cell(duration(passage.response.max), f"of {count(passage.response.n)}"),
            Cell(count(passage.invocations)),
            Cell(NOTHING if passage.usd_per_million is None else f"{passage.usd_per_million:,.2f}"),
        ],
    )


def _door_items(by_door: "Mapping[str, Passage]") -> list[Line]:
    """The bills of the doors side by side, a line an item."""
    bills = [passage.usd for passage in by_door.values()]
    items = dict.fromkeys(item for bill in bills if bill is not None for item in bill)

    def dollars(bill: "Mapping[str, float] | None", item: str) -> Cell:
        amount = None if bill is None else bill.get(item, 0.0)
        return Cell(NOTHING if amount is None else f"{amount:,.2f}")

    return [Line(None, item, [dollars(bill, item) for bill in bills]) for item in items]


def _account_line(face: "Face", findings: "Findings", name: str) -> Line:
    account, way = findings.buffers[name].account, findings.knowing[name]
    numbers = (
        account.offered, account.offered - account.accepted, account.accepted, account.completed, account.failed,
        account.dead_lettered, account.unfinished, way.unstored, way.lost, way.known.n, way.untold, way.repeated,
    )  # fmt: skip
    return Line(face, face.name, [Cell(count(number)) for number in numbers])


def _late_line(face: "Face", findings: "Findings", name: str) -> Line:
    turn = findings.buffers[name].turn
    late = turn.lateness_ms if turn else {}
    return Line(
        face,
        face.name,
        [
            *(Cell(duration(late.get(part))) for part in ("p50", "p99", "max")),
            Cell(count(turn.dropped if turn else None)),
        ],
    )


def _same(findings: "Findings") -> str:
    same = findings.sameness
    if len(findings.knowing) < 2 or same.schedule_ms is None:
        return "Only one way was gone, so there is nothing to compare."
    if same.schedule_ms < 1 and not same.only_some and not same.other_images:
        return "Request by request, every way was sent the same image at the same moment of its turn."
    return (
        f"The schedules differ by up to {duration(same.schedule_ms)}; {count(same.only_some, 'request')} did not go "
        f"every way, and {count(same.other_images, 'request')} did not carry the same image everywhere."
    )


def _quantile(quantiles: Quantiles, name: str) -> Cell:
    quantile = quantiles[name]
    if quantile is not None:
        return Cell(duration(quantile.value), _interval(quantile))
    needed = samples_needed(PERCENTILES[name])
    if quantiles.n + quantiles.endless < needed:
        return Cell(NOTHING, f"needs {needed:,}")
    return Cell("never", f"{count(quantiles.endless)} never knew")


def _interval(quantile: Quantile) -> str:
    low = "0" if quantile.low is None else duration(quantile.low)
    return f"{low} to {'never' if quantile.high is None else duration(quantile.high)}"


def _most(quantiles: Quantiles) -> str:
    return f"at most {duration(quantiles.max)}" if quantiles.max is not None else ""


def _spent_on(way: "Knowing") -> str:
    return f"with {count(way.connections, 'connection')}" if way.connections else ""
