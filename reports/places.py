"""Where each of some sequence numbers stands among all of them: by it rows are brought together."""

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Whole = npt.NDArray[np.int64]

# Numbers with as much room between them have a place for each number between the least and the greatest; numbers that
# lie further apart, as only broken rows do, are put in order first.
_ROOM: Final = 4
_LEAST: Final = 1_024


class Places:
    """The places of sequence numbers in their order, from 0 on. `size` is how many there are, some of them of numbers
    that none of `sequences` has.
    """

    def __init__(self, *sequences: "Whole") -> None:
        given = [numbers for numbers in sequences if len(numbers)]
        # As Python's own numbers, which do not overflow.
        low = min((int(numbers.min()) for numbers in given), default=0)
        high = max((int(numbers.max()) for numbers in given), default=-1)
        self._low = low
        self._sparse: Whole | None = None
        self.size = high - low + 1
        if self.size > _ROOM * sum(map(len, given)) + _LEAST:
            self._sparse = np.unique(np.concatenate(given))
            self.size = len(self._sparse)

    @property
    def numbers(self) -> "Whole":
        """The sequence number of each place."""
        return self._low + np.arange(self.size) if self._sparse is None else self._sparse

    def of(self, sequences: "Whole") -> "Whole":
        """The place of each number, all of which are among those that this was made of."""
        if self._sparse is None:
            return sequences - self._low
        return np.searchsorted(self._sparse, sequences)
