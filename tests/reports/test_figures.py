"""The figures can be drawn of any run, and be told apart by anyone."""

import functools
import itertools
import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.request import BUFFERS
from reports import figures
from reports.drawing import Form
from reports.findings import find
from reports.palette import faces

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.run import RunFolder
    from reports.findings import Findings

# Those that are measured, and the one more that is simulated.
SHOWN = [*BUFFERS, "sqs-fifo"]
PAPER = {"light": "#ffffff", "dark": "#12161b"}
# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB.
SIGHT = {
    "full": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def linear(color: str) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    channels = np.array([int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(rgb: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = (np.cbrt(v) for v in to_xyz @ np.clip(rgb, 0, 1) / np.array([0.9505, 1.0, 1.089]))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("paper", PAPER)
def test_buffers_are_told_apart_by_every_kind_of_sight(sight: str, paper: str) -> None:
    inks = [getattr(face.ink, paper) for face in faces(SHOWN).values()]
    seen = [lab(SIGHT[sight] @ linear(ink)) for ink in inks]
    for one, other in itertools.combinations(seen, 2):
        # 2.3 is a difference just noticed; 15 is one seen at a glance.
        assert math.dist(one, other) > 15


@pytest.mark.parametrize("paper", PAPER)
def test_buffers_can_be_read_as_text_on_their_paper(paper: str) -> None:
    def luminance(color: str) -> float:
        return float(linear(color) @ np.array([0.2126, 0.7152, 0.0722]))

    for face in faces([*BUFFERS, "route", "other"]).values():
        light, dark = sorted((luminance(getattr(face.ink, paper)), luminance(PAPER[paper])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, face.name


def test_each_buffer_has_one_color_of_its_own() -> None:
    inks = [face.ink.light for face in faces([*BUFFERS, "route", "other"]).values()]
    assert len(set(inks)) == 6


@pytest.fixture(scope="module")
def drawn(sample_findings: "Findings") -> "Callable[[str, Form], str]":
    """The sample run's drawings, each made once."""
    return functools.cache(lambda name, form: figures.svg(name, sample_findings, form))


@pytest.mark.parametrize("name", figures.FIGURES)
@pytest.mark.parametrize("form", [Form.PAGE, Form.PHONE])
def test_a_drawing_for_the_page_takes_the_pages_colors_and_type(
    name: str, form: Form, drawn: "Callable[[str, Form], str]"
) -> None:
    drawing = drawn(name, form)
    assert drawing.startswith("<svg")
    assert "var(--sns)" in drawing
    assert "var(--muted)" in drawing
    assert "DejaVu" not in drawing
    assert "<text" in drawing
    assert "viewBox" in drawing
    assert " width=" not in drawing[: drawing.index(">")]
    assert "http" not in drawing.replace("http://www.w3.org/", "")


@pytest.mark.parametrize("name", figures.FIGURES)
def test_the_same_run_gives_the_same_drawing(
    name: str, sample_findings: "Findings", drawn: "Callable[[str, Form], str]"
) -> None:
    assert drawn(name, Form.PAGE) == figures.svg(name, sample_findings, Form.PAGE)


@pytest.mark.parametrize("name", figures.FIGURES)
def test_a_slide_names_its_run_and_that_it_is_not_aws(name: str, sample_findings: "Findings") -> None:
    texts = [text.get_text() for text in figures.figure(name, sample_findings, Form.SLIDE).texts]
    assert any("not AWS" in text and "run sample" in text for text in texts)
    invalid = replace(sample_findings, run=replace(sample_findings.run, valid=False))
    texts = [text.get_text() for text in figures.figure(name, invalid, Form.SLIDE).texts]
    assert any("NOT VALID" in text for text in texts)


@pytest.fixture(scope="module")
def odd_run(
    write_run: "Callable[..., RunFolder]", tmp_path_factory: pytest.TempPathFactory
) -> "Callable[[str], Findings]":
    """A run of a kind, made once."""

    @functools.cache
    def run(kind: str) -> "Findings":
        folder = write_run(tmp_path_factory.mktemp("runs") / "run", scale=0.04)
        if kind == "nothing ended":
            folder.results.unlink()
            folder.observations.unlink()
        found = find(folder)
        kept = list(found.buffers) if kind == "tiny" else ["sqs"] if kind == "one buffer" else ["sns", "kinesis"]
        return replace(found, buffers={name: found.buffers[name] for name in kept})

    return run


@pytest.mark.parametrize("name", figures.FIGURES)
@pytest.mark.parametrize("kind", ["tiny", "one buffer", "nothing ended"])
def test_a_figure_is_drawn_of_any_run(
    name: str, kind: str, odd_run: "Callable[[str], Findings]", tmp_path: "Path"
) -> None:
    found = odd_run(kind)
    path = tmp_path / f"{name}.png"
    figures.png(name, found, path)
    assert path.read_bytes().startswith(b"\x89PNG")
    if kind != "tiny":
        # All buffers on a phone: that is the sample run's drawing.
        assert figures.svg(name, found, Form.PHONE).startswith("<svg")


@pytest.mark.parametrize("name", figures.PATTERN_FIGURES)
def test_the_figures_of_patterns_take_the_pages_colors_and_are_the_same_each_time(
    name: str, known_findings: "Findings"
) -> None:
    drawing = figures.svg(name, known_findings, Form.PAGE)
    assert drawing == figures.svg(name, known_findings, Form.PAGE)
    assert "var(--kinesis)" in drawing
    assert "var(--muted)" in drawing
    assert "<text" in drawing
    assert not {"#21409a", "#0b7a6f", "#8a1ff0"} & {color.lower() for color in re.findall(r"#[0-9a-fA-F]{6}", drawing)}


@pytest.mark.parametrize("name", figures.PATTERN_FIGURES)
def test_a_slide_of_patterns_names_its_run_and_every_pattern(name: str, known_findings: "Findings") -> None:
    slide = figures.figure(name, known_findings, Form.SLIDE)
    assert any("not AWS" in text.get_text() and "run known" in text.get_text() for text in slide.texts)
    if name == "time-to-know":
        names = [label.get_text() for label in slide.axes[0].get_yticklabels()]
        assert names[0] == "Synchronous"
        assert len(names) == 6


@pytest.mark.parametrize("spoiled", [{"requests": 1}, {"untold": 200}, {"ways": ("polling-1s-handler",)}])
def test_the_figures_of_patterns_are_drawn_of_any_run(
    spoiled: dict[str, int], known_run: "Callable[..., RunFolder]", tmp_path: "Path"
) -> None:
    found = find(known_run(tmp_path / "run", **spoiled))
    for name, form in itertools.product(figures.names(found), Form):
        assert "<text" in figures.svg(name, found, form), form


def test_a_run_without_a_door_has_no_figure_of_doors(
    known_run: "Callable[..., RunFolder]", tmp_path: "Path", sample_findings: "Findings"
) -> None:
    assert figures.names(find(known_run(tmp_path / "run", ways=("sync", "websocket")))) == ("time-to-know",)
    assert figures.names(sample_findings) == ("timeline", "latency", "stages")
