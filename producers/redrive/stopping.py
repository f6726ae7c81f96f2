"""Stopping: Ctrl-C ends what is in hand first; a second one does not wait."""

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Stopping:
    """Whether it is to stop."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self) -> bool:
        """Whether somebody has asked."""
        return self.asked


@contextmanager
def stopping(
    said: str = "Stopping once the letters in hand are done; Ctrl-C again stops at once.",
) -> "Iterator[Stopping]":
    """Take SIGINT and SIGTERM for a question to stop, and say so; the second one raises KeyboardInterrupt."""
    asked = Stopping()

    def on_signal(number: int, frame: Any) -> None:  # noqa: ARG001 (the handler's signature)
        if asked.asked:
            raise KeyboardInterrupt
        asked.asked = True
        click.echo(f"\n{said}", err=True)

    before = {number: signal.signal(number, on_signal) for number in _SIGNALS}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
