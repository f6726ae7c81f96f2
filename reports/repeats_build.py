"""The summary of repeats, built into their folder."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reports import repeats_page, scorecard
from reports.repeats import card, repeats
from reports.whole_file import write_whole

if TYPE_CHECKING:
    from pipeline.repeats import RepeatsFolder


def build_repeats(folder: "RepeatsFolder") -> str:
    """Write scorecard.json and report.html of the repeats; return them for a terminal.

    Raises:
        RunError: the folder holds no repeats, or a run of it cannot be read.
    """
    summed = repeats(folder)
    texts = {"scorecard.json": scorecard.to_json(card(summed)), "report.html": repeats_page.page(summed)}
    for name, text in texts.items():
        write_whole(folder.path / name, partial(Path.write_text, data=text, encoding="utf-8"))
    return repeats_page.plain(summed, folder.path / "report.html")
