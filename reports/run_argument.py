"""RUN, as commands take it: a folder, an id below reports/runs, or nothing for the latest."""

from pathlib import Path
from typing import Final

from pipeline.run import RunError

RUNS: Final = Path(__file__).parent / "runs"
LATEST: Final = Path(__file__).parent / "latest"
_SHOWN: Final = 100


def folder_of(run: str | None) -> Path:
    """The folder that is meant.

    Raises:
        RunError: there is none.
    """
    if run is None:
        if not LATEST.exists():
            raise RunError(f"there is no {LATEST}: run `make bench` first, or name a run's folder")
        return LATEST
    try:
        for path in (Path(run), RUNS / run):
            if path.is_dir():
                return path
    except OSError as error:
        raise RunError(f"{run[:_SHOWN]!r} is no run's folder: {error.strerror}") from None
    known = sorted(path.name for path in RUNS.glob("*")) if RUNS.is_dir() else []
    have = f"there are {', '.join(known[-5:])}" if known else "there is none yet: `make bench` makes one"
    raise RunError(f"no run {run!r}, neither as a folder nor below {RUNS}; {have}")
