"""The cells of a fault matrix: of each what became of its requests, and whether it was as expected."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pipeline.expectation import Expectation, ExpectationError, Whole
from pipeline.run import RunError
from reports.accounting import Account, account
from reports.joined import Joined, join

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.run import RunFolder

KIND: Final = "faults"
# A healthy request is hit by the blast if it was this much later than without the fault (ms).
BLAST_MS: Final = 5_000.0
# DuckDB does not know what an empty list is one of.
_NOBODY: Final = [-1]

# Healthy requests: those the fault was not meant for. One that was given up, or left when its buffer had drained, is
# later than any bound; one whose run was cut off, or that was refused as an image, is not late because of others.
_BLAST: Final = """
SELECT count(*) AS hit FROM joined AS struck
LEFT JOIN joined AS quiet ON quiet.buffer = $compared_with AND quiet.sequence = struck.sequence
WHERE struck.buffer = $cell AND NOT list_contains($bad, struck.sequence) AND (
    struck.outcome IN ('dead_lettered', 'lost')
    OR struck.outcome = 'completed' AND struck.latency_ms - coalesce(quiet.latency_ms, 0) > $blast_ms
)
"""
# When the last request that was due before the fault's end had its end: a result, or a dead letter, of which is known
# when they were counted.
_RECOVERED: Final = """
SELECT greatest(
    (SELECT max(stored_at) FROM joined WHERE buffer = $cell AND intended_at <= $until),
    (SELECT min(observations.at) FROM observations WHERE buffer = $cell AND dead_lettered > 0 AND dead_lettered =
        (SELECT max(dead_lettered) FROM observations WHERE buffer = $cell))
) AS recovered_at
"""


@dataclass(frozen=True, slots=True)
class FaultCell:
    """One fault at one rate through one buffer. `told` is what the run says of it.

    `differing` are the figures that are not as expected. A time is None where no fault happened.
    """

    told: "Mapping[str, Any]"
    account: Account
    visible_duplicates: int
    blast_radius: int
    recovery_s: float | None
    figures: "Mapping[str, float | None]"
    differing: tuple[str, ...]

    @property
    def as_expected(self) -> bool:
        """Whether every figure is, and nothing was lost or seen twice."""
        return not self.differing

    @property
    def is_quiet(self) -> bool:
        """Whether it is one without a fault, which others are compared with."""
        return self.told.get("compared_with") is None


@dataclass(frozen=True, slots=True)
class FaultFindings:
    """A whole run of the matrix. `quiet` are the cells without a fault."""

    run: "Mapping[str, Any]"
    cells: tuple[FaultCell, ...]
    quiet: tuple[FaultCell, ...]
    rows: Joined

    @property
    def lost(self) -> int:
        """Accepted requests of which nothing is known, in all cells."""
        return sum(cell.account.lost for cell in (*self.cells, *self.quiet))

    @property
    def visible_duplicates(self) -> int:
        """What clients could see twice, in all cells."""
        return sum(cell.visible_duplicates for cell in (*self.cells, *self.quiet))

    @property
    def accepted(self) -> int:
        """Requests answered 202, in all cells."""
        return sum(cell.account.accepted for cell in (*self.cells, *self.quiet))


def is_one(folder: "RunFolder") -> bool:
    """Whether a run's folder is that of a fault matrix."""
    return folder.described().get("kind") == KIND


def find(folder: "RunFolder") -> FaultFindings:
    """Read a run of the matrix and examine its cells.

    Raises:
        RunError: the folder holds none, or a damaged one.
    """
    run = folder.described()
    told = run.get("cells")
    if not isinstance(told, list) or not told:
        raise RunError(f"{folder.path} holds no cell: no fault was tried to its end")
    try:
        rows = join(folder, {cell["cell"]: bool(cell["drained"]) for cell in told})
        cells = [_cell(cell, rows) for cell in told]
    except (KeyError, TypeError, ExpectationError) as error:
        raise RunError(f"{folder.description} does not describe its cells as this program does: {error!r}") from None
    return FaultFindings(
        run=run,
        cells=tuple(cell for cell in cells if not cell.is_quiet),
        quiet=tuple(cell for cell in cells if cell.is_quiet),
        rows=rows,
    )


def _cell(told: "Mapping[str, Any]", rows: Joined) -> FaultCell:
    name = told["cell"]
    found = account(rows.rows(name))
    twice = rows.frame("SELECT count(*) AS twice FROM joined WHERE buffer = $cell AND results > 1", cell=name)
    seen_twice = len(told["changes"]) + int(twice.twice.iloc[0])
    blast = 0
    if told["compared_with"] is not None:
        blast = int(
            rows.frame(
                _BLAST, cell=name, compared_with=told["compared_with"], bad=told["bad"] or _NOBODY, blast_ms=BLAST_MS
            ).hit.iloc[0]
        )
    recovery_s = _recovery_s(told, rows)
    figures: dict[str, float | None] = {
        "completed": found.completed,
        "failed": found.failed,
        "dead_lettered": found.dead_lettered,
        "rejected": found.refused,
        "unfinished": found.unfinished,
        "blast_radius": blast,
        "recovery_s": recovery_s,
        "struck": told["struck"],
        "orphans": told["orphans"],
        "lost": found.lost,
        "visible_duplicates": seen_twice,
    }
    whole = Whole(accepted=found.accepted, bad=len(told["bad"]), doomed=told["doomed"])
    expected = {**told["expected"], "lost": "0", "visible_duplicates": "0"}
    differing = [
        figure for figure, text in expected.items() if not Expectation.parse(text).holds(figures[figure], whole)
    ]
    return FaultCell(
        told=told,
        account=found,
        visible_duplicates=seen_twice,
        blast_radius=blast,
        recovery_s=recovery_s,
        figures=figures,
        differing=tuple(differing),
    )


def _recovery_s(told: "Mapping[str, Any]", rows: Joined) -> float | None:
    until = told["fault_until"]
    if until is None:
        return None
    at = rows.frame(_RECOVERED, cell=told["cell"], until=until).recovered_at.iloc[0]
    if at is None or math.isnan(at):
        # Nothing of it has ended.
        return None
    recovered: float = round((float(at) - until) / 1_000, 1)
    return max(0.0, recovered)
