"""Invocations found in the rows of what they processed, held against a count row by row."""

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reports import rows
from reports.buffer_rows import BufferRows
from reports.gathering import RawRows, gather
from reports.invocations import invocations
from reports.pairing import pair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pyarrow as pa

# Few moments and environments, so that many records came with the same batch, and many batches at the same moment.
MOMENTS = st.none() | st.integers(0, 3).map(float)
RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "environment": st.none() | st.sampled_from(["a", "b", "c"]), "received_at": MOMENTS, "stored_at": MOMENTS,
            "init_ms": st.none() | st.sampled_from([0.0, 7.0]), "batch_size": st.none() | st.integers(1, 3),
        }
    ),
    max_size=30,
)  # fmt: skip


@pytest.fixture(scope="module")
def buffer_of(as_loaded: "Callable[[pa.Schema, list[dict[str, Any]]], pa.Table]") -> "Callable[..., BufferRows]":
    """A buffer whose requests have these rows of results, but for one that has none."""

    def buffer(records: list[dict[str, Any]]) -> BufferRows:
        sent = [{"buffer": "sqs", "sequence": n, "status": 202} for n in range(len(records) + 1)]
        stored = [record | {"buffer": "sqs", "sequence": n} for n, record in enumerate(records)]
        requests, results = as_loaded(rows.REQUESTS, sent), as_loaded(rows.RESULTS, stored)
        pairs = pair(requests, results, as_loaded(rows.DEAD_LETTERS, []), ())
        return gather(pairs, RawRows(requests), RawRows(results))["sqs"]

    return buffer


def greatest(values: "Iterable[float | None]") -> float | None:
    return max((value for value in values if value is not None), default=None)


def counted(records: list[dict[str, Any]]) -> dict[int, tuple[int, float]]:
    """By the records of a batch how many invocations there were and how many seconds they took."""
    batches: dict[Any, list[dict[str, Any]]] = {}
    for record in records:
        if record["environment"] is not None and record["received_at"] is not None:
            batches.setdefault((record["environment"], record["received_at"]), []).append(record)
    found: dict[int, tuple[int, float]] = {}
    for (_, began), batch in batches.items():
        size = greatest(record["batch_size"] for record in batch) or 1
        last = greatest(record["stored_at"] for record in batch)
        took = max(0.0, began if last is None else last, began) - began
        took += greatest(record["init_ms"] for record in batch) or 0.0
        number, seconds = found.get(int(size), (0, 0.0))
        found[int(size)] = number + 1, seconds + took / 1e3
    return found


def record(environment: str, received_at: float, stored_at: float) -> dict[str, Any]:
    return {
        "environment": environment, "received_at": received_at, "stored_at": stored_at, "init_ms": 0.0, "batch_size": 2,
    }  # fmt: skip


@given(RECORDS)
@example([record("b", 1.0, 2.0), record("a", 1.0, 2.0), record("b", 1.0, 3.0), record("a", 0.0, 0.5)])
def test_it_is_the_count_of_somebody_who_looks_at_one_record_after_the_other(
    buffer_of: "Callable[..., BufferRows]", records: list[dict[str, Any]]
) -> None:
    found = invocations(buffer_of(records))
    counts = counted(records)
    assert found.records.tolist() == sorted(counts)
    assert found.invocations.tolist() == [number for _, (number, _) in sorted(counts.items())]
    assert found.seconds.tolist() == pytest.approx([seconds for _, (_, seconds) in sorted(counts.items())])
