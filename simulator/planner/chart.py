"""The crossover as a table for a terminal."""

import math
from collections.abc import Sequence

from simulator.planner.candidate import BUFFER_NAMES
from simulator.planner.crossover import Cell, cheapest_at
from simulator.planner.question import Question

_WORDS = {"late": "late", "rejected": "refused", "lost": "lost", "budget": "over budget"}


def table(question: Question, cells: Sequence[Cell]) -> str:
    """A line for each size of spike, a column for each buffer: the percentile where it holds, else what breaks."""
    columns = list(dict.fromkeys(cell.candidate for cell in cells))
    at = {(cell.candidate, cell.spike_per_s): cell for cell in cells}
    sizes = sorted({cell.spike_per_s for cell in cells})
    rows = [["spike", *(BUFFER_NAMES[candidate.buffer] for candidate in columns)]]
    for size in sizes:
        cheapest = cheapest_at(cells, size)
        asked = math.isclose(size, question.spike_per_s)
        row = [f"{rate(size)}{' <- asked' if asked else ''}"]
        row += [_cell(at.get((candidate, size)), cheapest) for candidate in columns]
        rows.append(row)
    widths = [max(len(row[column]) for row in rows) for column in range(len(columns) + 1)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def rate(per_s: float) -> str:
    """Requests a second, to three digits."""
    step = 10 ** max(0, math.floor(math.log10(per_s)) - 2) if per_s >= 1 else 0
    return f"{round(per_s / step) * step:,.0f}/s" if step else f"{per_s:.2g}/s"


def seconds(value: float) -> str:
    """A time, in the unit that reads best."""
    if not math.isfinite(value):
        return "never"
    if value < 10:
        return f"{value:.2g} s"
    return f"{value:.0f} s" if value < 600 else f"{value / 60:.1f} min"


def usd(dollars: float) -> str:
    """US dollars; cents below a hundred."""
    return f"US$ {dollars:,.2f}" if dollars < 100 else f"US$ {dollars:,.0f}"


def in_words(because: str) -> str:
    """What breaks, in words."""
    return ", ".join(_WORDS.get(word, word) for word in because.split(", "))


def _cell(cell: Cell | None, cheapest: Cell | None) -> str:
    if cell is None:
        return ""
    if not cell.holds:
        return in_words(cell.because)
    assert cell.outcome is not None, "what holds was simulated"
    return seconds(cell.outcome.latency_s) + (" *" if cell is cheapest else "")
