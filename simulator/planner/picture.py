"""The crossover as a picture: the percentile over the size of the spike, for the best settings of each buffer."""

from pathlib import Path
from typing import Final

import matplotlib as mpl
from matplotlib.figure import Figure

from simulator.planner.candidate import BUFFER_NAMES
from simulator.planner.chart import in_words, seconds
from simulator.planner.crossover import FACTORS
from simulator.planner.plan import Plan
from simulator.scenario import Buffer

# Okabe and Ito's colours, which all eyes tell apart, and a mark of its own for each.
_LOOKS: Final[dict[Buffer, tuple[str, str]]] = {
    "sns": ("#d55e00", "o"),
    "sqs": ("#0072b2", "s"),
    "sqs-fifo": ("#56b4e9", "D"),
    "kinesis": ("#009e73", "^"),
    "kinesis-efo": ("#cc79a7", "v"),
}
_DPI: Final = 160


def draw(folder: Path, plan: Plan) -> Path:
    """Write crossover.svg and crossover.png into a folder; answers with the PNG. The same plan, the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"svg.hashsalt": "crossover", "svg.fonttype": "none"}):
        figure = _figure(plan)
        figure.savefig(folder / "crossover.svg", metadata={"Date": None, "Creator": None})
        figure.savefig(folder / "crossover.png", dpi=_DPI, metadata={"Software": None})
    return folder / "crossover.png"


def _figure(plan: Plan) -> Figure:
    question = plan.search.question
    figure = Figure(figsize=(8, 4.8), layout="constrained")
    axes = figure.subplots()
    for candidate in dict.fromkeys(cell.candidate for cell in plan.cells):
        colour, mark = _LOOKS[candidate.buffer]
        cells = [cell for cell in plan.cells if cell.candidate == candidate]
        holding = [
            (cell.spike_per_s, cell.outcome.latency_s) for cell in cells if cell.holds and cell.outcome is not None
        ]
        name = f"{BUFFER_NAMES[candidate.buffer]}: {candidate.settings}"
        axes.plot(*zip(*holding, strict=True), color=colour, marker=mark, markersize=5, label=name)
        broken = next((cell for cell in cells if not cell.holds and cell.spike_per_s > holding[-1][0]), None)
        if broken is not None:
            size, latency_s = holding[-1]
            axes.annotate(
                f"x {in_words(broken.because)}",
                (size, latency_s),
                (6, 4),
                textcoords="offset points",
                color=colour,
                fontsize=8,
            )
    axes.axhline(question.latency.within_s, color="0.4", linewidth=1, linestyle="--")
    smallest, largest = (question.spike_per_s * factor for factor in (FACTORS[0], FACTORS[-1]))
    objective = f"objective: {question.latency.name} <= {seconds(question.latency.within_s)}"
    axes.annotate(
        objective, (smallest, question.latency.within_s), (0, 4), textcoords="offset points", color="0.3", fontsize=8,
    )  # fmt: skip
    axes.axvline(question.spike_per_s, color="0.8", linewidth=1, zorder=0)
    axes.set(
        xscale="log", yscale="log", xlim=(smallest / 1.1, largest * 1.1),
        xlabel="spike, requests/s on top of the baseline", ylabel=f"{question.latency.name}, s",
    )  # fmt: skip
    axes.set_title("Simulated: where each buffer's best settings hold, and what breaks next", fontsize=10, loc="left")
    axes.grid(color="0.92", which="major")
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(0, -0.14), frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
