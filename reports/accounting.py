"""The account of a buffer: what was offered, and where each request ended. It always adds up."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reports.outcome import ALL, Outcome

if TYPE_CHECKING:
    from reports.buffer_rows import BufferRows


@dataclass(frozen=True, slots=True)
class Account:
    """Counts of requests, by what became of them. `duplicates` counts deliveries beyond the first.

    accepted == completed + failed + dead_lettered + unfinished + lost
    (of a server of which nothing but answers is known, all of these are 0: see reports.route)
    offered == accepted + sum(rejected) + no_answer
    """

    offered: int
    accepted: int
    rejected: dict[str, int]
    no_answer: int
    completed: int
    failed: int
    dead_lettered: int
    unfinished: int
    lost: int
    duplicates: int
    dropped: int
    accepted_unanswered: int
    rejected_processed: int
    unrequested: int

    @property
    def ended(self) -> int:
        """Accepted requests with a result, whichever it was."""
        return self.completed + self.failed

    @property
    def endless(self) -> int:
        """Accepted requests that have no result, and so no time to it."""
        return self.dead_lettered + self.unfinished + self.lost

    @property
    def refused(self) -> int:
        """Requests that were answered with something else than 2xx."""
        return sum(self.rejected.values())


def account(rows: "BufferRows") -> Account:
    """The account of one buffer."""
    counts = {outcome: int(np.count_nonzero(rows.ended(outcome))) for outcome in ALL}
    statuses, requests = np.unique(
        rows.status[rows.ended(Outcome.REJECTED, Outcome.REJECTED_PROCESSED)], return_counts=True
    )
    rejected = dict(zip(map(str, statuses.tolist()), requests.tolist(), strict=True))
    accepted = sum(counts[outcome] for outcome in ALL[:6])
    no_answer = counts[Outcome.UNANSWERED] + counts[Outcome.ACCEPTED_UNANSWERED]
    return Account(
        offered=accepted + sum(rejected.values()) + no_answer,
        accepted=accepted,
        rejected=rejected,
        no_answer=no_answer,
        completed=counts[Outcome.COMPLETED],
        failed=counts[Outcome.FAILED],
        dead_lettered=counts[Outcome.DEAD_LETTERED],
        unfinished=counts[Outcome.UNFINISHED],
        lost=counts[Outcome.LOST],
        duplicates=int(rows.further_deliveries[~rows.ended(Outcome.UNREQUESTED)].sum()),
        dropped=counts[Outcome.DROPPED],
        accepted_unanswered=counts[Outcome.ACCEPTED_UNANSWERED],
        rejected_processed=counts[Outcome.REJECTED_PROCESSED],
        unrequested=counts[Outcome.UNREQUESTED],
    )
