"""The invocations of a function, found in the rows of what they processed.

The records of an invocation have its environment and the moment it began in common.
"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from reports.buffer_rows import BufferRows


def invocations(rows: "BufferRows") -> pd.DataFrame:
    """The invocations that stored a result, by the records of their batch. Columns: records, invocations, and seconds,
    which is how long all of them took, from entry to their last result, and their cold starts.
    """
    environment, received = rows.texts("environment").codes, rows.numbers("received_at")
    those = np.flatnonzero((environment >= 0) & ~np.isnan(received))
    those = those[np.lexsort((received[those], environment[those]))]
    environment, received = environment[those], received[those]
    begins = np.ones(len(those), np.bool_)
    begins[1:] = (environment[1:] != environment[:-1]) | (received[1:] != received[:-1])
    first = np.flatnonzero(begins)

    def greatest(name: str) -> "np.typing.NDArray[np.float64]":
        values = rows.numbers(name)[those]
        return np.fmax.reduceat(values, first) if len(first) else values

    took_ms = np.fmax(greatest("stored_at") - received[first], 0.0) + np.nan_to_num(greatest("init_ms"))
    records = np.nan_to_num(greatest("batch_size"), nan=1.0).astype(np.int64)
    sizes, of_size = np.unique(records, return_inverse=True)
    return pd.DataFrame(
        {
            "records": sizes,
            "invocations": np.bincount(of_size, minlength=len(sizes)),
            "seconds": np.bincount(of_size, took_ms, minlength=len(sizes)) / 1e3,
        }
    )
