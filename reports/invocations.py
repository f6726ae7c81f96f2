"""The invocations of a function, found in the rows of what they processed.

The records of an invocation have its environment and the moment it began in common.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from reports.places import Places
from reports.raw_column import known_or_zero

if TYPE_CHECKING:
    import numpy.typing as npt

    from reports.buffer_rows import BufferRows
    from reports.raw_column import Texts


def invocations(rows: "BufferRows") -> pd.DataFrame:
    """The invocations that stored a result, by the records of their batch. Columns: records, invocations, and seconds,
    which is how long all of them took, from entry to their last result, and their cold starts.
    """
    environment, received = rows.texts("environment"), rows.numbers("received_at")
    those = _gathered(received, environment)
    first = np.flatnonzero(_differs(received[those]) | _differs(environment.codes[those]))

    def greatest(name: str) -> "npt.NDArray[np.float64]":
        values = rows.numbers(name)[those]
        return values if len(first) == len(values) else np.fmax.reduceat(values, first)

    took_ms = np.fmax(greatest("stored_at") - received[those[first]], 0.0) + known_or_zero(greatest("init_ms"))
    told = greatest("batch_size")
    records = np.where(np.isnan(told), 1.0, told).astype(np.int64)
    sizes = Places(records)
    of_size = sizes.of(records)
    number, seconds = (np.bincount(of_size, weights, minlength=sizes.size) for weights in (None, took_ms / 1e3))
    found = pd.DataFrame({"records": sizes.numbers, "invocations": number, "seconds": seconds})
    return found[found.invocations > 0].reset_index(drop=True)


def _gathered(received: "npt.NDArray[np.float64]", environment: "Texts") -> "npt.NDArray[np.intp]":
    """The rows of which both are known, those of an invocation behind one another."""
    those = np.flatnonzero((environment.codes >= 0) & ~np.isnan(received))
    those = those[np.argsort(received[those])]
    # Of the same moment they lie in any order.
    begins = _differs(received[those])
    shared = ~begins
    shared[:-1] |= shared[1:]
    moment = np.cumsum(begins)[shared]
    few = those[shared]
    those[shared] = few[np.argsort(moment * len(environment.names) + environment.codes[few])]
    return those


def _differs(values: "npt.NDArray[Any]") -> "npt.NDArray[np.bool_]":
    """Which values are another than the one before."""
    differs = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=differs[1:])
    return differs
