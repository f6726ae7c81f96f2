"""Two runs side by side: what is called, what is refused, and what a user and a CI see of it."""

import json
import os
import re
import shutil
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from pipeline.repeats import RepeatsFolder
from reports import findings, run_argument
from reports.comparison import Comparison, Method, NotComparableError, Side, Verdict, compare
from reports.comparison_command import compare as command
from reports.comparison_page import page
from reports.findings import find

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.run import RunFolder
    from reports.findings import Findings

GOLDEN = Path(__file__).parent / "golden" / "comparison-structure.txt"
REPEATS = 4


@pytest.fixture(scope="module")
def runs(write_run: "Callable[..., RunFolder]", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Repeats before-1 to 4 and as many after, whose recognition takes thirty times as long; and their groups."""
    folder = tmp_path_factory.mktemp("compared") / "runs"
    for side, slower in (("before", 1.0), ("after", 30.0)):
        names = [f"{side}-{number + 1}" for number in range(REPEATS)]
        for number, name in enumerate(names):
            write_run(folder / name, scale=0.12, repeat=10 * number + (1 if side == "before" else 2), slower=slower)
        group = folder / f"{side}-x{REPEATS}"
        group.mkdir()
        RepeatsFolder(group).describe(names, REPEATS)
    return folder


@pytest.fixture(scope="module")
def found(runs: Path) -> "dict[str, Findings]":
    """What each run shows, by its name."""
    names = [f"{side}-{number + 1}" for side in ("before", "after") for number in range(REPEATS)]
    return {folder.path.name: find(folder) for folder in _folders(runs, names)}


def _folders(runs: Path, names: list[str]) -> "list[RunFolder]":
    from pipeline.run import RunFolder

    return [RunFolder(runs / name) for name in names]


def group(found: "dict[str, Findings]", side: str) -> Side:
    return Side(side, tuple(run for name, run in found.items() if name.startswith(side)))


@pytest.fixture(scope="module")
def repeated(found: "dict[str, Findings]") -> Comparison:
    return compare(group(found, "before"), group(found, "after"))


def verdicts(compared: Comparison, way: str) -> dict[str, Verdict]:
    return {one.figure.path: one.verdict for one in compared.figures if one.way == way}


def test_repeats_show_the_slower_recognition_in_each_buffer_and_nothing_at_the_door(repeated: Comparison) -> None:
    assert repeated.method is Method.BETWEEN_RUNS
    assert repeated.worse
    for way in ("sns", "sqs", "kinesis", "kinesis-efo"):
        told = verdicts(repeated, way)
        assert told["latency_ms.p50"] is Verdict.WORSE
        assert told["response_ms.p50"] is Verdict.WITHIN_NOISE
        assert told["lost"] is Verdict.SAME
    by_p = [one for one in repeated.figures if one.evidence is not None and one.p is not None]
    assert repeated.tested == len(by_p)
    assert all(one.p >= one.evidence.p for one in by_p)  # type: ignore[operator, union-attr]


def test_the_other_way_round_it_is_better_and_so_no_worse(found: "dict[str, Findings]") -> None:
    turned = compare(group(found, "after"), group(found, "before"))
    assert not turned.worse
    assert verdicts(turned, "sqs")["latency_ms.p50"] is Verdict.BETTER


def test_repeats_of_the_same_do_not_differ(found: "dict[str, Findings]") -> None:
    before = group(found, "before").runs
    halves = compare(Side("one", before[:2]), Side("other", before[2:]))
    assert not halves.those(Verdict.WORSE)
    assert not halves.those(Verdict.BETTER)


def test_a_margin_lets_a_figure_grow_so_far(found: "dict[str, Findings]") -> None:
    assert not compare(group(found, "before"), group(found, "after"), margin=99.0).worse


def test_two_single_runs_are_judged_by_the_noise_within_them_and_say_so(found: "dict[str, Findings]") -> None:
    single = compare(Side("a", (found["before-1"],)), Side("b", (found["after-1"],)))
    assert single.method is Method.WITHIN_RUN
    called = [one for one in single.figures if one.evidence is not None]
    assert called
    assert all(one.evidence.block_s is not None for one in called if one.evidence is not None)
    told = verdicts(single, "sns")
    assert told["drain_s"] is told["throttles"] is Verdict.NOT_CALLED
    assert "Repeat both" in page(single)


def test_one_lost_request_is_worse_without_a_test(found: "dict[str, Findings]") -> None:
    a, b = found["before-1"], found["before-2"]
    sqs = b.buffers["sqs"]
    lost = replace(sqs, account=replace(sqs.account, lost=1, completed=sqs.account.completed - 1))
    compared = compare(Side("a", (a,)), Side("b", (replace(b, buffers=b.buffers | {"sqs": lost}),)))
    (worse,) = [one for one in compared.figures if one.way == "sqs" and one.figure.path == "lost"]
    assert (worse.verdict, worse.p, worse.why) == (Verdict.WORSE, None, "must be 0")
    assert compared.worse


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"target": "aws"}, "on different targets (aws, local)"),
        ({"seed": 8}, "not given the same load (seed: 7 and 8); run the same workload again"),
        (
            {"workload": {"name": "spike", "rate": [[0, 1], [9, 1]], "seed": 7}},
            "the same load (rate:",
        ),
        ({"id": "before-1"}, "is on both sides: a run does not differ from itself"),
    ],
)
def test_what_is_no_comparison_is_refused_with_the_reason(
    found: "dict[str, Findings]", change: dict[str, Any], says: str
) -> None:
    other = found["before-2"]
    b = Side("b", (replace(other, run=replace(other.run, **change)),))
    with pytest.raises(NotComparableError, match=re.escape(says)):
        compare(Side("a", (found["before-1"],)), b)


def test_words_and_settings_of_a_workload_are_not_its_load_and_settings_that_differ_are_listed(
    found: "dict[str, Findings]",
) -> None:
    other = found["before-2"]
    run = replace(
        other.run,
        workload={**other.run.workload, "why": "another", "local": {"account_concurrency": 10}},
        options={**other.run.options, "account_concurrency": 10},
    )
    compared = compare(Side("a", (found["before-1"],)), Side("b", (replace(other, run=run),)))
    assert compared.settings == (
        ("options.account_concurrency", "40", "10"),
        ("local.account_concurrency", "not set", "10"),
    )


def test_a_buffer_that_only_one_side_had_is_left_out_and_said(found: "dict[str, Findings]") -> None:
    b = found["before-2"]
    fewer = replace(b, buffers={name: buffer for name, buffer in b.buffers.items() if name != "sns"})
    compared = compare(Side("a", (found["before-1"],)), Side("b", (fewer,)))
    assert compared.only == ("sns ran in A only",)
    assert not verdicts(compared, "sns")


@pytest.fixture
def invoke(runs: Path, found: "dict[str, Findings]", monkeypatch: pytest.MonkeyPatch) -> "Callable[..., Result]":
    """`forebay compare`, with these runs in the place of the project's own, and not read again for each test."""
    monkeypatch.setattr(run_argument, "RUNS", runs)
    monkeypatch.setattr(
        findings, "find", lambda folder: found[folder.path.name] if folder.path.name in found else find(folder)
    )
    return lambda *arguments: CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_worse_exits_with_one_and_leaves_page_and_json(invoke: "Callable[..., Result]", tmp_path: Path) -> None:
    html, out = tmp_path / "c.html", tmp_path / "c.json"
    made = invoke("before-x4", "after-x4", "--html", html, "--json", out)
    assert made.exit_code == 1, made.output
    assert made.stdout.startswith("B is worse than A in ")
    assert "worse       SQS, time to result, 50 %:" in made.stdout
    told = json.loads(out.read_text())
    assert told["comparable"] is told["worse"] is True
    assert told["method"].pop("tested") > 10
    assert told["method"] == {"noise": "between runs", "confidence": 0.95, "correction": "holm", "margin": 0.01}
    assert told["a"]["runs"] == [f"before-{number + 1}" for number in range(REPEATS)]
    (median,) = [one for one in told["figures"] if (one["buffer"], one["figure"]) == ("sqs", "latency_ms.p50")]
    assert len(median["a"]) == len(median["b"]) == REPEATS
    assert 0 < median["change_low"] < median["change"] < median["change_high"]
    assert median["p"] <= median["p_adjusted"] <= 0.05
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.html", "c.json"]
    assert "B is worse than A" in html.read_text()


def test_no_worse_exits_with_zero(invoke: "Callable[..., Result]") -> None:
    made = invoke("after-x4", "before-x4")
    assert made.exit_code == 0, made.output
    assert made.stdout.startswith("B is better than A in ")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("before-x4", "nowhere"), "no run 'nowhere'"),
        (("before-x4", "before-1"), "before-1 is on both sides"),
    ],
)
def test_what_cannot_be_compared_exits_with_two_and_says_why_in_json_too(
    invoke: "Callable[..., Result]", tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    out = tmp_path / "c.json"
    made = invoke(*arguments, "--json", out)
    assert made.exit_code == 2
    assert says in made.stderr
    assert "Traceback" not in made.output
    told = json.loads(out.read_text())
    assert (told["comparable"], told["worse"]) == (False, None)
    assert says in told["because"][0]


def test_a_run_that_is_not_valid_is_not_compared_and_among_repeats_left_out(
    invoke: "Callable[..., Result]", runs: Path, tmp_path: Path
) -> None:
    spoilt = shutil.copytree(runs / "before-4", tmp_path / "spoilt")
    described = json.loads((spoilt / "run.json").read_text()) | {
        "id": "spoilt", "valid": False, "invalid_because": ["it was late"],
    }  # fmt: skip
    (spoilt / "run.json").write_text(json.dumps(described))
    alone = invoke("before-1", spoilt)
    assert alone.exit_code == 2
    assert "spoilt is not valid: it was late" in alone.stderr
    for name in ("after-1", "after-2", "after-3"):
        (tmp_path / name).mkdir()
    (tmp_path / "group").mkdir()
    RepeatsFolder(tmp_path / "group").describe(["spoilt", "after-1", "after-2", "after-3"], 4)
    among = invoke("before-x4", tmp_path / "group")
    assert among.exit_code == 1
    assert "left out    spoilt is not valid: it was late" in among.stdout


def outline(html: str) -> str:
    """Headings, tables and their rows, and lists; no figures."""
    marks = re.findall(r"<(h1|h2|h3|table|ul|th)\b([^>]*)>(?:<span>.*?</span>|([^<]*))", html)
    ids = [re.search(r'id="([^"]+)"', attributes) for _, attributes, _ in marks]
    return "".join(
        tag
        + (f" #{named[1]}" if named else "")
        + (f": {unescape(text.strip())}" if text.strip() and tag != "h1" else "")
        + "\n"
        for (tag, _, text), named in zip(marks, ids, strict=True)
    )


def test_the_pages_structure_is_the_golden_one(repeated: Comparison) -> None:
    found = outline(page(repeated))
    if os.environ.get("FOREBAY_GOLDEN") == "write":
        GOLDEN.write_text(found, encoding="utf-8")
    assert found == GOLDEN.read_text(encoding="utf-8"), "FOREBAY_GOLDEN=write pytest tests/reports writes it anew"


def test_the_page_stands_alone(repeated: Comparison) -> None:
    html = page(repeated)
    assert "<script" not in html
    assert not re.search(r'(src|href)="(?!#)', html)
    assert not re.search(r"url\((?!#)", html)
    assert len(html.encode()) < 200_000


def test_names_from_a_run_cannot_break_the_page(found: "dict[str, Findings]") -> None:
    evil = "</style><script>alert(1)</script>{{ 7 * 7 }}"
    other = found["before-2"]
    b = replace(other, run=replace(other.run, id=evil, options={evil: evil}))
    html = page(compare(Side("a", (found["before-1"],)), Side(evil, (b,))))
    assert "<script" not in html
    assert "{{ 7 * 7 }}" in html
