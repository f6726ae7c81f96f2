"""The open model beside the closed one: the same rate at the same server with the same stall, and what each reports.

    .venv/bin/python -m benchmarks.stall

docs/open-model.md shows the chart that this draws, docs/images/open-model.png.
"""

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from benchmarks.server_process import started
from pipeline.run import RunFolder, read_rows
from pipeline.units import duration
from pipeline.workload_file import find
from reports.drawing import Form, style, time_axis
from reports.palette import MUTED, RULE, faces
from reports.quantiles import Quantiles, measure

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt
    from matplotlib.axes import Axes

_ROOT: Final = Path(__file__).parents[1]
_RATE: Final = 500
_SECONDS: Final = 7
_STALL_AFTER: Final = 1_500
_SHOWN: Final = ("p50", "p90", "p95", "p99")


class StallError(Exception):
    """A part of the demonstration failed; the text says which, and with what last words."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one model saw: when each request began, in seconds since the first, and its latency in ms.

    `held` is how many requests the server had while it stalled, by its own count.
    """

    name: str
    began: "npt.NDArray[np.float64]"
    latency: "npt.NDArray[np.float64]"
    held: int
    valid: bool = True

    @property
    def quantiles(self) -> Quantiles:
        """Exact, of all requests."""
        return measure(self.latency)


@contextmanager
def stalling_server(*options: str) -> "Iterator[str]":
    """A server of its own process; yields its URL."""
    with started(sys.executable, "-m", "benchmarks.stalling_server", *options) as url:
        yield url


def open_model(url: str, folder: Path) -> Seen:
    """Forebay's own load test, with workloads/stall.yaml."""
    _run(
        "-f", "loadtest", "--headless", "--host", url, "--workload", str(find("stall")), "--no-report",
        "--runs", str(folder / "runs"), accepted=(0, 1),
    )  # fmt: skip
    run = RunFolder(folder / "latest")
    described = run.described()
    rows = [row for path in run.all_requests() for row in read_rows(path) if row["responded_at"] is not None]
    if not rows:
        raise StallError(f"the open model sent nothing: {described['invalid_because']}")
    due = np.array([row["intended_at"] for row in rows])
    answered = np.array([row["responded_at"] for row in rows])
    return Seen("open model", (due - due.min()) / 1_000, answered - due, _held(url), bool(described["valid"]))


def closed_model(url: str, users: int, folder: Path) -> Seen:
    """Locust's FastHttpUser, as many as make the same rate together."""
    written = folder / "closed.json"
    _run(
        "-f", "benchmarks/closed_user.py", "--headless", "--host", url, "-u", str(users), "-r", str(users),
        "-t", f"{_SECONDS}s", "--each", f"{_RATE / users:g}", "--written-to", str(written), accepted=(0,),
    )  # fmt: skip
    requests = np.array(json.loads(written.read_text(encoding="utf-8")))
    if not len(requests):
        raise StallError("the closed model sent nothing")
    return Seen("closed model", requests[:, 0] - requests[:, 0].min(), requests[:, 1], _held(url))


def _run(*arguments: str, accepted: tuple[int, ...]) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "locust", *arguments], check=False, capture_output=True, text=True, cwd=_ROOT
    )
    if ended.returncode not in accepted:
        raise StallError(f"locust ended with {ended.returncode}:\n{(ended.stdout + ended.stderr)[-2_000:]}")


def _held(url: str) -> int:
    with urllib.request.urlopen(f"{url}/stall", timeout=10) as answer:
        return int(json.load(answer)["held"])


def draw(seen: "list[Seen]", path: Path) -> None:
    """Each request a dot, over when it began: what each model saw of the stall, and what it left out."""
    inks = [face.ink.light for face in faces(("sqs", "sns")).values()]
    with mpl.rc_context(style(Form.SLIDE)):
        figure = Figure(figsize=(11.2, 6.2), layout="constrained")
        panels = figure.subplots(1, 2, sharex=True, sharey=True)
        for axes, one, ink in zip(panels, seen, inks, strict=True):
            _draw_one(axes, one, ink)
        latest = max(float(one.began.max()) for one in seen)
        lowest = min(float(one.latency[one.latency > 0].min()) for one in seen)
        time_axis(panels[0], "y", lowest, max(float(one.latency.max()) for one in seen) * 1.4)
        panels[0].set_xlim(0, latest)
        panels[0].set_ylabel("latency")
        panels[0].set_xlabel("seconds since the first request; each dot is one", loc="left")
        figure.suptitle(
            "The same server, the same rate, the same stall of two seconds", x=0.006, ha="left", fontsize=17,
            weight="bold",
        )  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=110, facecolor="white", bbox_inches="tight", pad_inches=0.3)


def _draw_one(axes: "Axes", one: Seen, ink: str) -> None:
    axes.scatter(one.began, one.latency, s=7, color=ink, alpha=0.35, linewidths=0)
    p95 = one.quantiles.value("p95")
    axes.set_title(f"{one.name}: {one.held:,} requests met the stall", loc="left", fontsize=12, color=ink, pad=24)
    if p95 is not None:
        axes.axhline(p95, color=MUTED.light, linewidth=1.2, linestyle=(0, (4, 3)))
        axes.annotate(
            f"p95 {duration(p95)}", (0.99, p95), xycoords=("axes fraction", "data"), xytext=(0, 4),
            textcoords="offset points", ha="right", color=MUTED.light, weight="bold",
        )  # fmt: skip
    axes.grid(visible=True, axis="y", color=RULE.light)


def table(seen: "list[Seen]") -> str:
    """The percentiles side by side."""
    lines = [f"{'':<14}{'requests':>10}{'in the stall':>14}" + "".join(f"{name:>12}" for name in (*_SHOWN, "max"))]
    for one in seen:
        figures = [*(one.quantiles.value(name) for name in _SHOWN), one.quantiles.max]
        lines.append(
            f"{one.name:<14}{len(one.latency):>10,}{one.held:>14,}" + "".join(f"{duration(ms):>12}" for ms in figures)
        )
    return "\n".join(lines)


@click.command()
@click.option("--users", default=50, show_default=True, help="Users of the closed model; together they make 500/s.")
@click.option(
    "--image",
    type=click.Path(dir_okay=False, path_type=Path),
    default=_ROOT / "docs" / "images" / "open-model.png",
    help="Where the chart goes.",
)
def main(users: int, image: Path) -> None:
    """Run both models against a server that stalls once, print what each reports, and draw it.

    Takes half a minute. The server takes 5 ms a request and stalls for 2 s at its 1,500th.
    """
    seen = []
    try:
        for model in ("open", "closed"):
            with stalling_server("--stall-after", str(_STALL_AFTER)) as url, tempfile.TemporaryDirectory() as folder:
                one = open_model(url, Path(folder)) if model == "open" else closed_model(url, users, Path(folder))
            seen.append(one)
            # The one's last work is not to be the other's first lateness.
            time.sleep(1)
    except (StallError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(table(seen))
    if not seen[0].valid:
        click.echo("The open model's run is NOT VALID: this machine was too busy for it. Run it again on an idle one.")
    draw(seen, image)
    click.echo(f"Chart: {image}")


if __name__ == "__main__":
    main()
