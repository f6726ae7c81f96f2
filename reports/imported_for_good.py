"""Libraries that are imported for good: never searched for cycles."""

import gc
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def imported_for_good(module: str) -> "Iterator[None]":
    """What is imported here, with `module` for the first time, is never searched for cycles.

    To look through the 150,000 objects of the libraries again and again takes half a second of a large report, and all
    threads wait for it.
    """
    if module in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
