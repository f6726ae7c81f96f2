"""What happened in each second of a simulation."""

import numpy as np
import numpy.typing as npt
from numba import njit


@njit(cache=True)
def each_second(times: npt.NDArray[np.float64], seconds: int) -> npt.NDArray[np.int64]:
    """How many of these times, NaN left out, lie in each second; what was given up at the very end counts in the last.

    Compiled: arrays need five passes for it.
    """
    counts = np.zeros(seconds, np.int64)
    for at in times:
        if not np.isnan(at):
            counts[min(int(at), seconds - 1)] += 1
    return counts
