"""Threads that take short turns with the interpreter."""

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

# How long a thread goes on that another waits for, where Python's own 5 ms would be as long as what that has to do.
_TURN_S: Final = 0.0001


@contextmanager
def short_turns() -> "Iterator[None]":
    """Let threads take short turns, as long as one of them needs the interpreter often, and not for long."""
    turn_s = sys.getswitchinterval()
    sys.setswitchinterval(_TURN_S)
    try:
        yield
    finally:
        sys.setswitchinterval(turn_s)
