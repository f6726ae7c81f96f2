"""When clients knew, against figures computed by hand from the arithmetic of known_run.py."""

import json
import re
from typing import TYPE_CHECKING

import duckdb
import pytest

from pipeline.run import RESULT_COLUMNS, RowWriter, read_rows
from pipeline.units import NOTHING
from reports import findings
from reports.build import build
from reports.known_verdict import headline, plain, table
from reports.scorecard import details, scorecard, to_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.run import RunFolder
    from reports.findings import Findings

# 200 requests stored 400 to 599 ms after their intended send: the median, the 100th, after 499, the 180th after 579.
EXPECTED = {
    # way: p50, p90, stored p50, behind p50, requests a result
    "sync": (504, 584, 499, 5, 1.0),
    "polling-1s": (1_020, 1_020, 499, 520, 2.0),
    "polling-1s-handler": (1_040, 1_040, 499, 540, 2.0),
    "polling": (2_000, 2_000, 499, 1_500, 2.0),
    "callback": (559, 639, 499, 60, 1.0),
    "websocket": (539, 619, 499, 40, 1.1),  # 20 connections for 200 requests
}


@pytest.mark.parametrize("way", EXPECTED)
def test_the_scorecard_tells_when_clients_knew(known_findings: "Findings", way: str) -> None:
    told = scorecard(known_findings)["time_to_know"][way]
    p50, p90, stored, behind, requests = EXPECTED[way]

    assert (told["p50"], told["p90"], told["p99"]) == (p50, p90, None), "p99 needs 1,000"
    assert (told["stored"]["p50"], told["behind"]["p50"]) == (stored, behind)
    assert told["requests_per_result"] == pytest.approx(requests)
    assert (told["n"], told["accepted"], told["completed"]) == (200, 200, 200)
    assert told["lost"] == told["untold"] == told["unfinished"] == told["dead_lettered"] == 0


def test_the_scorecard_of_a_patterns_run_has_these_parts_and_is_json(known_findings: "Findings") -> None:
    card = json.loads(to_json(scorecard(known_findings)))

    assert list(card) == ["run", "time_to_know", "doors"]
    assert list(card["time_to_know"]) == list(EXPECTED)
    assert card["time_to_know"]["websocket"]["told_again"] == 3
    assert card["time_to_know"]["polling-1s"]["interval_s"] == 1.0
    assert json.loads(to_json(details(known_findings)))["time_to_know"]["sync"]["known"]["p50"]["low"] < 504


def test_with_a_thousand_results_there_is_a_p99(known_run: "Callable[..., RunFolder]", tmp_path: "Path") -> None:
    found = findings.find(known_run(tmp_path / "run", requests=1_000, ways=("callback",)))

    assert scorecard(found)["time_to_know"]["callback"]["p99"] == 400 + 989 + 60


def test_what_the_doors_take_is_measured_over_all_their_ways_and_priced(known_findings: "Findings") -> None:
    doors = scorecard(known_findings)["doors"]

    assert {name: (door["p50"], door["n"], door["invocations"]) for name, door in doors.items()} == {
        "proxy": (10.0, 600, 0), "handler": (30.0, 200, 1),
    }  # fmt: skip
    # By hand, from the pages of prices: 3.50 a million requests; a request of a function 0.20, 512 MB for 30 ms
    # 0.5 x 0.03 x 13.3334, and two writes of the table at 0.625.
    assert doors["proxy"]["usd_per_million"] == 3.5
    assert doors["handler"]["usd_per_million"] == pytest.approx(3.5 + 0.2 + 0.2 + 1.25, abs=0.001)


def test_without_the_functions_memory_nothing_is_priced_that_needs_it(
    known_run: "Callable[..., RunFolder]", tmp_path: "Path"
) -> None:
    found = findings.find(known_run(tmp_path / "run", target="aws"))

    assert found.by_door["handler"].usd_per_million is None
    assert found.by_door["proxy"].usd_per_million == 3.5


def test_clients_that_never_knew_rank_as_the_slowest_and_are_counted(
    known_run: "Callable[..., RunFolder]", tmp_path: "Path"
) -> None:
    found = findings.find(known_run(tmp_path / "run", untold=30, dead=2, lost=1))
    told = scorecard(found)["time_to_know"]["callback"]

    assert (told["n"], told["untold"], told["dead_lettered"], told["lost"]) == (167, 30, 2, 1)
    assert told["p50"] == 559, "of all 200 accepted, not of those that knew"
    assert told["p90"] is None, "more than a tenth never knew"
    assert told["max"] == 400 + 166 + 60


