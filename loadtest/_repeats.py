"""The repeats of a run, as they are made: their folder beside those of the runs, described from the first on."""

from typing import TYPE_CHECKING

from loadtest._run_folders import new_folder, point_latest_to
from pipeline.repeats import RepeatsFolder

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.run import RunFolder


class Repeats:
    """Keeps on record which runs belong together, so that what was done is whole whenever it is broken off.

    A run that is `wanted` once is no repeat: it has no folder but its own.
    """

    def __init__(self, runs: "Path", wanted: int) -> None:
        self._runs = runs
        self.wanted = wanted
        self._begun: list[str] = []
        self._folder: RepeatsFolder | None = None

    @property
    def begun(self) -> int:
        """How many runs have begun."""
        return len(self._begun)

    @property
    def more(self) -> bool:
        """Whether fewer have begun than are wanted."""
        return self.begun < self.wanted

    @property
    def path(self) -> "Path | None":
        """Their folder, once the first run has begun."""
        return None if self._folder is None else self._folder.path

    def began(self, run: "RunFolder") -> None:
        """Another run has begun."""
        self._begun.append(run.path.name)
        if self.wanted == 1:
            return
        if self._folder is None:
            self._folder = RepeatsFolder(new_folder(self._runs, f"{run.path.name}-x{self.wanted}").path)
        self._folder.describe(self._begun, self.wanted)

    def ended(self) -> None:
        """No further one comes: the latest report is theirs."""
        if self._folder is not None:
            point_latest_to(self._folder.path)
