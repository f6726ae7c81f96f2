"""A buffer's columns hold what the rows say that belong to its requests, held against a look at each row."""

import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports import rows
from reports.buffer_rows import BufferRows
from reports.gathering import RawRows, gather
from reports.pairing import NO_ROW, pair
from reports.raw_column import column

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

Row = dict[str, Any]

SEQUENCES = st.integers(0, 4)
BUFFERS = st.sampled_from(["sqs", "sns"])
TIMES = st.none() | st.integers(0, 3).map(float)
TEXTS = st.none() | st.sampled_from(["a", "b"])
COUNTS = st.none() | st.sampled_from([0, 1, 300, 2**40])
REQUESTS = st.fixed_dictionaries(
    {
        "buffer": BUFFERS, "sequence": SEQUENCES, "request_id": TEXTS, "intended_at": TIMES, "sent_at": TIMES,
        "status": st.sampled_from([202, 0, 429, None]), "image": TEXTS, "bytes": COUNTS,
    }
)  # fmt: skip
RESULTS = st.fixed_dictionaries(
    {
        "buffer": BUFFERS, "sequence": SEQUENCES, "request_id": TEXTS, "intended_at": TIMES, "stored_at": TIMES,
        "status": st.sampled_from(["SUCCEEDED", "FAILED"]), "deliveries": COUNTS, "labels": TEXTS,
    }
)  # fmt: skip
LETTERS = st.fixed_dictionaries({"buffer": BUFFERS, "sequence": SEQUENCES, "request_id": TEXTS})
# Of a column: whether it is told by requests or results, and its name there.
TOLD = {
    "sent_at": ("requests", "sent_at"), "image": ("requests", "image"), "bytes": ("requests", "bytes"),
    "stored_at": ("results", "stored_at"), "labels": ("results", "labels"), "result_status": ("results", "status"),
}  # fmt: skip


@pytest.fixture(scope="module")
def tables(as_loaded: "Callable[[pa.Schema, list[Row]], pa.Table]") -> "Callable[..., tuple[pa.Table, ...]]":
    """Rows of requests, of results and of dead letters as they are loaded."""

    def tables(*told: list[Row]) -> "tuple[pa.Table, ...]":
        schemas = (rows.REQUESTS, rows.RESULTS, rows.DEAD_LETTERS)
        return tuple(as_loaded(schema, each) for schema, each in zip(schemas, told, strict=True))

    return tables


def known(value: float | str | None) -> float | str | None:
    """A value with null in the place of NaN."""
    return None if isinstance(value, float) and math.isnan(value) else value


@settings(max_examples=60)
@given(st.lists(REQUESTS, min_size=1, max_size=9), st.lists(RESULTS, max_size=9), st.lists(LETTERS, max_size=3))
def test_a_request_has_in_each_column_what_its_rows_say(
    tables: "Callable[..., tuple[pa.Table, ...]]", requests: list[Row], results: list[Row], letters: list[Row]
) -> None:
    sent, stored, dead = tables(requests, results, letters)
    pairs = pair(sent, stored, dead, ())
    found = gather(pairs, RawRows(sent), RawRows(stored))
    assert list(found) == list(pairs.of)
    for buffer, paired in pairs.of.items():
        gathered = found[buffer]
        letter_ids = dict(
            zip(paired.letters.place.tolist(), column(paired.letters.table, "request_id").to_pylist(), strict=True)
        )
        for place in range(len(gathered)):
            request, result = (
                {} if number == NO_ROW else table[number]
                for table, number in ((requests, paired.sent[place]), (results, paired.result[place]))
            )
            rows_of = {"requests": request, "results": result}
            for name, (kind, there) in TOLD.items():
                has = gathered.times[name][place].item() if name in gathered.times else gathered.columns[name][place]
                assert known(has if isinstance(has, float) else has.as_py()) == rows_of[kind].get(there), name
            either = {
                name: request.get(name) if request.get(name) is not None else result.get(name)
                for name in ("intended_at", "request_id")
            }
            assert known(gathered.times["intended_at"][place].item()) == either["intended_at"]
            wanted = letter_ids.get(place) if either["request_id"] is None else either["request_id"]
            assert gathered.columns["request_id"][place].as_py() == wanted
            assert gathered.status[place] == (request.get("status") or 0)
            assert gathered.has_result[place] == bool(result)


def test_raw_columns_are_let_go_of(tables: "Callable[..., tuple[pa.Table, ...]]") -> None:
    sent, stored, dead = tables([{"buffer": "sqs", "sequence": 0}], [{"buffer": "sqs", "sequence": 0}], [])
    requests, results = RawRows(sent), RawRows(stored)
    gather(pair(sent, stored, dead, ()), requests, results)
    for raw, schema in ((requests, rows.REQUESTS), (results, rows.RESULTS)):
        for name in schema.names:
            if name not in ("buffer", "sequence"):
                with pytest.raises(KeyError):
                    raw.give(name)


def reasons(rows_: BufferRows) -> list[str | None]:
    reasons: list[str | None] = rows_.letters.of("reason", len(rows_)).to_pylist()
    return reasons


def test_a_part_of_the_rows_is_what_it_is_of_the_whole(tables: "Callable[..., tuple[pa.Table, ...]]") -> None:
    requests = [{"buffer": "sqs", "sequence": n, "status": 202, "intended_at": float(n)} for n in range(9)]
    results = [{"buffer": "sqs", "sequence": n, "stored_at": 10.0 + n, "deliveries": 1} for n in (1, 4, 4, 7, 7)]
    letters = [{"buffer": "sqs", "sequence": n, "reason": f"too old {n}"} for n in (2, 5, 8)]
    sent, stored, dead = tables(requests, results, letters)
    whole = gather(pair(sent, stored, dead, ()), RawRows(sent), RawRows(stored))["sqs"]
    parts = [whole.part(begin, begin + 4) for begin in (0, 4, 8)]
    assert [len(part) for part in parts] == [4, 4, 1]
    for wanted, has in (
        (list(range(9)), [part.sequence for part in parts]),
        (whole.outcome.tolist(), [part.outcome for part in parts]),
        ([0, 1, 0, 0, 2, 0, 0, 2, 0], [part.deliveries for part in parts]),
        (
            whole.letters.of("reason", 9).to_pylist(),
            [part.letters.of("reason", len(part)).to_pylist() for part in parts],
        ),
        ([float(n) for n in range(9)], [part.numbers("intended_at") for part in parts]),
    ):
        assert [value for part in has for value in part] == wanted
    assert [part.again.place.tolist() for part in parts] == [[], [0, 3], []]
