"""The sums hold for any rows whatever; and each request is where a reader of the rows would put it."""

import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.run import DEAD_LETTER_COLUMNS, REQUEST_COLUMNS, RESULT_COLUMNS, RowWriter, RunFolder
from reports.accounting import Account, account
from reports.joined import join

AT = 1_795_500_000_000.0


def accounts(
    requests: list[dict[str, Any]],
    results: list[dict[str, Any]] | None = None,
    dead_letters: list[dict[str, Any]] | None = None,
    *,
    drained: bool = True,
) -> dict[str, Account]:
    with tempfile.TemporaryDirectory() as name:
        folder = RunFolder(Path(name))
        for path, columns, rows in (
            (folder.requests(0), REQUEST_COLUMNS, requests),
            (folder.results, RESULT_COLUMNS, results or []),
            (folder.dead_letters, DEAD_LETTER_COLUMNS, dead_letters or []),
        ):
            with RowWriter(path, columns) as writer:
                for row in rows:
                    writer.write(*(row.get(column) for column in columns))
        joined = join(folder, {"sqs": drained, "sns": drained})
        return {buffer: account(joined.rows(buffer)) for buffer in joined.buffers}


def request(sequence: int = 0, status: int | None = 202, **others: Any) -> dict[str, Any]:
    return {
        "buffer": "sqs", "sequence": sequence, "intended_at": AT, "sent_at": AT, "responded_at": AT + 5,
        "status": status, "request_id": f"r{sequence}" if status == 202 else None,
    } | others  # fmt: skip


def result(sequence: int | None = 0, status: str = "SUCCEEDED", **others: Any) -> dict[str, Any]:
    return {
        "buffer": "sqs", "sequence": sequence, "request_id": f"r{sequence}", "status": status, "stored_at": AT + 900,
        "deliveries": 1,
    } | others  # fmt: skip


def letter(sequence: int | None = 0, **others: Any) -> dict[str, Any]:
    return {"buffer": "sqs", "sequence": sequence, "request_id": f"r{sequence}", "reason": "too often"} | others


@pytest.mark.parametrize(
    ("why", "requests", "results", "letters", "drained", "expected"),
    [
        ("a result with labels", [request()], [result()], [], True, {"accepted": 1, "completed": 1}),
        ("a result with a reason", [request()], [result(0, "FAILED")], [], True, {"accepted": 1, "failed": 1}),
        ("a dead letter", [request()], [], [letter()], True, {"accepted": 1, "dead_lettered": 1}),
        ("both: it counts as its result", [request()], [result()], [letter()], True, {"accepted": 1, "completed": 1}),
        ("neither, and the buffer ran empty", [request()], [], [], True, {"accepted": 1, "lost": 1}),
        ("neither, and the buffer was cut off", [request()], [], [], False, {"accepted": 1, "unfinished": 1}),
        ("turned away", [request(status=429)], [], [], True, {"rejected": {"429": 1}}),
        (
            "turned away, each status by itself",
            [request(0, 429), request(1, 503), request(2, 429)], [], [], True, {"rejected": {"429": 2, "503": 1}},
        ),
        (
            "an upstream timeout whose record had got in: rejected, and said apart",
            [request(status=504)], [result()], [], True, {"rejected": {"504": 1}, "rejected_processed": 1},
        ),
        ("no answer", [request(status=0, responded_at=None)], [], [], True, {"no_answer": 1}),
        (
            "no answer, and yet a result: not lost and not accepted",
            [request(status=0)], [result()], [], True, {"no_answer": 1, "accepted_unanswered": 1},
        ),
        (
            "no answer, and yet a dead letter",
            [request(status=0)], [], [letter()], True, {"no_answer": 1, "accepted_unanswered": 1},
        ),
        ("no status at all is no answer", [request(status=None)], [], [], True, {"no_answer": 1}),
        ("never sent", [request(status=0, sent_at=None)], [], [], True, {"dropped": 1}),
        ("delivered three times", [request()], [result(deliveries=3)], [], True,
         {"accepted": 1, "completed": 1, "duplicates": 2}),
        (
            "one connection carried it twice: two ids, two results, one request",
            [request()], [result(), result(request_id="other", stored_at=AT + 100, deliveries=2)], [], True,
            {"accepted": 1, "completed": 1, "duplicates": 2},
        ),
        (
            "of two results the one stored first wins",
            [request()], [result(), result(0, "FAILED", request_id="x", stored_at=AT)], [], True,
            {"accepted": 1, "failed": 1, "duplicates": 1},
        ),
        (
            "two dead letters of one request are one request given up",
            [request()], [], [letter(), letter()], True, {"accepted": 1, "dead_lettered": 1},
        ),
        (
            "a dead letter so broken that only its id could be read",
            [request()], [], [letter(None, buffer=None, request_id="r0")], True, {"accepted": 1, "dead_lettered": 1},
        ),
        (
            "a dead letter of no request of this run",
            [request()], [result()], [letter(None, request_id="unknown")], True, {"accepted": 1, "completed": 1},
        ),
        (
            "a result whose request has no row: told, and in no sum",
            [request()], [result(), result(9, deliveries=2)], [], True,
            {"accepted": 1, "completed": 1, "unrequested": 1},
        ),
        (
            "the same row twice is one request",
            [request(), request()], [result()], [], True, {"accepted": 1, "completed": 1},
        ),
        (
            "of two rows for one sequence the accepted one counts",
            [request(status=0), request()], [result()], [], True, {"accepted": 1, "completed": 1},
        ),
        (
            "another buffer's result is not this one's",
            [request()], [result(buffer="sns")], [], True, {"accepted": 1, "lost": 1},
        ),
        ("a result without deliveries was delivered once", [request()], [result(deliveries=None)], [], True,
         {"accepted": 1, "completed": 1}),
    ],
)  # fmt: skip
def test_a_request_counts_where_it_ended(
    why: str,
    requests: list[dict[str, Any]],
    results: list[dict[str, Any]],
    letters: list[dict[str, Any]],
    drained: bool,
    expected: dict[str, Any],
) -> None:
    found = accounts(requests, results, letters, drained=drained)["sqs"]
    counted = {name: getattr(found, name) for name in Account.__dataclass_fields__ if name != "offered"}
    assert {name: value for name, value in counted.items() if value} == expected, why