@pytest.mark.parametrize(
    ("spoiled", "says"),
    [
        ({}, "Synchronous: half of the clients knew their result within 504 ms; Polling as told: 2.00 s."),
        ({"requests": 10}, "Synchronous: on average clients knew their result after 410 ms; Polling as told: 2.00 s."),
        ({"lost": 1}, "lost accepted requests."),
        ({"untold": 3}, "clients did not know results that were stored: 3 by Synchronous"),
        ({"ways": ("callback",)}, "Every accepted request came to an end, and its client knows."),
    ],
)
def test_the_headline_says_the_worst_first(
    known_run: "Callable[..., RunFolder]", tmp_path: "Path", spoiled: dict[str, int], says: str
) -> None:
    assert says in headline(findings.find(known_run(tmp_path / "run", **spoiled)))


def test_a_synchronous_request_that_got_a_504_is_none_that_knows(
    known_run: "Callable[..., RunFolder]", tmp_path: "Path"
) -> None:
    found = findings.find(known_run(tmp_path / "run", refused=4))
    told = scorecard(found)["time_to_know"]["sync"]

    assert (told["offered"], told["accepted"], told["rejected"], told["n"]) == (200, 196, {"504": 4}, 196)
    assert told["lost"] == told["untold"] == 0
    line = next(line for line in table(found).splitlines() if line.startswith("Synchronous"))
    assert re.split(r"\s{2,}", line)[-3:] == ["4", "0", "0"], "what was not taken stands beside what was fast"


def test_an_answer_that_a_client_has_is_not_lost_though_it_is_not_stored(
    known_run: "Callable[..., RunFolder]", tmp_path: "Path"
) -> None:
    folder = known_run(tmp_path / "run", ways=("sync",))
    rows = list(read_rows(folder.results))
    folder.results.unlink()
    with RowWriter(folder.results, RESULT_COLUMNS) as results:
        for row in rows[1:]:
            results.write(*row.values())

    found = findings.find(folder)

    told = scorecard(found)["time_to_know"]["sync"]
    assert (told["n"], told["completed"], told["unstored"], told["lost"]) == (200, 199, 1, 0)
    assert "199 completed" in plain(found, tmp_path)
    assert "0 lost + 1 unstored; 200 known" in plain(found, tmp_path)


def test_a_generator_killed_before_it_wrote_who_knew_has_untold_results(
    known_run: "Callable[..., RunFolder]", tmp_path: "Path"
) -> None:
    folder = known_run(tmp_path / "run", ways=("callback",))
    folder.known(0).write_bytes(folder.known(0).read_bytes()[:-3])

    found = findings.find(folder)

    assert found.knowing["callback"].untold == 1
    assert any("known-0.rows breaks off after row 199" in reason for reason in found.partial)


def test_a_way_whose_turn_never_came_is_missed(known_run: "Callable[..., RunFolder]", tmp_path: "Path") -> None:
    folder = known_run(tmp_path / "run", ways=("sync", "callback"))
    described = folder.described()
    folder.describe({**described, "ways": ["sync", "callback", "websocket"]})

    assert "websocket: its turn never came" in findings.find(folder).partial


def test_the_table_for_a_terminal_has_a_line_a_way_in_columns(known_findings: "Findings") -> None:
    _, heads, *lines = table(known_findings).splitlines()
    cells = [re.split(r"\s{2,}", line) for line in lines[:6]]

    assert [row[0] for row in cells] == [
        "Synchronous", "Polling every 1 s", "Polling every 1 s, by handler", "Polling as told", "Callback", "WebSocket",
    ]  # fmt: skip
    assert {len(line) for line in (heads, *lines[:6])} == {len(heads)}
    assert cells[5][1:] == [
        "539 ms", "619 ms", NOTHING, "639 ms", "200", "499 ms", "40.0 ms", "1.10", "0", "0", "0",
    ]  # fmt: skip
    assert "p99 needs 1,000" in lines[-1]


def test_the_terminal_ends_with_the_table_and_where_the_report_is(known_findings: "Findings", tmp_path: "Path") -> None:
    text = plain(known_findings, tmp_path / "report.html")

    assert text.index("questions a result") < text.index("Time to know, from the intended send")
    assert "$3.62 a million results" in text
    assert text.splitlines()[-1] == f"Report: {tmp_path / 'report.html'}"
    assert "NOT VALID" not in text


def test_the_report_stands_in_the_runs_folder_with_a_row_a_request(
    known_run: "Callable[..., RunFolder]", tmp_path: "Path"
) -> None:
    folder = known_run(tmp_path / "run", requests=30)

    build(folder)

    names = {path.name for path in folder.path.iterdir()}
    assert {"report.html", "scorecard.json", "knowledge.parquet", "time-to-know.png", "doors.png"} <= names
    assert not names & {"timeline.png", "latency.png", "stages.png"}
    rows = duckdb.sql(
        f"SELECT buffer, count(*), min(know_ms), min(store_ms), min(behind_ms), sum(calls) "
        f"FROM '{folder.path}/knowledge.parquet' GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    assert rows[0] == ("callback", 30, 460.0, 400.0, 60.0, 30)
    assert len(rows) == 6
