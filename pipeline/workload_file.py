"""The files of workloads: which there are, and what of one makes its arrivals. The rest of it is the load test's."""

from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from pipeline import document, recorded
from pipeline.arrivals import times_of
from pipeline.document import DocumentError
from pipeline.rate import Knot, Rate

if TYPE_CHECKING:
    from array import array
    from collections.abc import Mapping

    from pipeline.document import Value
    from pipeline.recorded import Recorded, Unit

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
    try:
        return document.find(name_or_file, WORKLOADS, beside)
    except DocumentError as error:
        raise WorkloadError(str(error)) from None


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


def read_load(values: "Mapping[str, Value]", whole: "Value", folder: Path, most: float) -> "Rate | Recorded":
    """Read what makes the arrivals among the keys of `whole`: its rate, or the recorded arrivals that stand for one.

    Raises:
        DocumentError: there is neither or both, or it is not as it should be.
    """
    if "arrivals" not in values:
        if "rate" not in values:
            raise whole.error("rate is missing")
        return read_rate(values["rate"], most)
    if "rate" in values:
        raise values["arrivals"].error("a workload has either a rate or recorded arrivals")
    return _read_recorded(values["arrivals"], folder, most)


def _read_recorded(value: "Value", folder: Path, most: float) -> "Recorded":
    keys = value.keys(("file", "column", "unit"), ("file", "column"))
    unit = cast("Unit", keys["unit"].choice(tuple(recorded.UNITS))) if "unit" in keys else "s"
    try:
        load = recorded.read(folder / keys["file"].text(), keys["column"].text(), unit)
    except recorded.RecordingError as error:
        raise keys["file"].error(str(error)) from None
    if load.total > most:
        raise keys["file"].error(f"it holds {load.total:,.0f} arrivals; {most:,} are the most")
    return load


def arrival_times(path: Path) -> "array[float]":
    """The times at which a load test of that file sends, in seconds since its start, ascending.

    Raises:
        WorkloadError: it cannot be read, or has no seed and no rate or recorded arrivals.
    """
    try:
        whole = document.read(path, "workload")
        values = whole.keys(required=("seed",))
        return times_of(read_load(values, whole, path.parent, most=MOST_ARRIVALS), values["seed"].whole())
    except DocumentError as error:
        raise WorkloadError(str(error)) from None
