"""Every label has its room, and the drawings have the rest."""

from typing import TYPE_CHECKING

import matplotlib as mpl
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from reports import figures
from reports.drawing import Form, style
from reports.margins import Room, arrange

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from reports.findings import Findings

# Rounding to pixels, and what glyphs have around them, in inches.
NEARLY = 0.03


def inches(axes: "Axes") -> Bbox:
    """All that belongs to an axes, from the lower left corner of its figure; labels may be longer than it."""
    figure = axes.figure
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[arg-type, no-untyped-call]
    box = axes.get_tightbbox(renderer, for_layout_only=True)
    assert box is not None
    return Bbox(box.get_points() / figure.dpi)


def drawn_in(width: float, height: float, rows: int, columns: int) -> "tuple[Figure, list[Axes]]":
    figure = Figure(figsize=(width, height), dpi=100)
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, list(axes.flat)


@pytest.mark.parametrize("name", figures.FIGURES)
@pytest.mark.parametrize("form", [Form.PAGE, Form.SLIDE])
def test_all_of_a_figure_is_within_its_edges_and_no_axes_reaches_into_the_next(
    name: str, form: Form, sample_findings: "Findings"
) -> None:
    with mpl.rc_context(style(form)):
        figure = figures.figure(name, sample_findings, form)
        boxes = [inches(axes) for axes in figure.axes]
    edges = form.edges
    for number, box in enumerate(boxes):
        assert box.x0 > edges.left - NEARLY
        assert box.y0 > edges.bottom - NEARLY
        assert box.x1 < figure.get_figwidth() - edges.right + NEARLY
        assert box.y1 < figure.get_figheight() - edges.top + NEARLY
        for other in boxes[number + 1 :]:
            both = Bbox.intersection(box, other)
            assert both is None or min(both.width, both.height) < NEARLY


def test_labels_of_a_column_are_in_line_beyond_the_widest_ticks() -> None:
    figure, (above, below) = drawn_in(4, 4, 2, 1)
    for axes, top in ((above, 1), (below, 1_000_000)):
        axes.set_ylim(0, top)
        axes.ticklabel_format(style="plain")
        axes.set_ylabel("of them")
    arrange(figure, Room())

    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    one, other = (axes.yaxis.label.get_window_extent(renderer) for axes in (above, below))
    ticks = [text.get_window_extent(renderer) for text in below.get_yticklabels()]
    assert one.x0 == pytest.approx(other.x0, abs=0.5)
    assert one.x1 < min(box.x0 for box in ticks)
    assert one.x0 >= 0
    assert above.get_position().x0 == pytest.approx(below.get_position().x0)


def test_what_the_margins_leave_is_shared_out_as_the_grid_says() -> None:
    figure = Figure(figsize=(6, 3), dpi=100)
    wide, narrow = figure.subplots(1, 2, gridspec_kw={"width_ratios": [3, 1]})
    arrange(figure, Room(left=0.5, bottom=0.25, right=0.5, top=0.25))

    assert wide.get_position().width == pytest.approx(3 * narrow.get_position().width)
    assert wide.get_position().height == pytest.approx(narrow.get_position().height)
    assert inches(narrow).x1 == pytest.approx(5.5, abs=0.1)
    assert inches(wide).x0 == pytest.approx(0.5, abs=0.1)


def test_a_word_that_reaches_out_of_its_axes_has_its_room_before_the_next() -> None:
    figure, (left, right) = drawn_in(8, 2, 1, 2)
    left.text(0.9, 0.5, "far beyond the end of it")
    arrange(figure, Room())

    assert inches(left).x1 < inches(right).x0 + NEARLY
    assert left.get_position().width == pytest.approx(right.get_position().width)


def test_a_heading_takes_height_alone() -> None:
    figure, (axes,) = drawn_in(4, 2, 1, 1)
    arrange(figure, Room())
    plain = axes.get_position()
    axes.set_title("longer than all of the figure is wide, by far, and still no cause to make the drawing narrower")
    arrange(figure, Room())

    assert axes.get_position().width == pytest.approx(plain.width, abs=0.001)
    assert axes.get_position().height < plain.height


def test_a_name_longer_than_the_figure_leaves_the_drawing_its_share() -> None:
    figure, (axes,) = drawn_in(4, 2, 1, 1)
    axes.set_yticks([0.5], ["a name longer than all of the figure is wide, by far, which nobody would ever think of"])
    arrange(figure, Room())

    assert axes.get_position().width == pytest.approx(0.3)
    assert axes.get_position().x1 < 1


def test_a_line_longer_than_a_slide_is_made_to_fit() -> None:
    figure, _ = drawn_in(8, 3, 1, 1)
    figure.set_dpi(200)
    heading = figure.text(0.05, 0.9, f"/a/path{'/of-a-long-route' * 6}: latency, from the intended send", fontsize=17)
    footing = figure.text(0.05, 0, "no more", fontsize=9)
    arrange(figure, Room(left=0.4, right=0.4))

    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    assert heading.get_window_extent(renderer).x1 / figure.dpi == pytest.approx(7.6, abs=0.2)
    assert footing.get_fontsize() == 9
