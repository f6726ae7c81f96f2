"""The page of a matrix and faults.json, from rows that are made up."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pipeline.run import (
    DEAD_LETTER_COLUMNS,
    OBSERVATION_COLUMNS,
    REQUEST_COLUMNS,
    RESULT_COLUMNS,
    RowWriter,
    RunError,
    RunFolder,
)
from pipeline.units import NOTHING
from reports.build import build

BEGAN = 1_795_500_000_000.0
EXACT_KEYS = {
    "fault", "rate", "buffer", "accepted", "completed", "failed", "dead_lettered", "lost", "visible_duplicates",
    "blast_radius", "recovery_s", "expected", "as_expected",
}  # fmt: skip


class Folder:
    """A run of the matrix: ten requests a cell, one a second, with a result after 0.2 s unless told otherwise."""

    def __init__(self, path: Path) -> None:
        self.run = RunFolder(path)
        self.cells: list[dict[str, Any]] = []

    def cell(
        self,
        name: str,
        *,
        late: dict[int, float] | None = None,
        without: tuple[int, ...] = (),
        dead: tuple[int, ...] = (),
        twice: tuple[int, ...] = (),
        refused: tuple[int, ...] = (),
        **told: Any,
    ) -> None:
        with (
            RowWriter(self.run.requests(0), REQUEST_COLUMNS) as requests,
            RowWriter(self.run.results, RESULT_COLUMNS) as results,
            RowWriter(self.run.dead_letters, DEAD_LETTER_COLUMNS) as letters,
            RowWriter(self.run.observations, OBSERVATION_COLUMNS) as observations,
        ):
            for number in range(10):
                at = BEGAN + number * 1_000
                row: dict[str, Any] = {
                    "buffer": name, "sequence": number, "intended_at": at, "sent_at": at, "responded_at": at + 5,
                    "status": 503 if number in refused else 202, "request_id": f"{name}-{number}", "image": "cat",
                }  # fmt: skip
                requests.write(*(row.get(column) for column in REQUEST_COLUMNS))
                if number in dead:
                    letters.write(name, number, f"{name}-{number}", "RetriesExhausted")
                for result in range(1 + (number in twice)) if number not in (*without, *dead, *refused) else ():
                    stored = {
                        "buffer": name, "sequence": number, "request_id": f"{name}-{number}-{result}",
                        "status": "SUCCEEDED", "intended_at": at, "accepted_at": at, "deliveries": 1,
                        "stored_at": at + 200 + (late or {}).get(number, 0.0) * 1_000,
                    }  # fmt: skip
                    results.write(*(stored.get(column) for column in RESULT_COLUMNS))
            for second in range(3):
                seen = {
                    "buffer": name,
                    "at": BEGAN + 20_000 + second * 1_000,
                    "dead_lettered": len(dead) * (second > 0),
                }
                observations.write(*(seen.get(column) for column in OBSERVATION_COLUMNS))
        self.cells.append(
            {
                "cell": name, "fault": name.partition("/")[0], "rate": None, "buffer": name.partition("/")[2],
                "what": "It breaks.", "setting": "quick", "load": "short", "compared_with": "none/sqs",
                "drained": True, "scheduled": 10, "bad": [], "doomed": 0, "fault_from": None, "fault_until": None,
                "struck": 1, "orphans": None, "changes": [], "called_back": 0, "untold": 0, "trouble": None,
                "expected": {}, "because": "Of reasons.", "differs": None, **told,
            }
        )  # fmt: skip

    def document(self, **more: Any) -> dict[str, Any]:
        matrix = {"why": "To see.", "settings": {"quick": {"why": "Quick.", "local": {"account_concurrency": 5}}}}
        self.run.describe(
            {
                "kind": "faults", "id": "made-up", "target": "local", "seed": 1, "started_at": BEGAN, "valid": True,
                "invalid_because": [], "not_run": [], "matrix": matrix, "cells": self.cells, **more,
            }
        )  # fmt: skip
        said = build(self.run)
        assert str(self.run.path / "report.html") in said
        document: dict[str, Any] = json.loads((self.run.path / "faults.json").read_text())
        return document


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    folder.cell("none/sqs", compared_with=None, struck=0)
    return folder


def test_a_cell_adds_up_and_has_the_promised_keys(folder: Folder) -> None:
    folder.cell(
        "poison/sqs",
        dead=(3,),
        refused=(9,),
        bad=[3],
        doomed=1,
        rate=0.1,
        expected={"dead_lettered": "bad", "rejected": "1", "blast_radius": "0"},
    )
    (cell,) = folder.document()["cells"]
    assert set(cell) >= EXACT_KEYS
    assert (cell["fault"], cell["rate"], cell["buffer"]) == ("poison", 0.1, "sqs")
    assert (cell["accepted"], cell["completed"], cell["dead_lettered"], cell["rejected"]) == (9, 8, 1, 1)
    assert (cell["lost"], cell["visible_duplicates"], cell["blast_radius"]) == (0, 0, 0)
    assert cell["as_expected"] is True
    assert "dead_lettered bad" in cell["expected"]
    assert "Of reasons." in cell["expected"]


def test_the_blast_is_what_healthy_requests_are_late_beside_the_same_without_the_fault(folder: Folder) -> None:
    folder.cell("kill/sqs", late={1: 4.9, 2: 5.1, 3: 60.0, 4: 60.0}, dead=(6, 7), bad=[4, 7])
    (cell,) = folder.document()["cells"]
    # 2 and 3 are late, 6 was given up though the fault was not meant for it; 4 and 7 are the bad ones themselves.
    assert cell["blast_radius"] == 3


def test_recovery_is_from_the_fault_s_end_until_the_last_that_was_due_before_it_has_ended(folder: Folder) -> None:
    until = BEGAN + 5_000
    folder.cell("slow/sqs", late={2: 20.0, 9: 90.0}, fault_from=BEGAN, fault_until=until)
    folder.cell("dead/sqs", dead=(4,), fault_from=BEGAN, fault_until=until)
    folder.cell("mild/sqs", fault_from=BEGAN, fault_until=until)
    folder.cell("missed/sqs", struck=0)
    recovery = {cell["fault"]: cell["recovery_s"] for cell in folder.document()["cells"]}
    # Request 2 ends at second 22.2; the dead letter is counted at 21; the last of mild, due at 5, ends 0.2 s later.
    assert recovery == {"slow": 17.2, "dead": 16.0, "mild": 0.2, "missed": None}


def test_what_is_lost_is_said_loudly_and_is_never_as_expected(folder: Folder) -> None:
    folder.cell("bad/sqs", without=(5,))
    (cell,) = folder.document()["cells"]
    assert (cell["lost"], cell["as_expected"], cell["differing"]) == (1, False, ["lost"])
    page = (folder.run.path / "report.html").read_text()
    assert "1 request was LOST" in page


def test_what_is_left_in_a_buffer_that_was_cut_off_is_unfinished(folder: Folder) -> None:
    folder.cell("killed/sqs", without=(5, 6), drained=False, orphans=0, expected={"unfinished": "2", "orphans": "0"})
    (cell,) = folder.document()["cells"]
    assert (cell["lost"], cell["unfinished"], cell["as_expected"]) == (0, 2, True)


def test_a_changed_result_and_a_second_result_are_seen_twice(folder: Folder) -> None:
    change = {"request_id": "r", "sequence": 1, "what": "its result was A, and then B"}
    folder.cell("twice/sqs", twice=(2,), changes=[change])
    (cell,) = folder.document()["cells"]
    assert (cell["visible_duplicates"], cell["as_expected"]) == (2, False)
    page = (folder.run.path / "report.html").read_text()
    assert "its result was A, and then B" in page
    assert "clients could see 2 things TWICE" in page


def test_what_differs_stands_on_the_page_with_its_explanation(folder: Folder) -> None:
    folder.cell("odd/sqs", expected={"completed": "3"}, differs="Because <of> that.")
    folder.cell("new/sqs", expected={"completed": "3"})
    odd, new = folder.document()["cells"]
    assert (odd["explained"], new["explained"]) == ("Because <of> that.", None)
    page = (folder.run.path / "report.html").read_text()
    assert "completed is 10, expected 3." in page
    assert "Because &lt;of&gt; that." in page
    assert "It is not explained yet." in page


def test_one_table_has_every_cell_in_a_line_for_each_fault_and_rate(folder: Folder) -> None:
    folder.cell("kill@1/sqs", rate=0.01, late={2: 5.1}, fault_from=BEGAN, fault_until=BEGAN + 5_000)
    folder.cell("kill@5/sqs", rate=0.05, expected={"completed": "3"})
    folder.document()
    page = (folder.run.path / "report.html").read_text()
    lines = re.findall(r"<tr>.*?</tr>", page.partition('id="overview"')[2].partition("</table>")[0], re.DOTALL)[1:]
    texts = [" ".join(re.sub(r"<[^>]+>", " ", line).split()) for line in lines]
    assert texts == ["kill@1 1 % blast 1 2.3 s", f"kill@5 5 % {NOTHING}"]
    assert ['class="no"' in line for line in lines] == [False, True]


def test_a_run_that_was_stopped_says_what_was_not_tried(folder: Folder) -> None:
    folder.cell("kill/sqs")
    document = folder.document(valid=False, invalid_because=["it was stopped before its end"], not_run=["hang 0.01"])
    assert document["run"]["not_run"] == ["hang 0.01"]
    page = (folder.run.path / "report.html").read_text()
    assert "it was stopped before its end" in page
    assert "Not tried: hang 0.01." in page


def test_a_run_without_a_cell_is_no_report(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    with pytest.raises(RunError, match="no fault was tried to its end"):
        folder.document()
