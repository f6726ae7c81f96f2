"""The page: its structure against the golden one (FOREBAY_GOLDEN=write), and that it stands alone."""

import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reports.findings import find
from reports.page import page

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.run import RunFolder
    from reports.findings import Findings

GOLDEN = Path(__file__).parent / "golden" / "report-structure.txt"
OUTLINE = {"h1", "h2", "h3", "table", "figure", "figcaption", "ul", "dl", "svg", "th"}
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Structure(HTMLParser):
    """The outline of a page, its ids, what it points to, and whether its tags close."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.outline: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.references: list[str] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self._heading = False
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.tags.append(tag)
        if tag not in VOID:
            self._open.append(tag)
        if "id" in named:
            self.ids.append(str(named["id"]))
        self.references += [str(named[key]) for key in ("src", "href", "xlink:href", "action", "data") if key in named]
        if tag in OUTLINE and "svg" not in self._open[:-1]:
            mark = f" #{named['id']}" if "id" in named and tag != "svg" else ""
            self.outline.append(f"{'  ' * (tag not in ('h1', 'h2'))}{tag}{mark}")
            self._heading = tag in ("h2", "h3", "th")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        self._heading = False

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self._heading and data.strip():
            self.outline[-1] += f": {data.strip()}"


@pytest.fixture(scope="module")
def html(sample_findings: "Findings") -> str:
    return page(sample_findings)


def test_the_structure_is_the_golden_one(html: str) -> None:
    outline = "\n".join(Structure(html).outline) + "\n"
    if os.environ.get("FOREBAY_GOLDEN") == "write":
        GOLDEN.write_text(outline, encoding="utf-8")
    assert outline == GOLDEN.read_text(encoding="utf-8")


def test_it_asks_nothing_of_the_outside_and_runs_nothing(html: str) -> None:
    found = Structure(html)
    assert "script" not in found.tags
    assert "link" not in found.tags
    beside = {"scorecard.json", "report.json", "joined.parquet", "observations.parquet", "run.json"}
    pictures = {"timeline.png", "latency.png", "stages.png"}
    raw = {"requests-0.rows", "requests-1.rows", "results.rows", "dead_letters.rows", "observations.rows"}
    assert {one for one in found.references if not one.startswith("#")} == beside | pictures | raw
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)
    assert "default-src 'none'" in html


def test_ids_are_unique_and_references_inside_lead_somewhere(html: str) -> None:
    found = Structure(html)
    assert len(found.ids) == len(set(found.ids))
    inside = {one[1:] for one in found.references if one.startswith("#")} | set(re.findall(r"url\(#([^)]+)\)", html))
    assert inside <= set(found.ids)


def test_it_is_small_enough_to_send(html: str) -> None:
    assert len(html.encode()) < 1_000_000


def test_the_verdict_comes_before_the_sums_and_these_before_the_figures(html: str) -> None:
    assert html.index('id="verdict"') < html.index('id="sums"') < html.index('id="account"') < html.index("<figure")


def test_names_from_the_run_cannot_break_the_page(sample_findings: "Findings") -> None:
    evil = '</style><script>alert(1)</script>$\\frac{1}{0}$ & "quoted" {{ 7 * 7 }}'
    buffers = {evil: replace(sample_findings.buffers["sqs"], name=evil)}
    run = replace(
        sample_findings.run, id=evil, workload={"name": evil, evil: evil}, options={evil: evil}, valid=False,
        invalid_because=(evil,), target=evil,
    )  # fmt: skip
    found = Structure(page(replace(sample_findings, run=run, buffers=buffers, notes=(evil,))))
    assert "script" not in found.tags
    assert "{{ 7 * 7 }}" in "".join(found.text)
    assert any(text.strip() == evil for text in found.text), "the figure shows the name as it is"


@pytest.mark.usefixtures("without_drawings")
def test_a_partial_run_is_marked_at_the_top(write_run: "Callable[..., RunFolder]", tmp_path: Path) -> None:
    folder = write_run(tmp_path / "cut")
    content = folder.results.read_bytes()
    folder.results.write_bytes(content[:-3])
    html = page(find(folder))
    assert "This report is partial." in html
    assert "results.rows breaks off after row" in html
    assert html.index('id="invalid"') < html.index('id="verdict"')


def test_a_valid_run_carries_no_warning(html: str) -> None:
    assert 'id="invalid"' not in html
    assert "partial" not in html


def test_a_percentile_without_its_samples_says_how_many_it_needs(html: str) -> None:
    assert "needs 10,000 samples" in html


@pytest.mark.usefixtures("without_drawings")
def test_where_too_many_never_ended_the_percentile_is_never(
    write_run: "Callable[..., RunFolder]", tmp_path: Path
) -> None:
    html = page(find(write_run(tmp_path / "cut", cut_off="sns")))
    assert re.search(r">never<small>\d+ % got no result", html)


@pytest.mark.usefixtures("without_drawings")
def test_a_run_of_three_requests_still_makes_a_page(write_run: "Callable[..., RunFolder]", tmp_path: Path) -> None:
    folder = write_run(tmp_path / "tiny", scale=0.04)
    assert "needs 1,000 samples" in page(find(folder))


def test_each_buffers_lateness_stands_by_itself_where_the_run_is_judged(html: str) -> None:
    validity = html[html.index('id="validity"') :]
    row = validity[validity.index("sent late, 99 %") : validity.index("sent late, at most")]
    assert re.findall(r'<td class="n">(.*?)</td>', row) == ["2.10 ms", "3.90 ms", "2.60 ms", "2.40 ms"]


@pytest.mark.usefixtures("without_drawings")
def test_what_is_simulated_is_told_for_a_local_run_only(html: str, sample_findings: "Findings") -> None:
    assert "No part of this is AWS." in html
    assert "rekognition_median_ms" in html
    assert "<dt>rekognition_model</dt><dd>local-efficientnet-lite0</dd>" in html
    assert "kinesis_shard_records_per_s" in html
    aws = replace(sample_findings, run=replace(sample_findings.run, target="aws", options={}))
    assert "No part of this is AWS." not in page(aws)


@pytest.fixture(scope="module")
def known_html(known_findings: "Findings") -> str:
    return page(known_findings)


def test_a_run_whose_clients_waited_has_a_page_of_its_own_sections(known_html: str) -> None:
    outline = [line for line in Structure(known_html).outline if line.startswith("h2")]
    assert outline == [
        "h2: Time to know", "h2: What a polling interval costs", "h2: Service proxy or request handler",
        "h2: The account", "h2: What was equal", "h2: What this ran on", "h2: Is it to be trusted?", "h2: The data",
    ]  # fmt: skip
    assert "Polling every 1 s, by handler" in known_html
    assert 'id="invalid"' not in known_html


def test_that_page_stands_alone_too(known_html: str) -> None:
    found = Structure(known_html)
    assert not {"script", "link"} & set(found.tags)
    assert {one for one in found.references if not one.startswith("#")} == {
        "scorecard.json", "report.json", "knowledge.parquet", "joined.parquet", "observations.parquet", "run.json",
        "time-to-know.png", "doors.png", "requests-0.rows", "known-0.rows", "results.rows", "dead_letters.rows",
        "observations.rows",
    }  # fmt: skip
    assert len(found.ids) == len(set(found.ids))
    inside = set(re.findall(r"url\(#([^)]+)\)", known_html))
    assert inside <= set(found.ids)
    assert len(known_html.encode()) < 1_000_000


def test_that_pages_tables_say_what_was_measured(known_html: str) -> None:
    text = " ".join("".join(Structure(known_html).text).split())
    assert "Callback 559 ms" in text
    assert "Request by request, every way was sent the same image" in text
    assert "needs 1,000" in text
    assert "DynamoDB writes" in text


@pytest.mark.usefixtures("without_drawings")
@pytest.mark.parametrize("ways", [("sync",), ("websocket",), ("sync", "callback"), ("polling",)])
def test_a_run_of_few_patterns_has_a_page_without_the_rest(
    known_run: "Callable[..., RunFolder]", tmp_path: Path, ways: tuple[str, ...]
) -> None:
    html = page(find(known_run(tmp_path / "run", ways=ways, requests=3)))
    assert ("What a polling interval costs" in html) == ("polling" in ways)
    assert ("Service proxy or request handler" in html) == bool({"polling", "callback"} & set(ways))
    assert ("nothing to compare" in html) == (len(ways) == 1)


def test_names_from_such_a_run_cannot_break_its_page(known_findings: "Findings") -> None:
    evil = "</style><script>alert(1)</script>{{ 7 * 7 }}"
    knowing = {evil: replace(known_findings.knowing["sync"], name=evil, pattern=evil)}
    buffers = {evil: replace(known_findings.buffers["sync"], name=evil)}
    run = replace(known_findings.run, id=evil, valid=False, invalid_because=(evil,))
    found = Structure(page(replace(known_findings, run=run, knowing=knowing, buffers=buffers, by_door={})))
    assert "script" not in found.tags
    assert "{{ 7 * 7 }}" in "".join(found.text)
