"""A run of the matrix: its trials one after the other on few embedded AWSs, into one run's folder."""

import platform
import shutil
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from loadtest._embedded_target import OWN_COMMAND, EmbeddedTarget
from loadtest._faults._cell import Asked, Cell
from loadtest._faults._matrix import undisturbed
from loadtest._faults._simulated import simulate
from loadtest._faults._trial import Trial
from loadtest._image import prepare
from loadtest._run_folders import must_be_writable, new_folder, point_latest_to
from loadtest._target import TargetError
from loadtest._way import of_buffers, of_patterns
from loadtest._workload import PHOTOS, ImageChoice, Workload
from pipeline.run import read_rows
from pipeline.run_head import head

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from loadtest._faults._matrix import Fault, Matrix
    from pipeline.request import Buffer
    from pipeline.run import RunFolder

# Small enough that a load of it is a matter of requests, not of bytes.
_IMAGE: Final = ImageChoice(PHOTOS / "chelsea.jpg", 1.0, 200)


def trials_of(matrix: "Matrix", faults: "Iterable[Fault]", buffers: "tuple[Buffer, ...]") -> list[Asked]:
    """The trials in their order: by setting, and under each first those without a fault that others compare with."""
    asked: list[Asked] = []
    chosen = list(faults)
    for setting in {fault.setting.name: fault.setting for fault in chosen}.values():
        of_setting = [fault for fault in chosen if fault.setting.name == setting.name]
        # The embedded AWS is gone with the last of them.
        of_setting.sort(key=_ends_it)
        loads = {fault.load.name: fault.load for fault in of_setting}
        rows = [*(undisturbed(setting, load) for load in loads.values()), *of_setting]
        asked += [Asked(fault, rate, buffers) for fault in rows for rate in fault.rates]
    assert len({each.cell(buffer) for each in asked for buffer in buffers}) == len(asked) * len(buffers), matrix.name
    return asked


@dataclass(slots=True)
class MatrixRun:
    """Runs trials and describes them in a new folder under `runs`, however it ends, unless nothing was sent.

    `stopped` says whether somebody wants it to end; `tell` is given a line for each step, and `show` what is to be seen
    meanwhile.
    """

    matrix: "Matrix"
    trials: list[Asked]
    seed: int
    runs: "Path"
    stopped: "Callable[[], bool]"
    tell: "Callable[[str], None]"
    show: "Callable[[str], None]"
    cells: list[Cell] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    simulated: "list[dict[str, Any]] | str" = field(default_factory=list)

    def run(self) -> "RunFolder | None":
        """Run all of them. None if it ended before a request was sent: then no folder is left, nor does `latest` turn.

        Raises:
            OSError: the folder, or `latest` beside it, cannot be written.
        """
        must_be_writable(self.runs)
        started = time.time()
        name = f"{datetime.fromtimestamp(started, UTC):%Y%m%dT%H%M%SZ}-{self.matrix.name}"
        folder = new_folder(self.runs, name)
        self._describe(folder, started, None)
        target = EmbeddedTarget(f"{OWN_COMMAND} --faults")
        try:
            self._run(target, folder, started)
        finally:
            target.close()
            if self.cells and not self.stopped():
                self.show("simulating what can be")
                self.simulated = simulate(self.trials, self.options, self.seed)
            if self.stopped():
                self.faults.append("it was stopped before its end")
            sent = any(read_rows(folder.requests(0)))
            if sent:
                self._describe(folder, started, time.time())
                point_latest_to(folder.path)
            else:
                shutil.rmtree(folder.path)
        return folder if sent else None

    def _run(self, target: EmbeddedTarget, folder: "RunFolder", started: float) -> None:
        image = prepare(_IMAGE)
        setting = None
        for number, asked in enumerate(self.trials, start=1):
            if self.stopped():
                return
            head = f"[{number:>2}/{len(self.trials)}] {asked.title}"
            self.tell(f"{head}: {asked.fault.what}" if asked.fault.what else head)
            began = time.monotonic()
            try:
                if setting is not asked.fault.setting or not _lives(target):
                    self.show(f"{head}  starting the embedded AWS, setting {asked.fault.setting.name}")
                    target.close()
                    target.open(_workload(self.matrix, asked))
                    setting = asked.fault.setting
                    self.options[setting.name] = target.options
                trial = Trial(
                    asked,
                    target,
                    folder,
                    folder.path.name,
                    self.seed,
                    image,
                    self.matrix.callback_every,
                    stopped=self.stopped,
                    tell=partial(self._show, head),
                )
                cells = trial.run()
            except TargetError as error:
                # The others are tried all the same, on an embedded AWS of their own.
                self.faults.append(f"{asked.title}: {error}")
                self.tell(f"        {error}")
                setting = None
                continue
            self.cells += cells
            self._describe(folder, started, None)
            drained = all(cell.drained for cell in cells)
            self.tell(f"        {'drained' if drained else 'not drained'} after {time.monotonic() - began:.0f} s")
            if not drained:
                # What is left of one must not be in the way of the next.
                setting = None

    def _show(self, head: str, text: str) -> None:
        self.show(f"{head}  {text}")

    def _describe(self, folder: "RunFolder", started: float, ended: float | None) -> None:
        faults = self.faults if ended is not None else [*self.faults, "it has not ended"]
        done = {cell.asked.title for cell in self.cells}
        folder.describe(
            {
                **head(
                    run_id=folder.path.name,
                    target="local",
                    started_at=started * 1_000,
                    ended_at=None if ended is None else ended * 1_000,
                    seed=self.seed,
                    versions={"forebay": version("forebay"), "python": platform.python_version()},
                    faults=faults,
                ),
                "kind": "faults",
                "matrix": self.matrix.document,
                "cells": [cell.to_json() for cell in self.cells],
                "not_run": [asked.title for asked in self.trials if asked.title not in done],
                "simulated": self.simulated,
                "options": self.options,
            }
        )


def _ends_it(fault: "Fault") -> bool:
    return fault.cause is not None and fault.cause.process == "embedded"


def _workload(matrix: "Matrix", asked: Asked) -> Workload:
    """What the target is opened with: its setting, and whether clients are to be called back."""
    ways = of_buffers(asked.buffers)
    if matrix.callback_every:
        ways += of_patterns(["callback"], asked.buffers[0], ["proxy"])
    return Workload(
        name=matrix.name,
        why=matrix.why,
        seed=matrix.seed,
        ways=ways,
        rate=asked.fault.load.rate,
        cut_off_s=asked.fault.load.cut_off_s,
        images=(_IMAGE,),
        local=asked.fault.setting.local,
        document=matrix.document,
    )


def _lives(target: EmbeddedTarget) -> bool:
    try:
        target.state(None, "")
    except TargetError:
        return False
    return True
