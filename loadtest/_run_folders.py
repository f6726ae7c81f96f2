"""The folders of runs: a new one for each, and `latest`, which leads to the last."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from pipeline.run import RunFolder

RUNS: Final = Path(__file__).parents[1] / "reports" / "runs"


def must_be_writable(runs: Path) -> None:
    """See that runs can be written into their folder and `latest` beside it. Leaves nothing behind.

    Raises:
        OSError: they cannot, or something of somebody else's has that name; the text says where and why.
    """
    for folder in (runs, runs.parent):
        there = folder
        try:
            there = next(each for each in (folder, *folder.parents) if each.exists())
            with TemporaryDirectory(dir=there):
                pass
        except NotADirectoryError:
            raise OSError(f"{there} is a file") from None
        except OSError as error:
            raise OSError(f"{there} cannot be written: {error.strerror}") from None
    _ours_to_replace(runs)


def new_folder(runs: Path, name: str) -> RunFolder:
    """Make a folder of that name among all runs, or of that name and a number if there is one already.

    Raises:
        OSError: it cannot be made.
    """
    runs.mkdir(parents=True, exist_ok=True)
    for suffix in ("", *(f"-{number}" for number in range(2, 1_000))):
        path = runs / f"{name}{suffix}"
        try:
            path.mkdir()
        except FileExistsError:
            continue
        return RunFolder(path)
    raise OSError(f"{runs} is full of runs named {name}")


def point_latest_to(run: Path) -> None:
    """Let `latest`, beside the folder of all runs, lead to this one.

    Raises:
        OSError: it cannot, or something of somebody else's has that name; the run is whole all the same.
    """
    latest, beside = _ours_to_replace(run.parent)
    beside.unlink(missing_ok=True)
    beside.symlink_to(os.path.relpath(run, latest.parent), target_is_directory=True)
    beside.replace(latest)


def _ours_to_replace(runs: Path) -> tuple[Path, Path]:
    """The link beside the folder of all runs, and the one that takes its place in one step."""
    latest, beside = runs.parent / "latest", runs.parent / "latest.new"
    for link in (latest, beside):
        if link.exists() and not link.is_symlink():
            raise OSError(f"{link} is no link to a run, and a run would replace it by one")
    return latest, beside
