"""How much longer a turn will take, as far as can be told from how it went so far."""

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from loadtest._observation import Observation

_RATE_OVER_S: Final = 10.0
# Deliveries come in bursts: a second or two of them say little.
_LEAST_S: Final = 3.0


class TimeLeft:
    """Of one turn, which sends for `sends_s` seconds and may take `cut_off_s` more.

    While it sends, what waits is taken to be worked off after all is sent, as fast as this buffer ever was; later as
    fast as it was in the last ten seconds. It is an estimate: a buffer that tries again after longer and longer pauses
    gets slower towards its end.
    """

    def __init__(self, sends_s: float, cut_off_s: float) -> None:
        self._sends_s = sends_s
        self._cut_off_s = cut_off_s
        self._ended: deque[tuple[float, int]] = deque([(0.0, 0)])
        self._best = 0.0

    def observed(self, second: float, observation: "Observation") -> float | None:
        """Seconds until it has drained or is cut off; None as long as nothing can be said."""
        waiting, completed = observation.backlog, observation.completed
        if completed is None or waiting is None:
            return None
        lately = self._rate(second, completed + (observation.dead_lettered or 0))
        until_sent = max(0.0, self._sends_s - second)
        rate = self._best if until_sent else lately
        if waiting and not rate:
            return None
        until_drained = waiting / rate if waiting else 0.0
        return min(until_sent + until_drained, max(0.0, self._sends_s + self._cut_off_s - second))

    def _rate(self, second: float, ended: int) -> float:
        """Requests that ended a second, lately."""
        self._ended.append((second, ended))
        while len(self._ended) > 2 and self._ended[0][0] < second - _RATE_OVER_S:
            self._ended.popleft()
        since, before = self._ended[0]
        if second - since < _LEAST_S:
            return 0.0
        rate = (ended - before) / (second - since)
        self._best = max(self._best, rate)
        return rate
