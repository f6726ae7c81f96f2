"""Recorded arrivals: the times at which requests came once, from a CSV or Parquet file, to be replayed."""

import csv
import math
from array import array
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Unit = Literal["s", "ms"]
UNITS: "Final[dict[Unit, float]]" = {"s": 1.0, "ms": 1e-3}
# Seconds since the epoch are no more than this before the year 11,000; of a finer unit they are more since 1979.
_MOST_S: Final = 3e11


class RecordingError(ValueError):
    """A file that holds no arrivals; the text names it, the row where there is one, and the fault."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """Arrivals as they came: seconds since the first, ascending."""

    times: "array[float]"

    @property
    def duration(self) -> float:
        """Seconds from the first arrival to the last."""
        return self.times[-1]

    @property
    def total(self) -> float:
        """The number of arrivals."""
        return float(len(self.times))


def read(path: "Path", column: str, unit: Unit = "s") -> Recorded:
    """Read a column of times, in any order: numbers of that unit, from any start, or dates with times (ISO 8601).

    Raises:
        RecordingError: the file cannot be read, lacks the column, or holds something else in it.
    """
    reader = {".csv": _from_csv, ".parquet": _from_parquet}.get(path.suffix.lower())
    if reader is None:
        raise RecordingError(f"{path.name} is neither .csv nor .parquet")
    try:
        times = sorted(reader(path, column, UNITS[unit]))
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error}") from None
    if not times:
        raise RecordingError(f"{path} holds no arrival")
    if times[0] > _MOST_S:
        cure = "say unit: ms" if unit == "s" else "a workload takes s and ms"
        raise RecordingError(
            f"{path} begins {times[0]:.4g} s after 1970: are its times in a finer unit than {unit}? {cure}"
        )
    return Recorded(array("d", (time - times[0] for time in times)))


def _from_csv(path: "Path", column: str, scale: float) -> "Iterable[float]":
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            _check(path, column, rows.fieldnames or ())
            # Of a quoted text over several lines this is the last, which is near enough to find it.
            return [_seconds(row[column], scale, f"{path}:{rows.line_num}") for row in rows]
    except (csv.Error, UnicodeDecodeError) as error:
        raise RecordingError(f"{path} is no CSV: {error}") from None


def _from_parquet(path: "Path", column: str, scale: float) -> "Iterable[float]":
    try:
        # Large, and needed for this alone.
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise RecordingError(f"{path}: a Parquet file takes pyarrow; install it, or give a CSV") from None
    try:
        with pq.ParquetFile(path) as file:
            _check(path, column, file.schema_arrow.names)
            values = file.read(columns=[column]).column(0).to_pylist()
    except pa.ArrowException as error:
        raise RecordingError(f"{path} is no Parquet file: {error}") from None
    return [_seconds(value, scale, f"{path}, row {row}") for row, value in enumerate(values, start=1)]


def _check(path: "Path", column: str, columns: "Iterable[str]") -> None:
    names = list(columns)
    if column in names:
        return
    if not names:
        raise RecordingError(f"{path} is empty, without even a line of column names")
    if all(_is_time(name) for name in names):
        raise RecordingError(
            f"{path} has no line of column names: it begins with {', '.join(names)}. Put one before it"
        )
    other = "; columns are parted by commas" if len(names) == 1 and set(names[0]) & set(";\t|") else ""
    raise RecordingError(f"{path} has no column {column!r}; it has {', '.join(map(repr, names))}{other}")


def _is_time(text: str) -> bool:
    try:
        _seconds(text, 1.0, "")
    except RecordingError:
        return False
    return True


def _seconds(value: Any, scale: float, place: str) -> float:
    if isinstance(value, datetime):
        return _since_epoch(value)
    try:
        if isinstance(value, bool):
            raise ValueError
        seconds = float(value) * scale
    except (TypeError, ValueError):
        try:
            return _since_epoch(datetime.fromisoformat(str(value).strip()))
        except ValueError:
            raise RecordingError(f"{place}: {value!r} is neither a number nor a date with a time") from None
    if not math.isfinite(seconds):
        raise RecordingError(f"{place}: {value!r} is no time")
    return seconds


def _since_epoch(at: datetime) -> float:
    """A time without a zone is taken for UTC: what counts is how far it is from the others."""
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
