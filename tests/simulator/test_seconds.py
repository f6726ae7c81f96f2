import numpy as np
import pytest

from simulator.seconds import each_second

NEVER = float("nan")


@pytest.mark.parametrize(
    ("times", "counts", "reason"),
    [
        ([], [0, 0, 0], "nothing happened"),
        ([0.0, 0.999, 1.0, 2.5], [2, 1, 1], "a second begins at its whole number"),
        ([NEVER, 0.5, NEVER], [1, 0, 0], "what never happened lies in no second"),
        ([3.0, 2.0], [0, 0, 2], "what was given up at the very end counts in the last second"),
    ],
)
def test_what_happened_lies_in_its_second(times, counts, reason):
    assert each_second(np.array(times), 3).tolist() == counts, reason
