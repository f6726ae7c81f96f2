"""`forebay workload show`: what a workload will send, before it is sent: the schedule itself, drawn in the terminal."""

import itertools
import shutil
import textwrap
from collections import Counter
from typing import TYPE_CHECKING, Final

import click

from loadtest._schedule import draw
from loadtest._workload import read
from pipeline.units import count, duration, listed, share
from pipeline.workload_file import WorkloadError, find

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadtest._schedule import Schedule
    from loadtest._workload import Workload

_WIDEST: Final = 100
_NARROWEST: Final = 20
# No terminal is wider, and what is drawn is held in memory.
_AT_MOST: Final = 1_000
_ROWS: Final = 8
# What stands left of the drawing: a rate of seven figures, and the axis.
_AXIS: Final = 12
# Eighths of a character's height.
_BLOCKS: Final = " ▁▂▃▄▅▆▇█"


@click.group()
def workload() -> None:
    """Workloads: the files that say what load a run sends.

    docs/workloads.md has every key, with examples of spikes, ramps, bursts, replays and skewed keys. What a run takes
    besides is told by `locust -f loadtest/ --help-forebay`.
    """


@workload.command()
@click.argument("name_or_file", metavar="FILE")
@click.option(
    "--width", type=click.IntRange(_NARROWEST, _AT_MOST), help="Columns of the drawing; without it, the terminal's."
)
def show(name_or_file: str, width: int | None) -> None:
    """Draw the schedule of FILE, a workload's YAML file or the name of one of Forebay's own.

    What is drawn are the very arrivals that a run will send: the same file and seed, the same schedule. A fault in the
    file is said with its line.

    \b
    forebay workload show spike
    forebay workload show my-workload.yaml --width 80
    """
    try:
        told = read(find(name_or_file))
    except WorkloadError as error:
        raise click.ClickException(str(error)) from error
    columns = width or max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size().columns))
    click.echo("\n".join(_shown(told, columns)))


def _shown(told: "Workload", columns: int) -> "list[str]":
    why = textwrap.wrap(" ".join(told.why.split()), columns, initial_indent="  ", subsequent_indent="  ")
    lines = [told.name, *why, ""]
    common = [way.name for way in told.ways if way.name not in told.own]
    if common:
        target = f"POST {told.route}" if told.route else listed(common)
        lines += _one(f"{target}, one after the other" if len(common) > 1 else target, told, columns)
    for name, own in told.own.items():
        lines += ["", *_one(f"{name}, by its overrides", own, columns)]
    return lines


def _one(title: str, told: "Workload", columns: int) -> "list[str]":
    images = [choice.weight for choice in told.images]
    schedule = draw(told.rate, told.seed, images, None if told.groups is None else told.groups.weights)
    # A single recorded arrival lasts no time.
    seconds = told.rate.duration or 1.0
    by_second = Counter(int(time) for time in schedule.times)
    busiest, busy = max(by_second.items(), key=lambda second: second[1], default=(0, 0))
    facts = [
        f"requests  {len(schedule):,} in {duration(seconds * 1_000)}, {len(schedule) / seconds:,.1f}/s in the mean",
        f"peak      {busy:,} in second {busiest}",
        f"seed      {told.seed}",
        f"cut off   {duration(told.cut_off_s * 1_000)} after the last arrival",
        f"images    {_images(told, schedule)}",
    ]
    if told.groups is not None and schedule.groups is not None:
        named = Counter(schedule.groups)
        most = max(named.values(), default=0)
        facts.append(
            f"groups    {count(told.groups.number)}, {told.groups.skew}; {len(named):,} are named, "
            f"the one most often by {share(most, len(schedule))}"
        )
    wrapped = [textwrap.wrap(fact, columns, initial_indent="  ", subsequent_indent=" " * 12) for fact in facts]
    return [title, *drawing(schedule.times, seconds, columns), *itertools.chain(*wrapped)]


def drawing(times: "Sequence[float]", seconds: float, columns: int, rows: int = _ROWS) -> "list[str]":
    """Arrivals a second over time, as blocks: `rows` high, `columns` wide with the axis at its left."""
    width = max(1, columns - _AXIS)
    step = seconds / width
    bins = [0] * width
    for time in times:
        bins[min(int(time / step), width - 1)] += 1
    peak = max(bins) or 1
    eighths = [round(number / peak * rows * 8) or int(number > 0) for number in bins]
    lines = []
    for row in range(rows, 0, -1):
        marks = {rows: f"{peak / step:,.0f}/s", 1: "0"}.get(row, "")
        blocks = "".join(_BLOCKS[max(0, min(8, height - (row - 1) * 8))] for height in eighths)
        lines.append(f"{marks:>{_AXIS - 2}} │{blocks}".rstrip())
    end = duration(seconds * 1_000)
    return [*lines, f"{'':>{_AXIS - 2}} └{'─' * width}", f"{'':>{_AXIS}}0{end:>{max(width - 1, 1)}}"]


def _images(told: "Workload", schedule: "Schedule") -> str:
    named = Counter(schedule.images)
    return listed([f"{named[index]:,} {choice.name}" for index, choice in enumerate(told.images)])
