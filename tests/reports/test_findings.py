"""What is found in a run: over time, at its peaks, at its end, and where it is not whole."""

import json
import math
from typing import TYPE_CHECKING, Any

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
from reports.findings import find
from reports.timeline import backlog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reports.findings import Findings

AT = 1_795_500_000_000.0
TURN = {"buffer": "sqs", "started_at": AT, "ended_at": AT + 1, "drained": True, "cut_off": False}
RUN = {
    "format": 1, "id": "r", "target": "local", "started_at": AT, "ended_at": AT + 9, "seed": 1,
    "workload": {"name": "w", "buffers": ["sqs"]}, "buffers": [TURN], "valid": True, "invalid_because": [],
    "uncollected": False,
}  # fmt: skip


def run_of(
    path: "Path",
    requests: list[dict[str, Any]],
    results: list[dict[str, Any]] | None = None,
    observations: list[dict[str, Any]] | None = None,
    dead_letters: list[dict[str, Any]] | None = None,
    **described: Any,
) -> "Findings":
    path.mkdir(exist_ok=True)
    folder = RunFolder(path)
    for file, columns, rows in (
        (folder.requests(0), REQUEST_COLUMNS, requests),
        (folder.results, RESULT_COLUMNS, results or []),
        (folder.dead_letters, DEAD_LETTER_COLUMNS, dead_letters or []),
        (folder.observations, OBSERVATION_COLUMNS, observations or []),
    ):
        with RowWriter(file, columns) as writer:
            for row in rows:
                writer.write(*(({"buffer": "sqs"} | row).get(column) for column in columns))
    folder.describe(RUN | described)
    return find(folder)


def request(sequence: int, second: float, status: int = 202) -> dict[str, Any]:
    at = AT + second * 1000
    return {"sequence": sequence, "intended_at": at, "sent_at": at + 1, "responded_at": at + 20, "status": status}


def result(sequence: int, second: float, **others: Any) -> dict[str, Any]:
    return {"sequence": sequence, "status": "SUCCEEDED", "stored_at": AT + second * 1000, "deliveries": 1} | others


def observation(second: float, **others: Any) -> dict[str, Any]:
    return {"at": AT + second * 1000} | others


def test_rates_are_counted_in_seconds_from_the_first_arrival(tmp_path: "Path") -> None:
    found = run_of(
        tmp_path,
        # 0.999 s belongs to second 0: it is floored and never rounded.
        [request(0, 0.0), request(1, 0.6), request(2, 0.97), request(3, 2.5, status=429)],
        [result(0, 0.999), result(1, 1.0), result(2, 3.7, status="FAILED")],
    )
    frame = found.buffers["sqs"].timeline
    assert frame.attrs["step_s"] == 1
    assert frame.second.tolist() == [0, 1, 2, 3, 4]
    assert frame.offered.tolist() == [3, 0, 1, 0, 0]
    assert frame.accepted.tolist() == [3, 0, 0, 0, 0]
    assert frame.rejected.tolist() == [0, 0, 1, 0, 0]
    assert frame.completed.tolist() == [1, 1, 0, 0, 0], "what failed is not completed, but ends the wait"
    assert frame.unended.tolist() == [2, 1, 1, 0, 0]
    assert backlog(frame).tolist() == [2, 1, 1, 0, 0], "from the rows, since nothing was observed"


def test_a_backlog_that_was_observed_goes_before_the_one_counted(tmp_path: "Path") -> None:
    seen = [
        observation(0.5, backlog=7, throttles=2, concurrency=3, cold_starts=1),
        observation(1.5, backlog=9, throttles=6, concurrency=2, cold_starts=4),
        observation(3.5, backlog=0, throttles=6, concurrency=0, cold_starts=4),
    ]
    buffer = run_of(tmp_path, [request(0, 0)], [result(0, 3)], seen).buffers["sqs"]
    assert backlog(buffer.timeline).tolist() == [7, 9, 9, 0, 0], "between two observations the last one stands"
    assert buffer.timeline.throttles.tolist() == [2, 4, 0, 0, 0]
    assert buffer.observed.peak_backlog == 9
    assert buffer.observed.throttles == 6
    assert buffer.observed.cold_starts == 4
    assert buffer.observed.peak_concurrency == 3


