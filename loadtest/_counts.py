"""The counts of a turn: what became of its arrivals so far."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counts:
    """Each arrival is offered once it is due; the others are how it was answered.

    `unanswered` are timeouts and broken connections, `dropped` were never sent. `known` counts the results that have
    reached their clients, where these wait for them.
    """

    offered: int = 0
    accepted: int = 0
    rejected: int = 0
    unanswered: int = 0
    dropped: int = 0
    in_flight: int = 0
    known: int = 0
