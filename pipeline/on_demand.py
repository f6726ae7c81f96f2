"""What is made when it is first asked for, and once: a client costs a part of a cold start, and may not be needed."""

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class OnDemand(Generic[T]):
    """One value, for any number of threads. A factory that raises is asked again the next time."""

    def __init__(self, make: "Callable[[], T]") -> None:
        self._make = make
        self._made: list[T] = []
        self._making = threading.Lock()

    def get(self) -> T:
        """The value."""
        with self._making:
            if not self._made:
                self._made.append(self._make())
            return self._made[0]