def test_what_the_target_does_not_tell_is_none_and_not_zero(tmp_path: "Path") -> None:
    seen = run_of(tmp_path, [request(0, 0)], [result(0, 1)], [observation(1, backlog=0)]).buffers["sqs"].observed
    assert (seen.peak_backlog, seen.throttles, seen.cold_starts, seen.peak_concurrency) == (0, None, None, None)


@pytest.mark.parametrize(("hours", "step"), [(0.1, 1), (1, 10), (24, 300), (24 * 365 * 30, 1_576_800)])
def test_long_runs_are_shown_in_longer_steps(tmp_path: "Path", hours: float, step: int) -> None:
    frame = run_of(tmp_path, [request(0, 0)], [result(0, hours * 3600)]).buffers["sqs"].timeline
    assert frame.attrs["step_s"] == step
    assert len(frame) <= 603
    assert frame.offered.sum() * step == 1
    assert frame.completed.sum() * step == pytest.approx(1)


def test_clocks_that_run_backwards_or_wild_break_nothing(tmp_path: "Path") -> None:
    found = run_of(
        tmp_path,
        [request(0, 0), request(1, 1)],
        [result(0, -50, accepted_at=AT - 1e5, received_at=AT, recognised_at=AT), result(1, 1e12)],
        [observation(-1e6, backlog=5), observation(1e12, backlog=5), observation(math.inf, backlog=3)],
    )
    frame = found.buffers["sqs"].timeline
    assert len(frame) <= 603
    assert frame.completed.sum() > 0


def test_where_no_arrival_is_known_all_there_was_is_in_the_first_step(tmp_path: "Path") -> None:
    requests = [request(n, n) | {"intended_at": None} for n in range(3)]
    buffer = run_of(tmp_path, requests, [result(0, 5)]).buffers["sqs"]
    assert buffer.timeline.accepted.tolist() == [3, 0]
    assert buffer.timeline.completed.tolist() == [1, 0]
    assert (buffer.load.requests, buffer.load.span_s, buffer.load.busiest_second) == (3, 0.0, 0)
    assert buffer.latency.n == 0


def test_arrivals_further_apart_than_any_clock_counts_are_in_other_seconds(tmp_path: "Path") -> None:
    requests = [request(0, 0), request(1, 0.5), request(2, 0) | {"intended_at": 1e300}]
    assert run_of(tmp_path, requests).buffers["sqs"].load.busiest_second == 2


def test_drained_is_from_the_last_intended_send_to_the_last_ending(tmp_path: "Path") -> None:
    found = run_of(tmp_path, [request(0, 0), request(1, 10)], [result(0, 60), result(1, 11)])
    assert found.buffers["sqs"].drain_s == 50


def test_a_dead_letter_ends_when_it_was_first_counted(tmp_path: "Path") -> None:
    requests, results, letters = [request(0, 0), request(1, 4)], [result(0, 5)], [{"sequence": 1}]
    seen = [observation(20, dead_lettered=0), observation(30, dead_lettered=1), observation(40, dead_lettered=1)]
    assert run_of(tmp_path / "a", requests, results, seen, letters).buffers["sqs"].drain_s == 26
    unseen = run_of(tmp_path / "b", requests, results, None, letters).buffers["sqs"]
    assert unseen.drain_s is None, "not known, so not invented"


def test_a_buffer_that_was_cut_off_has_no_time_to_drain(tmp_path: "Path") -> None:
    turn = TURN | {"drained": False, "cut_off": True}
    found = run_of(tmp_path, [request(0, 0), request(1, 1)], [result(0, 5)], buffers=[turn])
    assert found.buffers["sqs"].drain_s is None
    assert found.buffers["sqs"].account.unfinished == 1
    assert not found.partial, "a cut-off is an end that was planned"


def test_latency_runs_from_the_intended_send_and_never_to_recognised_at(tmp_path: "Path") -> None:
    results = [result(n, 5, recognised_at=AT + 100) for n in range(20)] + [
        result(20, 9, stored_at=None, recognised_at=AT)
    ]
    buffer = run_of(tmp_path, [request(n, 1) for n in range(21)], results).buffers["sqs"]
    assert buffer.latency.value("p50") == 4000
    assert buffer.latency.n == 20
    assert buffer.unstamped == 1
    assert buffer.account.completed == 21


