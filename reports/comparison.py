"""Two runs, or two groups of repeats, side by side: which differences exceed the noise.

With repeats on a side the noise is that between runs (reports.comparison_between). With one run a side only that within
a run can be known (reports.comparison_within). Either way every figure that is tested is tested among all others: p is
adjusted by Holm's method, so that two sides without any difference are called different in one comparison of twenty.
What must be 0 is not tested: one lost request is a fault, whatever the noise.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from pipeline.run import RunError
from reports import findings
from reports.comparison_between import between
from reports.comparison_evidence import CONFIDENCE, Evidence, NoEvidence, holm
from reports.comparison_requests import requests
from reports.comparison_within import within_count, within_quantile
from reports.flat import flat
from reports.key_figures import KeyFigure, Kind, entries, key_figures
from reports.scorecard import scorecard

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pipeline.run import RunFolder
    from reports.findings import Findings

# What of a workload says nothing of its load: it is settings, or words. Buffers that only one run had are left out.
_NO_LOAD: Final = ("name", "why", "buffers", "patterns", "local")


class NotComparableError(Exception):
    """The sides cannot be compared; the text says why, and what to do."""


class Verdict(StrEnum):
    """What is said of one figure."""

    WORSE = "worse"
    BETTER = "better"
    WITHIN_NOISE = "within the noise"
    SAME = "the same"
    NOT_CALLED = "not called"


class Method(StrEnum):
    """By what noise the differences were judged."""

    BETWEEN_RUNS = "between runs"
    WITHIN_RUN = "within a run"


@dataclass(frozen=True, slots=True)
class Side:
    """One run or some repeats of it. `left_out` says of each repeat that does not count why."""

    name: str
    runs: "tuple[Findings, ...]"
    left_out: tuple[str, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """The runs that count."""
        return tuple(run.run.id for run in self.runs)


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure of one buffer, or way, on both sides: a value a run, None where the run has none.

    `p` allows for how many figures were tested; None where none was. `why` says what a verdict without a test rests on.
    """

    way: str
    figure: KeyFigure
    a: tuple[float | None, ...]
    b: tuple[float | None, ...]
    evidence: Evidence | None
    p: float | None
    verdict: Verdict
    why: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is to be said of A and B. `margin` is the share by which a figure may grow without being called worse.

    `settings` are those that differ, as (name, A's, B's). `only` are the ways that one side alone had.
    """

    a: Side
    b: Side
    method: Method
    margin: float
    figures: tuple[Compared, ...]
    settings: tuple[tuple[str, str, str], ...]
    only: tuple[str, ...]

    def those(self, verdict: Verdict) -> tuple[Compared, ...]:
        """The figures of a verdict."""
        return tuple(one for one in self.figures if one.verdict is verdict)

    @property
    def tested(self) -> int:
        """How many figures the p of each allows for."""
        return sum(one.p is not None for one in self.figures)

    @property
    def worse(self) -> bool:
        """Whether B is worse than A in anything, beyond the noise."""
        return bool(self.those(Verdict.WORSE))


def side(name: str, folders: "Sequence[RunFolder]", read: "Callable[[RunFolder], Findings]" = findings.find) -> Side:
    """Read a side. Repeats that are not valid are left out, and named.

    Raises:
        NotComparableError: no run of it is valid.
    """
    valid, left_out = [], []
    for folder in folders:
        try:
            run = read(folder)
        except RunError as error:
            left_out.append(str(error))
            continue
        if run.valid:
            valid.append(run)
        else:
            left_out.append(f"{run.run.id} is not valid: {'; '.join(run.invalid_because) or 'it does not say why'}")
    if not valid:
        raise NotComparableError("; ".join(left_out))
    return Side(name, tuple(valid), tuple(left_out))


def compare(a: Side, b: Side, margin: float = 0.0) -> Comparison:
    """Compare B with A.

    Raises:
        NotComparableError: they were not given the same load, are of different targets, share a run, or nothing that
            they have in common can be told apart from noise.
    """
    _refuse(a, b)
    cards = [[scorecard(run) for run in one.runs] for one in (a, b)]
    of_a, of_b = (entries(card[0]) for card in cards)
    common = [way for way in of_a if way in of_b]
    if not common:
        raise NotComparableError(f"they have no buffer in common: {', '.join(of_a)} and {', '.join(of_b)}")
    single = len(a.runs) == len(b.runs) == 1
    untested = []
    for way in common:
        for figure in key_figures(cards[0][0]):
            values = [tuple(figure.of(entries(card).get(way, {})) for card in sides) for sides in cards]
            untested.append(_weighed(a, b, way, figure, values[0], values[1], margin, single=single))
    figures = _judged([one for one in untested if one is not None])
    if not any(one.verdict in (Verdict.WORSE, Verdict.BETTER, Verdict.WITHIN_NOISE) for one in figures):
        uncalled = [one for one in figures if one.verdict is Verdict.NOT_CALLED]
        if uncalled:
            raise NotComparableError(
                f"no difference can be told from noise. {uncalled[0].way}, {uncalled[0].figure.title}: "
                + uncalled[0].why
                + (f" (and so for {len(uncalled) - 1} more)" if len(uncalled) > 1 else "")
            )
    return Comparison(
        a=a,
        b=b,
        method=Method.WITHIN_RUN if single else Method.BETWEEN_RUNS,
        margin=margin,
        figures=tuple(figures),
        settings=tuple(_differing(_settings(a.runs[0]), _settings(b.runs[0]))),
        only=tuple(f"{way} ran in {name} only" for name, ways, others in (("A", of_a, of_b), ("B", of_b, of_a))
                   for way in ways if way not in others),
    )  # fmt: skip


def _refuse(a: Side, b: Side) -> None:
    shared = set(a.ids) & set(b.ids)
    if shared:
        raise NotComparableError(f"{', '.join(sorted(shared))} is on both sides: a run does not differ from itself")
    targets = {run.run.target for one in (a, b) for run in one.runs}
    if len(targets) > 1:
        raise NotComparableError(
            f"they ran on different targets ({', '.join(sorted(map(str, targets)))}): what differs is the target"
        )
    first = a.runs[0]
    for run in (*a.runs, *b.runs):
        differing = list(_differing(_load(first), _load(run)))
        if differing:
            told = "; ".join(f"{name}: {ours} and {theirs}" for name, ours, theirs in differing)
            raise NotComparableError(
                f"{first.run.id} and {run.run.id} were not given the same load ({told}); run the same workload again"
            )


def _load(run: "Findings") -> dict[str, str]:
    load = {name: value for name, value in run.run.workload.items() if name not in _NO_LOAD}
    return flat({**load, "seed": run.run.seed})


def _settings(run: "Findings") -> dict[str, str]:
    generator = {"workers": run.run.generator.get("workers")}
    local = run.run.workload.get("local") or {}
    return flat(
        {"options": dict(run.run.options), "local": local, "generator": generator, "versions": dict(run.run.versions)}
    )


def _differing(a: "Mapping[str, str]", b: "Mapping[str, str]") -> "list[tuple[str, str, str]]":
    names = dict.fromkeys((*a, *b))
    absent = "not set"
    return [(name, a.get(name, absent), b.get(name, absent)) for name in names if a.get(name) != b.get(name)]


def _weighed(
    a: Side,
    b: Side,
    way: str,
    figure: KeyFigure,
    of_a: tuple[float | None, ...],
    of_b: tuple[float | None, ...],
    margin: float,
    *,
    single: bool,
) -> "tuple[Compared, Evidence | NoEvidence | Verdict] | None":
    """One figure with what speaks for a difference in it; None if neither side has it."""
    known_a, known_b = ([value for value in values if value is not None] for values in (of_a, of_b))
    if not known_a and not known_b:
        return None
    compared = Compared(way, figure, of_a, of_b, None, None, Verdict.NOT_CALLED)
    if not known_a or not known_b:
        return compared, NoEvidence(f"only {'A' if known_a else 'B'} has it")
    if set(known_a) == set(known_b) and len(set(known_a)) == 1:
        return compared, Verdict.SAME
    if figure.kind is Kind.MUST_BE_ZERO and not (any(known_a) and any(known_b)):
        return compared, Verdict.WORSE if any(known_b) else Verdict.BETTER
    if single:
        return compared, _within(a.runs[0], b.runs[0], way, figure, margin)
    return compared, between(known_a, known_b, figure.kind, margin)


def _within(a: "Findings", b: "Findings", way: str, figure: KeyFigure, margin: float) -> Evidence | NoEvidence:
    ours, theirs = requests(a.rows, way, figure), requests(b.rows, way, figure)
    if ours is None or theirs is None:
        return NoEvidence("a run has one number of it, and only repeats say how far it varies")
    if figure.p is not None:
        return within_quantile(ours, theirs, figure.p, margin)
    return within_count(ours, theirs, margin)


def _judged(weighed: "list[tuple[Compared, Evidence | NoEvidence | Verdict]]") -> "list[Compared]":
    adjusted = iter(holm([found.p for _, found in weighed if isinstance(found, Evidence)]))
    figures = []
    for one, found in weighed:
        p, evidence = None, None
        if isinstance(found, Evidence):
            p, evidence = next(adjusted), found
            called = Verdict.WORSE if found.change > 0 else Verdict.BETTER
            verdict, why = called if p <= 1 - CONFIDENCE else Verdict.WITHIN_NOISE, ""
        elif isinstance(found, NoEvidence):
            verdict, why = Verdict.NOT_CALLED, found.why
        else:
            verdict, why = found, "must be 0" if found is not Verdict.SAME else ""
        figures.append(Compared(one.way, one.figure, one.a, one.b, evidence, p, verdict, why))
    return figures
