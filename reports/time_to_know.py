"""Time to know: from the moment a request was meant to be sent until its client has the result.

A result that is stored helps nobody who does not know. What lies between is the pattern's own: the answer on its way,
the rest of a polling interval, a notification's queue.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.quantiles import Quantiles, measure

if TYPE_CHECKING:
    from reports.accounting import Account
    from reports.description import Turn
    from reports.joined import Joined


@dataclass(frozen=True, slots=True)
class Knowing:
    """When the clients of one way knew their results; times in ms.

    `known` runs from the intended send until the client has the result; accepted requests whose client never knew rank
    above all others. `stored` is the same until the result was stored, `behind` the time between the two.
    `untold` counts results that were stored and that their clients did not know when the turn ended, `lost` requests
    that have no end and no client that knows; an answer that a client has is not lost even if it is `unstored`.
    `requests_per_result` is what clients spent: HTTP requests, messages over a WebSocket, connections opened.
    """

    name: str
    pattern: str | None
    door: str | None
    interval_s: float | None
    known: Quantiles
    stored: Quantiles
    behind: Quantiles
    calls: int
    connections: int
    untold: int
    lost: int
    unstored: int
    repeated: int

    @property
    def requests_per_result(self) -> float | None:
        """What a known result cost its client in requests; None without any."""
        return (self.calls + self.connections) / self.known.n if self.known.n else None

    @property
    def asked_per_result(self) -> float | None:
        """Of these, what was spent on asking: all but the request itself. None without a result, or without polling."""
        if self.pattern != "polling" or not self.known.n:
            return None
        return self.calls / self.known.n - 1


def knowing(joined: "Joined", turn: "Turn | None", name: str, account: "Account") -> Knowing:
    """When the clients of one way knew."""
    row = joined.frame(
        """
        SELECT coalesce(sum(calls), 0) AS calls,
            count(*) FILTER (known_at IS NULL AND joined.outcome IN ('completed', 'failed')) AS untold,
            count(*) FILTER (known_at IS NULL AND joined.outcome = 'lost') AS lost,
            count(*) FILTER (known_at IS NOT NULL AND joined.outcome = 'lost') AS unstored
        -- A generator that was killed may have left a request without a row of when its client knew.
        FROM joined LEFT JOIN knowledge ON knowledge.buffer = joined.buffer AND knowledge.sequence = joined.sequence
        WHERE joined.buffer = $buffer
        """,
        buffer=name,
    ).iloc[0]
    times = joined.frame("SELECT know_ms, store_ms, behind_ms FROM knowledge WHERE buffer = $buffer", buffer=name)
    known = times.know_ms.dropna().to_numpy()
    return Knowing(
        name=name,
        pattern=turn.pattern if turn else None,
        door=turn.door if turn else None,
        interval_s=turn.interval_s if turn else None,
        known=measure(known, max(0, account.accepted - len(known))),
        stored=measure(times.store_ms.to_numpy(), account.endless),
        behind=measure(times.behind_ms.to_numpy()),
        calls=int(row.calls),
        connections=turn.connections if turn else 0,
        untold=int(row.untold),
        lost=int(row.lost),
        unstored=int(row.unstored),
        repeated=turn.repeated if turn else 0,
    )
