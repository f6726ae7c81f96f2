"""The files of workloads: which there are, and what of one makes its arrivals. The rest of it is the load test's."""

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pipeline.arrivals import poisson
from pipeline.document import DocumentError, parse
from pipeline.rate import Knot, Rate

if TYPE_CHECKING:
    from array import array

    from pipeline.document import Value

WORKLOADS: Final = Path(__file__).parents[1] / "loadtest" / "workloads"
# More would not fit one process' memory with room to spare; such loads are for several workers.
MOST_ARRIVALS: Final = 5_000_000


class WorkloadError(ValueError):
    """A workload that is not there or not as it should be; the text names file, line, key and fault."""


def find(name_or_file: str, beside: Path = Path()) -> Path:
    """The workload's file: Forebay's own of that name, or the file, if relative then from the folder `beside`.

    Raises:
        WorkloadError: there is none.
    """
    own = WORKLOADS / f"{name_or_file}.yaml"
    if own.is_file():
        return own
    path = beside / name_or_file
    if path.is_file():
        return path
    names = sorted(file.stem for file in WORKLOADS.glob("*.yaml"))
    near = get_close_matches(name_or_file, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}, or give a file."
    raise WorkloadError(f"there is no workload {name_or_file!r}: {hint}")


def read_rate(value: "Value", most: float) -> Rate:
    """Read the knots of a rate that brings `most` arrivals at the most.

    Raises:
        DocumentError: they are no rate, or one of too many arrivals or none.
    """
    knots: list[Knot] = []
    for item in value.items():
        pair = item.items()
        if len(pair) != 2:
            raise item.error(f"it has {len(pair)} numbers, not two: [second, requests_per_s]")
        knot = Knot(pair[0].number(), pair[1].number())
        if not knots and knot.second != 0:
            raise item.error("the first knot is not at second 0")
        if knots and knot.second < knots[-1].second:
            raise item.error(f"second {knot.second:g} comes after second {knots[-1].second:g}")
        knots.append(knot)
    if len(knots) < 2:
        raise value.error("it needs two knots at least: [[0, 10], [30, 10]] is 10 requests/s for 30 s")
    rate = Rate(knots)
    if rate.total < 1:
        raise value.error("not one arrival is to be expected of it")
    if rate.total > most:
        raise value.error(f"it brings about {rate.total:,.0f} arrivals; {most:,} are the most")
    return rate


def arrival_times(path: Path) -> "array[float]":
    """The times at which a load test of that file sends, in seconds since its start, ascending.

    Raises:
        WorkloadError: it cannot be read, or has no seed and rate.
    """
    try:
        values = parse(path.read_text(encoding="utf-8"), str(path)).keys(required=("seed", "rate"))
        return poisson(read_rate(values["rate"], most=MOST_ARRIVALS), values["seed"].whole())
    except (OSError, UnicodeDecodeError) as error:
        raise WorkloadError(f"the workload {path} cannot be read: {error}") from None
    except DocumentError as error:
        raise WorkloadError(str(error)) from None
