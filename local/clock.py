"""The clock of the embedded AWS: one for all its parts."""

import time
from collections.abc import Callable

Clock = Callable[[], float]


def epoch_clock() -> Clock:
    """Seconds since the epoch that never go back, whatever becomes of the machine's own clock."""
    offset = time.time() - time.monotonic()
    return lambda: time.monotonic() + offset
