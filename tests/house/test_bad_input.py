"""What is no input: every command says what is wrong and ends; none shows a traceback, and none goes on with it."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.cli import main

# Commands that are given a file, a folder or a name; FILE stands for it.
TAKE_A_FILE = (
    ("simulate", "FILE"),
    ("workload", "show", "FILE"),
    ("faults", "FILE", "--list"),
    ("replay", "FILE"),
    ("report", "FILE"),
    ("compare", "FILE", "FILE"),
    ("redrive", "show", "--local", "FILE"),
    ("local", "--template", "FILE"),
)

# Another tool's files, a slip, a cut: a name, and what is in it.
FILES: dict[str, bytes | None] = {
    "missing": None,
    "empty": b"",
    "binary": bytes(range(256)) * 8,
    "text": b"This is a note, and nothing else.\n",
    "list": b"- 1\n- 2\n",
    "malformed": b"name: [1, 2\nseed: {",
    "deep": b"[" * 10_000,
    "json": b'{"answer": 42}\n',
    "nulls": b"name:\nbuffer:\nrate:\nResources:\n",
}

PLAN = ("plan", "--for", "60s", "--objective", "p99 <= 60s")
VALUES = [
    (("simulate", "burst", "--set", "seed=-1"), "less than 0"),
    (("simulate", "burst", "--set", "arrivals={burst: 1e30}"), "not a whole number"),
    (("simulate", "burst", "--set", "until_s=.nan"), "not a finite number"),
    (("simulate", "burst", "--set", "nonsense"), "KEY.KEY=VALUE"),
    (("simulate", "burst", "--set", "quotas={account_concurrency: .inf}"), "finite"),
    (("simulate", "burst", "--set", "partition_keys={uniform: 10000000000}"), "is more than 10,000,000"),
    (("simulate", "burst", "--set", "partition_keys={zipf: [10000000000, 1]}"), "is more than 10,000,000"),
    (("simulate", "burst", "--set", "mapping.shards=1000000000000"), "is more than 100,000"),
    (("simulate", "burst", "--set", "function.in_batch_concurrency=100000000000000000000"), "is more than 10,000"),
    (("simulate", "burst", "--set", "downstream.sdk_attempts=100000000000000000000"), "is more than 1,000"),
    ((*PLAN, "--spike", "nan/s"), "not a rate"),
    ((*PLAN, "--spike", "100/s", "--payload", "0"), "no size"),
    ((*PLAN, "--spike", "100/s", "--keys", "1000000000000"), "not in the range"),
    ((*PLAN, "--spike", "100/s", "--timeout", "16m"), "AWS takes 1 to 900"),
    ((*PLAN, "--spike", "100/s", "--seed", "-1"), "not in the range"),
    ((*PLAN, "--spike", "100/s", "--processes", "100000000"), "not in the range"),
    (("plan", "--spike", "100/s", "--for", "60s", "--objective", "p00 <= 60s"), "there is no p00"),
    ((*PLAN, "--spike", "-5/s"), "not a rate"),
    ((*PLAN, "--spike", "100/s", "--quota", "account_concurrency=nan"), "number"),
    ((*PLAN, "--spike", "100/s", "--spikes-per-month", "nan"), "not a finite number"),
    ((*PLAN, "--spike", "100/s", "--spikes-per-month", "inf"), "not a finite number"),
    (("compare", "a", "b", "--margin", "nan"), "not a finite number"),
    (("compare", "a", "b", "--margin", "-1"), "not in the range"),
    (("workload", "show", "spike", "--width", "1000000000"), "not in the range"),
    (("local", "--rekognition-rate", "nan"), "not a finite number"),
    (("local", "--rekognition-median-ms", "inf"), "not a finite number"),
    (("local", "--quota", "kinesis_shard_records_per_s=nan"), "must be a number of 0 or more"),
    (("local", "--parameter", "NoSuchParameter=1"), "NoSuchParameter"),
    (("faults", "--only", "nothing", "--list"), "there is no fault nothing"),
    (("callback-receiver", "--name", "a b"), "not a DNS name"),
    (("redrive", "show", "--older-than", "nan"), "no age"),
    (("redrive", "show", "--stack", "x", "--region", "x y"), "doesn't match a supported format"),
]


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refused(*arguments: str) -> str:
    """What a command says that ends with an error of its own."""
    done = CliRunner().invoke(main, arguments)
    assert isinstance(done.exception, SystemExit), f"{arguments}: {done.exception!r}"
    assert done.exit_code in (1, 2), done.output
    assert done.output.strip()
    return done.output


@pytest.mark.parametrize("content", FILES)
@pytest.mark.parametrize("command", TAKE_A_FILE, ids=lambda command: command[0])
def test_a_file_that_is_none_of_ours_is_refused_by_its_name(
    command: tuple[str, ...], content: str, tmp_path: Path
) -> None:
    written = FILES[content]
    if written is not None:
        (tmp_path / content).write_bytes(written)

    assert content in refused(*(content if part == "FILE" else part for part in command))


@pytest.mark.parametrize("command", TAKE_A_FILE, ids=lambda command: command[0])
def test_a_folder_with_nothing_in_it_and_a_name_too_long_for_a_file_are_refused(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    for name in ("folder", "x" * 300):
        assert name[:20] in refused(*(name if part == "FILE" else part for part in command))


@pytest.mark.parametrize(("arguments", "says"), VALUES, ids=[" ".join(arguments) for arguments, _ in VALUES])
def test_a_value_that_is_none_is_refused_by_its_option(arguments: tuple[str, ...], says: str) -> None:
    assert says in " ".join(refused(*arguments).split())


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    small = ("simulate", "burst", "--set", "arrivals={burst: 10}")

    assert "cannot be written" in refused(*small, "--json", "file/out.json")
    assert "cannot be written" in refused(*small, "--report", "file/out")
    assert "cannot be written" in refused("package", "--out", "file/forebay.zip")
    assert "cannot be written" in refused("faults", "--only", "kill", "--out", "file/runs")
    (tmp_path / "latest").write_text("mine")
    assert "latest is no link to a run" in refused("faults", "--only", "kill", "--out", "runs")
    assert (tmp_path / "latest").read_text() == "mine"
