"""A batch: its items are worked on at once, each by a task, until the time that Lambda leaves is nearly over."""

from concurrent.futures import wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor, Future

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

# Kept back for the last writes and the answer to Lambda: a task that is cut off here is delivered again, one that
# Lambda's own timeout cuts off takes its whole batch with it.
_MARGIN_S: Final = 1.0
_LONGEST_REASON: Final = 500


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An item without an outcome, and why: no time was left for it, or its task raised."""

    reason: str


def deadline_of(remaining_ms: float, clock: "Callable[[], float]") -> float:
    """When a batch has to be done with, by a clock in seconds; `remaining_ms` is what Lambda leaves from now."""
    return clock() + remaining_ms / 1_000 - _MARGIN_S


def work_through(
    items: "Sequence[Item]",
    work: "Callable[[Item], Outcome]",
    *,
    threads: "Executor",
    deadline: float,
    clock: "Callable[[], float]",
) -> "list[Outcome | Unfinished]":
    """The outcome of each item, in their order. Never raises for an item's sake.

    A task that is still at work at the deadline cannot be stopped, and goes on after this has returned.
    """
    tasks = [threads.submit(work, item) for item in items]
    wait(tasks, timeout=max(0.0, deadline - clock()))
    return [_unfinished(task) or task.result() for task in tasks]


def reason_of(error: BaseException) -> str:
    """An error as a log and a client are told of it."""
    return f"{type(error).__name__}: {error}"[:_LONGEST_REASON]


def _unfinished(task: "Future[Any]") -> Unfinished | None:
    """Why a task has no outcome, if it has none."""
    if task.cancel():
        return Unfinished("out of time: not begun")
    if not task.done():
        return Unfinished("out of time: still at work")
    error = task.exception()
    return None if error is None else Unfinished(reason_of(error))