SEQUENCES = st.integers(0, 5)
BUFFERS = st.sampled_from(["sqs", "sns"])
TIMES = st.none() | st.floats(allow_nan=True, allow_infinity=True)
REQUESTS = st.fixed_dictionaries(
    {
        "buffer": BUFFERS, "sequence": SEQUENCES, "intended_at": TIMES, "sent_at": TIMES, "responded_at": TIMES,
        "status": st.sampled_from([202, 202, 202, 200, 0, 0, 429, 503, 504, None, 302, -1]),
        "request_id": st.none() | st.sampled_from(["a", "b", "c"]),
    }
)  # fmt: skip


def results_of(*, known: bool) -> st.SearchStrategy[dict[str, Any]]:
    """Rows of results; `known` ones name their buffer and sequence."""
    return st.fixed_dictionaries(
        {
            "buffer": BUFFERS if known else BUFFERS | st.none(),
            "sequence": SEQUENCES if known else SEQUENCES | st.none(),
            "request_id": st.none() | st.sampled_from(["a", "b", "c", "d"]),
            "status": st.sampled_from(["SUCCEEDED", "FAILED", None, "other"]),
            "stored_at": TIMES, "accepted_at": TIMES, "deliveries": st.integers(-1, 4) | st.none(), "init_ms": TIMES,
        }
    )  # fmt: skip


def letters_of(*, known: bool) -> st.SearchStrategy[dict[str, Any]]:
    """Rows of dead letters; `known` ones name their buffer and sequence."""
    return st.fixed_dictionaries(
        {
            "buffer": BUFFERS if known else BUFFERS | st.none(),
            "sequence": SEQUENCES if known else SEQUENCES | st.none(),
            "request_id": st.sampled_from(["a", "b", "z"]),
        }
    )


@settings(max_examples=20)
@given(
    st.lists(REQUESTS, min_size=1, max_size=12),
    st.lists(results_of(known=False), max_size=10),
    st.lists(letters_of(known=False), max_size=6),
    st.booleans(),
)
def test_the_account_adds_up_for_any_rows(
    requests: list[dict[str, Any]], results: list[dict[str, Any]], letters: list[dict[str, Any]], drained: bool
) -> None:
    found = accounts(requests, results, letters, drained=drained)
    for one in found.values():
        assert one.accepted == one.completed + one.failed + one.dead_lettered + one.unfinished + one.lost
        assert one.offered == one.accepted + sum(one.rejected.values()) + one.no_answer
        assert one.ended + one.endless == one.accepted
        assert one.accepted_unanswered <= one.no_answer
        assert one.rejected_processed <= sum(one.rejected.values())
        assert not (one.lost if not drained else one.unfinished)
        assert one.duplicates >= 0
    sent = {(row["buffer"], row["sequence"]) for row in requests}
    assert sum(one.offered + one.dropped for one in found.values()) == len(sent), "every request is in, and once"


@settings(max_examples=20)
@given(
    st.lists(REQUESTS, min_size=1, max_size=12, unique_by=lambda row: (row["buffer"], row["sequence"])),
    st.lists(results_of(known=True), max_size=10),
    st.lists(letters_of(known=True), max_size=6),
    st.booleans(),
)
def test_the_account_is_that_of_a_plain_count(
    requests: list[dict[str, Any]], results: list[dict[str, Any]], letters: list[dict[str, Any]], drained: bool
) -> None:
    ended = defaultdict(list)
    for row in results:
        ended[row["buffer"], row["sequence"]].append(row)
    dead = {(row["buffer"], row["sequence"]) for row in letters}
    expected: dict[str, Counter[str]] = defaultdict(Counter)
    for row in requests:
        key = (row["buffer"], row["sequence"])
        if row["status"] not in (200, 202):
            continue
        expected[row["buffer"]]["accepted"] += 1
        if ended[key]:
            expected[row["buffer"]]["ended"] += 1
        elif key in dead:
            expected[row["buffer"]]["dead_lettered"] += 1
        else:
            expected[row["buffer"]]["lost" if drained else "unfinished"] += 1
    found = accounts(requests, results, letters, drained=drained)
    for buffer, counts in expected.items():
        for name in ("accepted", "ended", "dead_lettered", "lost", "unfinished"):
            assert getattr(found[buffer], name) == counts[name], (buffer, name)
