"""The margins of a figure: each axes gets the room that its labels take, and the rest is shared out.

matplotlib's own constrained layout does so for any figure, in two passes that measure all there is in it, and has the
figure drawn once more for it. That was half of what a report's drawings took. Ours have one grid, and ticks that do not
depend on how large their axes are, so that each need be measured only once.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.transforms import Bbox, ScaledTranslation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.figure import Figure
    from matplotlib.gridspec import GridSpec
    from numpy.typing import ArrayLike

# Between what belongs to two axes, and at the edges, in inches.
_PAD: Final = 0.06
_POINTS: Final = 72
# Of a figure, what its margins may take at most: a name that is longer than a line leaves room for the drawing.
_MOST: Final = 0.7
_TURNS: Final = 3


@dataclass(frozen=True, slots=True)
class Room:
    """Room on the four sides of something, in inches."""

    left: float = 0.0
    bottom: float = 0.0
    right: float = 0.0
    top: float = 0.0

    def with_(self, other: "Room") -> "Room":
        """Room for either."""
        return Room(
            max(self.left, other.left),
            max(self.bottom, other.bottom),
            max(self.right, other.right),
            max(self.top, other.top),
        )


def arrange(figure: "Figure", edges: Room) -> None:
    """Place all axes of a figure within its edges, and their labels, which are in line in a column of axes.

    Lines of the figure's own that are longer than the room between its edges become smaller.
    """
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    width = (figure.get_figwidth() - edges.left - edges.right) * figure.dpi
    for line in figure.texts:
        if (long := line.get_window_extent(renderer).width) > width:
            line.set_fontsize(float(line.get_fontsize()) * width / long)
    rooms = _with_labels({axes: _for_ticks(axes, renderer) for axes in figure.axes}, renderer)
    _place(figure, rooms, edges)
    # Room for words beyond the side of their axes makes it narrower, and they reach further. Where other columns give
    # way too, that is less each time; where there are none, it would go on so.
    wordy = list(rooms)
    for _ in range(_TURNS if _grid(figure).ncols > 1 else 1):
        words = {axes: _for_words(axes, renderer) for axes in wordy}
        rooms |= {axes: rooms[axes].with_(room) for axes, room in words.items()}
        _place(figure, rooms, edges)
        wordy = [axes for axes, room in words.items() if room.left or room.right]


def _for_ticks(axes: "Axes", renderer: "RendererAgg") -> Room:
    boxes = []
    for axis in (axes.xaxis, axes.yaxis):
        # Where an axis's label is to be found out, all ticks in line with it are measured, here and in every drawing.
        axis.set_label_coords(0, 0)
        label = axis.label.get_text()
        axis.label.set_text("")
        box = axis.get_tightbbox(renderer)
        axis.label.set_text(label)
        if box is not None:
            boxes.append(box)
    return _around(axes, boxes)


def _with_labels(rooms: "dict[Axes, Room]", renderer: "RendererAgg") -> "dict[Axes, Room]":
    """The room of ticks and of the labels beyond them, where these are put."""
    ticks: dict[int, float] = {}
    for axes, room in rooms.items():
        _, column = _cell(axes)
        ticks[column] = max(ticks.get(column, 0.0), room.left)
    return {axes: _with_label(axes, room, ticks[_cell(axes)[1]], renderer) for axes, room in rooms.items()}


def _with_label(axes: "Axes", room: Room, left: float, renderer: "RendererAgg") -> Room:
    figure = axes.figure
    scale = figure.dpi_scale_trans
    if axes.get_ylabel():
        left += axes.yaxis.labelpad / _POINTS
        axes.yaxis.set_label_coords(0, 0.5, axes.transAxes + ScaledTranslation(-left, 0, scale))
        left += axes.yaxis.label.get_window_extent(renderer).width / figure.dpi
        room = replace(room, left=left)
    if axes.get_xlabel():
        below = room.bottom + axes.xaxis.labelpad / _POINTS
        axes.xaxis.set_label_coords(0, 0, axes.transAxes + ScaledTranslation(0, -below, scale))
        room = replace(room, bottom=below + axes.xaxis.label.get_window_extent(renderer).height / figure.dpi)
    return room


def _for_words(axes: "Axes", renderer: "RendererAgg") -> Room:
    inner = axes.bbox
    boxes = []
    for artist in axes.get_children():
        if isinstance(artist, Legend) or (isinstance(artist, Text) and artist.get_text()):
            box = artist.get_window_extent(renderer)
            # What stands above an axes may be as long as it likes: a narrower one would give it no room.
            heading = box.y0 >= inner.y1
            boxes.append(Bbox.from_extents(inner.x0, box.y0, inner.x1, box.y1) if heading else box)
    return _around(axes, boxes)


def _around(axes: "Axes", boxes: "Sequence[Bbox]") -> Room:
    """What of the boxes is outside of the axes."""
    inner, dpi = axes.bbox, axes.figure.dpi
    outer = Bbox.union([inner, *boxes])
    return Room(
        (inner.x0 - outer.x0) / dpi,
        (inner.y0 - outer.y0) / dpi,
        (outer.x1 - inner.x1) / dpi,
        (outer.y1 - inner.y1) / dpi,
    )


def _place(figure: "Figure", rooms: "dict[Axes, Room]", edges: Room) -> None:
    grid = _grid(figure)
    before, behind = [0.0] * grid.ncols, [0.0] * grid.ncols
    above, below = [0.0] * grid.nrows, [0.0] * grid.nrows
    for axes, room in rooms.items():
        row, column = _cell(axes)
        before[column] = max(before[column], room.left + _PAD)
        behind[column] = max(behind[column], room.right + _PAD)
        above[row] = max(above[row], room.top + _PAD)
        below[row] = max(below[row], room.bottom + _PAD)
    width, height = figure.get_size_inches()
    across = _shared_out(width - edges.left - edges.right, before, behind, grid.get_width_ratios())
    down = _shared_out(height - edges.top - edges.bottom, above, below, grid.get_height_ratios())
    for axes in rooms:
        row, column = _cell(axes)
        x, wide = across[column]
        y, tall = down[row]
        axes.set_position(((edges.left + x) / width, 1 - (edges.top + y + tall) / height, wide / width, tall / height))


def _grid(figure: "Figure") -> "GridSpec":
    grid = figure.axes[0].get_gridspec()
    assert grid is not None, "the axes of our figures stand in a grid"
    return grid


def _cell(axes: "Axes") -> tuple[int, int]:
    """The row and the column of an axes in the grid."""
    spec = axes.get_subplotspec()
    assert spec is not None, "the axes of our figures stand in a grid"
    return spec.rowspan.start, spec.colspan.start


def _shared_out(
    length: float, before: "Sequence[float]", behind: "Sequence[float]", ratios: "ArrayLike"
) -> list[tuple[float, float]]:
    """Where each of several axes in line starts, and how long it is: what their margins leave is theirs by ratio."""
    margins = sum(before) + sum(behind)
    less = min(1.0, _MOST * length / margins)
    parts = np.asarray(ratios, np.float64)
    lengths = (length - less * margins) * parts / parts.sum()
    placed = []
    at = 0.0
    for margin, long, next_margin in zip(before, lengths.tolist(), behind, strict=True):
        at += less * margin
        placed.append((at, long))
        at += long + less * next_margin
    return placed
