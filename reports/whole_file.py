"""Files that are there whole or not at all: a report that breaks off leaves the one before."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def write_whole(path: "Path", write: "Callable[[Path], object]") -> None:
    """Let `write` make a file beside `path`, and put it in its place once it stands."""
    beside = path.with_name(f"{path.name}.new")
    try:
        write(beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
