"""The folder of a run that was repeated. It lies beside the folders of its runs, each of which is whole by itself.

repeats.json             which runs belong together, in their order, and how many were wanted
scorecard.json           each figure's median and spread over them (reports.repeats)
report.html              the same, to read
"""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pipeline.run import RunError, RunFolder

if TYPE_CHECKING:
    from pathlib import Path

_NAME: Final = "repeats.json"


@dataclass(frozen=True, slots=True)
class RepeatsFolder:
    """The folder of some repeats of one run."""

    path: "Path"

    @property
    def is_one(self) -> bool:
        """Whether the folder is one of repeats, and not of a run."""
        return (self.path / _NAME).is_file()

    def describe(self, runs: "list[str]", wanted: int) -> None:
        """Write repeats.json whole or not at all. `runs` are the folders' names, as far as there are."""
        beside = self.path / f"{_NAME}.new"
        text = json.dumps({"format": 1, "wanted": wanted, "runs": runs}, indent=2)
        beside.write_text(f"{text}\n", encoding="utf-8")
        beside.replace(self.path / _NAME)

    @property
    def wanted(self) -> int:
        """How many repeats were asked for."""
        return int(self._described()["wanted"])

    @property
    def runs(self) -> "list[RunFolder]":
        """The repeats that were begun, in their order.

        Raises:
            RunError: repeats.json cannot be read, or one of its runs is gone.
        """
        folders = [RunFolder(self.path.resolve().parent / name) for name in self._described()["runs"]]
        for folder in folders:
            if not folder.path.is_dir():
                raise RunError(f"{folder.path} is gone, which {self.path / _NAME} names as a repeat")
        return folders

    def _described(self) -> "dict[str, Any]":
        path = self.path / _NAME
        try:
            described = json.loads(path.read_text(encoding="utf-8"))
            names = described["runs"]
            if not (isinstance(described["wanted"], int) and names and all(_is_name(name) for name in names)):
                raise TypeError
        except FileNotFoundError:
            raise RunError(f"{self.path} holds no repeats: it has no {_NAME}") from None
        except (ValueError, TypeError, KeyError):
            raise RunError(f"{path} is not as --repeat writes it: it wants wanted, a number, and runs, names") from None
        assert isinstance(described, dict)
        return described


def _is_name(name: object) -> bool:
    return isinstance(name, str) and bool(name) and "/" not in name and name not in (".", "..")
