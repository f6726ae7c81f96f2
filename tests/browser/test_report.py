"""report.html as a reader opens it: from the disk, on a wide screen or a phone, by day or by night."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

SAMPLE_RUN = Path(__file__).parents[1] / "reports" / "sample_run.py"
FIGURES = ("timeline", "latency", "stages")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The report of the sample run, made by the commands a user has."""
    folder = tmp_path_factory.mktemp("runs") / "sample"
    subprocess.run([sys.executable, SAMPLE_RUN, folder], check=True, capture_output=True)
    subprocess.run([Path(sys.executable).with_name("forebay"), "report", folder], check=True, capture_output=True)
    return (folder / "report.html").as_uri()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("width", "form"), [(1280, "wide"), (390, "narrow")])
def test_it_stands_alone_shows_every_figure_and_can_be_read(report, watch, width, form, dark):
    reader = watch(width=width, dark=dark)
    reader.page.goto(report)

    reader.assert_quiet()
    assert reader.requested == [report]
    for name in FIGURES:
        drawing = reader.page.locator(f"#figure-{name} .{form} svg")
        box = drawing.bounding_box()
        assert box is not None, f"{name} cannot be seen"
        assert 250 < box["width"] <= width
        assert box["height"] > 150
        smallest = drawing.evaluate(
            "svg => Math.min(...[...svg.querySelectorAll('text')].map(text => text.getBoundingClientRect().height))"
        )
        assert smallest > 7, f"the smallest text of {name} is {smallest:.1f} px high"
    assert reader.page.locator("figure svg:visible").count() == len(FIGURES)
    reader.assert_no_wider_than_the_window()
    reader.assert_readable("body")


def test_by_night_the_page_is_dark(report, watch):
    brightness = []
    for dark in (False, True):
        reader = watch(dark=dark)
        reader.page.goto(report)
        ground = reader.page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
        brightness.append(sum(ground[:3]) / 3)

    assert brightness[0] > 200
    assert brightness[1] < 60


def test_on_a_phone_every_table_shows_all_buffers(report, watch):
    reader = watch(width=390, height=844)
    reader.page.goto(report)

    too_wide = reader.page.locator(".scroll").evaluate_all(
        "boxes => boxes.filter(box => box.scrollWidth > box.clientWidth).map(box => box.firstElementChild.id)"
    )
    assert too_wide == []


def test_what_was_modelled_is_folded_away_until_it_is_asked_for(report, watch):
    reader = watch()
    reader.page.goto(report)
    quota = reader.page.get_by_text("kinesis_shard_records_per_s")
    assert not quota.is_visible()

    reader.page.locator("summary").click()

    assert quota.is_visible()
