"""The verdict says what is so of this run, and nothing that is not."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from reports.findings import find
from reports.quantiles import Quantile
from reports.verdict import plain, sum_line, verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.run import RunFolder
    from reports.findings import Findings


def changed(findings: "Findings", buffer: str, **parts: dict[str, Any]) -> "Findings":
    """The findings with some of one buffer's figures replaced."""
    old = findings.buffers[buffer]
    new = replace(old, **{name: replace(getattr(old, name), **values) for name, values in parts.items()})
    return replace(findings, buffers=findings.buffers | {buffer: new})


def test_throttles_are_spoken_of_only_where_there_were_some(sample_findings: "Findings") -> None:
    said = verdict(sample_findings).buffers
    assert f"{sample_findings.buffers['sns'].observed.throttles:,} deliveries were throttled" in said["sns"]
    assert "No delivery was throttled." in said["sqs"]
    untold = verdict(changed(sample_findings, "sns", observed={"throttles": None})).buffers["sns"]
    assert "throttled" not in untold


def test_a_request_turned_away_is_named_with_its_status(sample_findings: "Findings") -> None:
    said = verdict(sample_findings).buffers
    assert "answered 212 with 429" in said["kinesis"]
    assert "429" not in said["sns"]


def test_nothing_lost_is_claimed_only_if_nothing_was(sample_findings: "Findings") -> None:
    assert "nothing was lost" in " ".join(verdict(sample_findings).closing)
    lost = verdict(changed(sample_findings, "sqs", account={"lost": 2, "completed": 2264}))
    assert lost.headline == "SQS lost accepted requests."
    assert "2 requests were LOST" in lost.buffers["sqs"]
    assert "nothing was lost" not in " ".join(lost.closing)


def test_one_is_not_spoken_of_as_many(sample_findings: "Findings") -> None:
    said = verdict(changed(sample_findings, "sqs", account={"dead_lettered": 1, "failed": 1, "duplicates": 1}))
    assert "1 request ended as failed" in said.buffers["sqs"]
    assert "1 request was given up" in said.buffers["sqs"]
    assert "1 delivery was a duplicate" in said.buffers["sqs"]


@pytest.mark.parametrize(
    ("sqs", "kinesis", "expected"),
    [
        (Quantile(10, 9, 11), Quantile(12, 11.5, 13), "By the median SQS was the fastest"),
        (Quantile(10, 9, 12), Quantile(12, 11, 13), "SQS and Kinesis cannot be told apart"),
        (Quantile(10, 9, None), Quantile(12, 11, 13), "cannot be told apart"),
    ],
)
def test_medians_are_ranked_only_if_their_intervals_part(
    sample_findings: "Findings", sqs: Quantile, kinesis: Quantile, expected: str
) -> None:
    some = changed(sample_findings, "sqs", latency={"p50": sqs})
    some = changed(some, "kinesis", latency={"p50": kinesis})
    some = changed(some, "sns", latency={"p50": Quantile(99, 98, 100)})
    assert expected in " ".join(verdict(some).closing)


def test_a_buffer_cut_off_is_the_headline(write_run: "Callable[..., RunFolder]", tmp_path: "Path") -> None:
    found = find(write_run(tmp_path / "cut", cut_off="sns"))
    said = verdict(found)
    unfinished = found.buffers["sns"].account.unfinished
    assert unfinished > 0
    assert said.headline == "SNS did not get through in time."
    assert f"{unfinished:,} requests" in said.buffers["sns"]
    assert "after the last arrival" not in said.buffers["sns"]


def test_the_terminal_shows_the_sums_first_and_where_the_page_is(
    sample_findings: "Findings", sample: "RunFolder"
) -> None:
    lines = plain(sample_findings, sample.path / "report.html").splitlines()
    for line, buffer in zip(lines, sample_findings.buffers.values(), strict=False):
        assert line.endswith(sum_line(buffer.account))
    assert lines[-1] == f"Report: {sample.path / 'report.html'}"
    assert not any("NOT VALID" in line for line in lines)


def test_a_run_that_is_not_valid_says_so_on_the_terminal(sample_findings: "Findings", sample: "RunFolder") -> None:
    run = replace(sample_findings.run, valid=False, invalid_because=("the generator was late",))
    assert "NOT VALID: the generator was late" in plain(replace(sample_findings, run=run), sample.path)


def test_the_target_is_never_taken_for_aws(sample_findings: "Findings") -> None:
    assert "not on AWS" in verdict(sample_findings).load
    aws = replace(sample_findings, run=replace(sample_findings.run, target="aws"))
    assert "It ran on AWS." in verdict(aws).load
