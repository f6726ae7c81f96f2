"""What is said of a path of some HTTP server, where not all went well."""

from typing import TYPE_CHECKING, Any

import pytest

from pipeline.run import REQUEST_COLUMNS, ROUTE, RowWriter, RunFolder
from reports.findings import find
from reports.route_verdict import plain

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

START = 1_795_500_000_000.0
REFUSED = "ConnectionRefusedError: Connection refused"
ANSWERED: dict[str, Any] = {"status": 200, "sent_at": START, "responded_at": START + 5}
UNANSWERED: dict[str, Any] = {"status": 0, "sent_at": START, "responded_at": START + 5, "error": REFUSED}
RESET = UNANSWERED | {"error": "ConnectionResetError: reset"}
DROPPED: dict[str, Any] = {"status": 0}


@pytest.fixture
def said_of(tmp_path: "Path") -> "Callable[..., str]":
    """What a terminal is told of a run of such requests."""

    def said_of(*requests: dict[str, Any]) -> str:
        folder = RunFolder(tmp_path)
        with RowWriter(folder.requests(0), REQUEST_COLUMNS) as rows:
            for sequence, request in enumerate(requests):
                told = {"buffer": ROUTE, "sequence": sequence, "intended_at": START + 10 * sequence} | request
                rows.write(*(told.get(name) for name in REQUEST_COLUMNS))
        turn = {"buffer": ROUTE, "route": "/orders", "started_at": START, "ended_at": START + 9, "drained": True}
        folder.describe({"id": "a-run", "ended_at": START + 9, "valid": True, "target": "http", "buffers": [turn]})
        return plain(find(folder), tmp_path / "report.html")

    return said_of


def test_where_nothing_was_answered_there_is_no_figure_and_no_rank_but_why(said_of: "Callable[..., str]") -> None:
    said = said_of(UNANSWERED, RESET, UNANSWERED)
    assert said.startswith("/orders accepted nothing of what was sent to it.")
    assert f"It accepted 0 of 3; it gave no answer to 3 (most often: {REFUSED})." in said
    assert "rank as slowest" not in said


def test_requests_without_an_answer_rank_below_those_with_one(said_of: "Callable[..., str]") -> None:
    said = said_of(*[ANSWERED] * 3, UNANSWERED)
    assert said.startswith("/orders  ")
    assert "1 request (25 %) without an answer rank as slowest." in said


@pytest.mark.parametrize(("dropped", "words"), [(0, "2 requests in "), (3, "2 of the 5 requests that were due in ")])
def test_requests_that_were_never_sent_were_due_all_the_same(
    said_of: "Callable[..., str]", dropped: int, words: str
) -> None:
    assert words in said_of(*[ANSWERED] * 2, *[DROPPED] * dropped)