def test_stages_add_up_to_the_time_to_result(sample_findings: "Findings") -> None:
    for buffer in sample_findings.buffers.values():
        shares = [stage.share for stage in buffer.stages.values()]
        assert buffer.latency.mean == pytest.approx(sum(share or 0 for share in shares), rel=1e-3)


def test_a_cold_start_is_taken_out_of_the_wait_and_counted_for_who_met_one(tmp_path: "Path") -> None:
    times = {"accepted_at": AT + 10, "received_at": AT + 510, "recognised_at": AT + 700}
    results = [result(n, 0.75, init_ms=300.0 if n < 20 else 0.0, **times) for n in range(40)]
    stages = run_of(tmp_path, [request(n, 0) for n in range(40)], results).buffers["sqs"].stages
    assert stages["cold_start"].times.n == 20
    assert stages["cold_start"].times.value("p50") == 300
    assert stages["cold_start"].share == 150
    assert stages["buffer"].times.value("p50") == 200
    assert stages["buffer"].share == 350
    assert [stages[name].times.value("p50") for name in ("gateway", "work", "write")] == [10, 190, 50]


@pytest.mark.parametrize(
    ("described", "reason"),
    [
        ({"ended_at": None}, "the run was cut off"),
        ({"uncollected": True}, "was not collected"),
        ({"buffers": []}, "does not tell of its turn"),
        ({"buffers": [TURN | {"drained": False}]}, "its turn was broken off"),
        ({"workload": {"name": "w", "buffers": ["sqs", "kinesis"]}}, "kinesis: its turn never came"),
    ],
)
def test_a_run_that_is_not_whole_is_partial_and_not_valid(
    tmp_path: "Path", described: dict[str, Any], reason: str
) -> None:
    found = run_of(tmp_path, [request(0, 0), request(1, 1)], [result(0, 1)], **described)
    assert reason in "; ".join(found.partial)
    assert not found.valid
    account = found.buffers["sqs"].account
    assert account.accepted == account.completed + account.unfinished + account.lost == 2
    if "buffers" in described or "uncollected" in described:
        assert not account.lost, "what was not waited for is not lost"


def test_rows_cut_off_in_the_middle_make_it_partial_with_its_sums_right(
    write_run: "Callable[..., RunFolder]", tmp_path: "Path"
) -> None:
    folder = write_run(tmp_path / "cut")
    for path in (folder.requests(0), folder.results):
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2 + 1])
    found = find(folder)
    assert len(found.partial) == 2
    for buffer in found.buffers.values():
        one = buffer.account
        assert not one.lost, "it may be among the rows that are gone"
        assert buffer.drain_s is None
        assert one.accepted == one.completed + one.failed + one.dead_lettered + one.unfinished + one.lost


def test_an_empty_run_is_refused(tmp_path: "Path") -> None:
    with pytest.raises(RunError, match="nothing was sent"):
        run_of(tmp_path, [])


def test_a_folder_without_a_run_is_refused(tmp_path: "Path") -> None:
    with pytest.raises(RunError, match=r"holds no run: it has no run\.json"):
        find(RunFolder(tmp_path))


def test_a_row_of_no_buffer_is_refused(tmp_path: "Path") -> None:
    with pytest.raises(RunError, match="names no buffer or no sequence"):
        run_of(tmp_path, [request(0, 0) | {"buffer": None}])


def test_sameness_is_seen_in_the_rows(tmp_path: "Path") -> None:
    cat, dog = {"image": "cat"}, {"image": "dog"}
    sns = {"buffer": "sns"}
    same = run_of(tmp_path / "a", [request(0, 0) | cat, request(0, 90) | cat | sns]).sameness
    assert (same.schedule_ms, same.only_some, same.other_images) == (0, 0, 0)
    other = run_of(
        tmp_path / "b",
        [
            request(0, 0) | cat,
            request(1, 1) | cat,
            request(2, 2),
            request(0, 90) | dog | sns,
            request(1, 91.25) | cat | sns,
        ],
    ).sameness
    assert (other.schedule_ms, other.only_some, other.other_images) == (250, 1, 1)


def test_the_order_of_buffers_is_that_of_their_turns(sample_findings: "Findings", sample: "RunFolder") -> None:
    turns = [turn["buffer"] for turn in json.loads(sample.description.read_text())["buffers"]]
    assert list(sample_findings.buffers) == turns
