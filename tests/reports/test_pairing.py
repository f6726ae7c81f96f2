"""Which rows belong together, held against somebody who goes through them one by one."""

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.run import DEAD_LETTER_COLUMNS, REQUEST_COLUMNS, RESULT_COLUMNS
from reports import rows
from reports.pairing import NO_ROW, Paired, Pairs, pair
from reports.places import Places

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

Row = dict[str, Any]

# Numbers that lie close together, and such as no load test gives.
SEQUENCES = st.integers(0, 4) | st.sampled_from([-(2**63), -1, 2**31, 2**62, 2**63 - 1])
BUFFERS = st.sampled_from(["sqs", "sns"])
TIMES = st.none() | st.integers(0, 3).map(float)
IDS = st.sampled_from(["a", "b", "c"])
REQUESTS = st.fixed_dictionaries(
    {
        "buffer": BUFFERS, "sequence": SEQUENCES, "sent_at": TIMES, "responded_at": TIMES,
        "status": st.sampled_from([202, 0, 429, None]), "request_id": st.none() | IDS,
    }
)  # fmt: skip
RESULTS = st.fixed_dictionaries(
    {
        "buffer": st.none() | BUFFERS, "sequence": st.none() | SEQUENCES, "stored_at": TIMES,
        "deliveries": st.none() | st.integers(0, 3), "request_id": st.none() | IDS | st.just("unknown"),
    }
)  # fmt: skip
LETTERS = st.fixed_dictionaries(
    {
        "buffer": st.none() | BUFFERS, "sequence": st.none() | SEQUENCES, "request_id": st.none() | IDS,
        "reason": st.sampled_from(["too old", "too often", None]),
    }
)  # fmt: skip


@pytest.fixture(scope="module")
def paired(as_loaded: "Callable[[pa.Schema, list[Row]], pa.Table]") -> "Callable[..., Pairs]":
    """Pair rows of requests, of results and of dead letters; only sqs ran empty."""

    def paired(requests: list[Row], results: list[Row], letters: list[Row]) -> Pairs:
        return pair(
            as_loaded(rows.REQUESTS, requests),
            as_loaded(rows.RESULTS, results),
            as_loaded(rows.DEAD_LETTERS, letters),
            {"sqs"},
        )

    return paired


class OneByOne:
    """The rows of each request, by buffer and sequence."""

    def __init__(self, requests: list[Row], results: list[Row], letters: list[Row]) -> None:
        by_id = {row["request_id"]: row for row in reversed(requests) if row["request_id"] is not None}
        self.unidentified = 0
        self.sent, self.stored, self.dead = (self.located(found, by_id) for found in (requests, results, letters))

    def located(self, found: list[Row], by_id: dict[str, Row]) -> dict[Any, list[tuple[int, Any]]]:
        located = defaultdict(list)
        for number, row in enumerate(found):
            request = by_id.get(row["request_id"], {})
            buffer, sequence = (
                request.get(name) if row[name] is None else row[name] for name in ("buffer", "sequence")
            )
            if buffer is None or sequence is None:
                self.unidentified += 1
            else:
                located[buffer, sequence].append((number, row))
        return located


def known_first(value: Any) -> tuple[bool, Any]:
    return value is None, value or 0


def text_first(value: str | None) -> tuple[bool, str]:
    return value is None, value or ""


def first_request(row: tuple[int, Any]) -> Any:
    number, told = row
    accepted = 200 <= (told["status"] or 0) <= 299
    return (
        not accepted, told["sent_at"] is None, known_first(told["responded_at"]), text_first(told["request_id"]), number
    )  # fmt: skip


def first_result(row: tuple[int, Any]) -> Any:
    return known_first(row[1]["stored_at"]), text_first(row[1]["request_id"]), row[0]


def first_letter(row: tuple[int, Any]) -> Any:
    return text_first(row[1]["reason"]), text_first(row[1]["request_id"]), row[0]


def as_told(one: Paired, place: int) -> Row:
    again = dict(
        zip(
            one.again.place.tolist(),
            zip(one.again.results.tolist(), one.again.deliveries.tolist(), strict=True),
            strict=True,
        )
    )
    letters = dict(zip(one.letters.place.tolist(), one.letters.table.to_pylist(), strict=True))
    return {
        "sent": int(one.sent[place]), "result": int(one.result[place]), "again": again.get(place),
        "letter": letters.get(place),
    }  # fmt: skip


@settings(max_examples=60)
@given(st.lists(REQUESTS, min_size=1, max_size=9), st.lists(RESULTS, max_size=9), st.lists(LETTERS, max_size=5))
# Nobody has 0 nor 2, and what comes behind that has more than one row.
@example(
    [dict.fromkeys(REQUEST_COLUMNS) | {"buffer": "sqs", "sequence": number} for number in (-1, 1)],
    [dict.fromkeys(RESULT_COLUMNS) | {"buffer": "sqs", "sequence": 3, "stored_at": at} for at in (1.0, 0.0, None)],
    [dict.fromkeys(DEAD_LETTER_COLUMNS) | {"buffer": "sqs", "sequence": 4}],
)
def test_each_row_is_where_somebody_who_looks_at_them_one_by_one_puts_it(
    paired: "Callable[..., Pairs]", requests: list[Row], results: list[Row], letters: list[Row]
) -> None:
    found, naive = paired(requests, results, letters), OneByOne(requests, results, letters)
    every = sorted({*naive.sent, *naive.stored, *naive.dead})
    assert [(name, number) for name, one in found.of.items() for number in one.sequence.tolist()] == every
    assert found.unidentified == naive.unidentified
    assert found.repeated_requests == sum(len(same) - 1 for same in naive.sent.values())
    for buffer, one in found.of.items():
        assert one.drained is (buffer == "sqs")
        for place, sequence in enumerate(one.sequence.tolist()):
            sent, stored, dead = (rows_[buffer, sequence] for rows_ in (naive.sent, naive.stored, naive.dead))
            deliveries = [1 if row["deliveries"] is None else row["deliveries"] for _, row in stored]
            letter = min(dead, key=first_letter)[1] if dead else None
            assert as_told(one, place) == {
                "sent": min(sent, key=first_request)[0] if sent else NO_ROW,
                "result": min(stored, key=first_result)[0] if stored else NO_ROW,
                "again": (len(stored), sum(deliveries)) if len(stored) > 1 else None,
                "letter": letter
                and {"request_id": letter["request_id"], "reason": letter["reason"], "letters": len(dead)},
            }


@pytest.mark.parametrize(
    ("why", "numbers", "size"),
    [
        ("close together: a place for each between them", [7, 3, 5], 5),
        ("below zero", [-2, -4], 3),
        ("none at all", [], 0),
        ("as far apart as can be: no place but their own", [2**63 - 1, 0, -(2**63)], 3),
        ("the same again has one place", [2**62, 2**62, 0], 2),
    ],
)
def test_numbers_have_places_in_their_order(why: str, numbers: list[int], size: int) -> None:
    given_ = np.array(numbers, np.int64)
    places = Places(given_, given_[:0])
    assert places.size == len(places.numbers) == size, why
    assert places.numbers[places.of(given_)].tolist() == numbers
    assert (np.diff(places.numbers.astype(object)) > 0).all()
