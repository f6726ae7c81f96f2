"""A run's folder: what the load test writes and the report reads.

    run.json                 what was run, with what settings, whether it is valid (RUN_* keys below)
    requests-<worker>.rows   one row a request sent, as it happens
    known-<worker>.rows      one row a request whose client waited for its result; only where clients do
    observations.rows        one row a buffer and second: the state of the delivery
    monitoring.rows          one row a metric and minute of a stack, as CloudWatch told it after the turn
    results.rows             one row a stored result of this run
    dead_letters.rows        one row a request that was given up

A `.rows` file is a msgpack stream: first the list of its columns, then a list of values a row. Writing one row
costs about a microsecond and never pauses, which columnar formats do; a file cut off in the middle of a row is
read up to there.
"""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgpack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

# `buffer` is whose turn it was in every kind of row: a buffer's, or that of a pattern which went through one.
# ROUTE is its name where the load went to a path of any HTTP server, of which only the answers are known.
# Times in ms since the epoch. `status` is the HTTP status, 0 when no answer came; `error` says why, else null.
ROUTE: Final = "route"
# `bytes` are the image's; `group` is the partition key, or message group, that the request named, null if none.
REQUEST_COLUMNS: Final = (
    "buffer", "sequence", "intended_at", "sent_at", "responded_at", "status", "request_id", "error", "image", "bytes",
    "group",
)  # fmt: skip
# When a client came to know its result, null if never; `status` is the result's, `error` says why not, else null.
# `calls` are the HTTP requests, or messages over a WebSocket, that the request cost its client, from the first on.
KNOWN_COLUMNS: Final = ("buffer", "sequence", "request_id", "known_at", "status", "calls", "error")
# Counts since the buffer's turn began, but for backlog, in_flight and concurrency, which are of that moment.
# `oldest_age_s` is null where nothing waits or the target cannot tell.
OBSERVATION_COLUMNS: Final = (
    "buffer", "at", "offered", "accepted", "completed", "dead_lettered", "backlog", "in_flight", "concurrency",
    "throttles", "cold_starts", "oldest_age_s",
)  # fmt: skip
# What a load test adds to them: how old throttles, concurrency and oldest_age_s are where the target is told of them
# late, in seconds; null where they are of that moment.
OBSERVED_COLUMNS: Final = (*OBSERVATION_COLUMNS, "metrics_age_s")
# What monitoring told of a turn when it was over, a row a metric and period. `at` is where the period begins, `read_at`
# when it was asked for, both in ms since the epoch; `statistic` is Sum or Maximum, the value in the metric's own unit.
MONITORING_COLUMNS: Final = ("buffer", "metric", "statistic", "at", "period_s", "value", "read_at")
# See pipeline.result for what the times mean. `status` is SUCCEEDED or FAILED; `deliveries` counts how often the
# request was processed to the end.
RESULT_COLUMNS: Final = (
    "buffer", "sequence", "request_id", "status", "reason", "intended_at", "accepted_at", "received_at",
    "recognised_at", "stored_at", "init_ms", "batch_size", "attempts", "deliveries", "environment", "labels",
)  # fmt: skip
DEAD_LETTER_COLUMNS: Final = ("buffer", "sequence", "request_id", "reason")


class RunError(Exception):
    """A run's folder that is missing or cannot be read; the text says what to do."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one run."""

    path: "Path"

    @property
    def description(self) -> "Path":
        """The run's own description, run.json."""
        return self.path / "run.json"

    def requests(self, worker: int) -> "Path":
        """One worker's rows of requests."""
        return self.path / f"requests-{worker}.rows"

    def all_requests(self) -> "list[Path]":
        """Every worker's rows of requests."""
        return sorted(self.path.glob("requests-*.rows"))

    def known(self, worker: int) -> "Path":
        """One worker's rows of when clients knew."""
        return self.path / f"known-{worker}.rows"

    def all_known(self) -> "list[Path]":
        """Every worker's rows of when clients knew."""
        return sorted(self.path.glob("known-*.rows"))

    @property
    def observations(self) -> "Path":
        """The rows of what was observed each second."""
        return self.path / "observations.rows"

    @property
    def monitoring(self) -> "Path":
        """The rows of what monitoring told after a turn; only of a stack in an AWS account."""
        return self.path / "monitoring.rows"

    @property
    def results(self) -> "Path":
        """The rows of stored results."""
        return self.path / "results.rows"

    @property
    def dead_letters(self) -> "Path":
        """The rows of requests that were given up."""
        return self.path / "dead_letters.rows"

    def describe(self, description: "dict[str, Any]") -> None:
        """Write run.json whole or not at all."""
        beside = self.description.with_suffix(".json.new")
        beside.write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
        beside.replace(self.description)

    def described(self) -> "dict[str, Any]":
        """Read run.json.

        Raises:
            RunError: there is none, or it is not JSON.
        """
        try:
            description = json.loads(self.description.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunError(f"{self.path} holds no run: it has no {self.description.name}") from None
        except OSError as error:
            raise RunError(f"{self.description} cannot be read: {error.strerror}") from None
        except (ValueError, RecursionError) as error:
            raise RunError(f"{self.description} is not JSON: {error}") from None
        if not isinstance(description, dict):
            raise RunError(f"{self.description} is not a JSON object: the run was not written by this program")
        return description


class RowWriter:
    """Appends rows to a `.rows` file. Flushes when told, so that writing never waits for the disk by itself."""

    def __init__(self, path: "Path", columns: "Sequence[str]") -> None:
        self._columns = tuple(columns)
        self._packer = msgpack.Packer()
        self._file = path.open("ab")
        if self._file.tell() == 0:
            self._file.write(self._packer.pack(list(columns)))

    def write(self, *values: object) -> None:
        """Append one row: a value for each column, in their order."""
        if len(values) != len(self._columns):
            raise ValueError(f"{len(values)} values for the {len(self._columns)} columns {self._columns}")
        self._file.write(self._packer.pack(values))

    def flush(self) -> None:
        """Hand what was written to the operating system."""
        self._file.flush()

    def close(self) -> None:
        """Flush and close."""
        self._file.close()

    def __enter__(self) -> "RowWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        self.close()


def read_rows(path: "Path") -> "Iterator[dict[str, Any]]":
    """Read a `.rows` file, a dict a row; a row cut off at the end is left out. No file, no rows.

    Raises:
        RunError: something in it is no row of its columns.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        unpacker = msgpack.Unpacker(file, use_list=True)
        try:
            columns = next(unpacker, None)
            if columns is None:
                return
            for values in unpacker:
                yield dict(zip(columns, values, strict=True))
        except (ValueError, TypeError, msgpack.UnpackException) as error:
            raise RunError(f"{path} is damaged near byte {unpacker.tell()}: {error}; delete the run") from None
