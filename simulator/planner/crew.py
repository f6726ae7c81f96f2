"""The processes that run trials, as many at a time as there are cores, and none left when it is over."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import resource_tracker

from simulator.planner.trial import Outcome, Trial, run


class CrewError(RuntimeError):
    """A process that ran trials died, mostly for want of memory."""


class Crew:
    """Runs trials. With one process it starts none and runs them itself."""

    def __init__(self, executor: ProcessPoolExecutor | None, work: Callable[[Trial], Outcome]) -> None:
        self._executor = executor
        self._work = work

    def run(self, trials: Sequence[Trial], advance: Callable[[], None] = lambda: None) -> list[Outcome]:
        """The outcome of each trial, in their order. `advance` is called as each ends.

        Raises:
            CrewError: a process died.
        """
        if self._executor is None:
            return [self._alone(trial, advance) for trial in trials]
        with _ctrl_c_held_back():
            futures = [self._executor.submit(self._work, trial) for trial in trials]
        waiting = set(futures)
        try:
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                    advance()
        except BrokenProcessPool as error:
            raise CrewError(
                "a process that simulates was killed, most likely for want of memory; try with --processes 1"
            ) from error
        return [future.result() for future in futures]

    def _alone(self, trial: Trial, advance: Callable[[], None]) -> Outcome:
        outcome = self._work(trial)
        advance()
        return outcome


def cores() -> int:
    """How many processes can run at the same time here."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def crew(processes: int, work: Callable[[Trial], Outcome] = run) -> Iterator[Crew]:
    """A crew of so many processes; on the way out, a Ctrl-C among them, they end at once."""
    if processes <= 1:
        yield Crew(None, work)
        return
    before = set(multiprocessing.active_children())
    # Spawned, not forked: the same on every system, and no thread of ours is copied half-way.
    executor = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), initializer=_ignore_ctrl_c)
    try:
        yield Crew(executor, work)
    except BaseException:
        # The executor itself would wait for what runs.
        for process in set(multiprocessing.active_children()) - before:
            process.terminate()
        raise
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _ctrl_c_held_back() -> Iterator[None]:
    """A process that is started in here does not hear Ctrl-C from its first moment on, as it inherits what is blocked.

    Its initializer comes too late: Python and numpy take a second to load before. For us Ctrl-C comes afterwards.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # Once started, the tracker lets through again what was held back; whoever is started next would hear it.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ignore_ctrl_c() -> None:
    """A terminal sends Ctrl-C to all; the one who asked ends the others, and only it has something to say."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
