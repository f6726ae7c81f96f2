"""What each request of a turn came to, in the order of its schedule: what comparing two single runs looks into."""

from typing import TYPE_CHECKING, Final

import numpy as np

from reports.comparison_within import Requests
from reports.key_figures import Sample

if TYPE_CHECKING:
    from reports.joined import Joined
    from reports.key_figures import KeyFigure

_ACCEPTED: Final = "outcome IN ('completed', 'failed', 'dead_lettered', 'unfinished', 'lost')"
# As in the report: a result without its time is in no latency, and what never ended ranks as slower than all others.
_RESULT: Final = f"{_ACCEPTED} AND (latency_ms IS NOT NULL OR outcome NOT IN ('completed', 'failed'))"
_ANSWERED: Final = "(outcome = 'answered' OR outcome = 'unanswered')"
_TAKEN: Final = "http_status BETWEEN 200 AND 299 AND outcome <> 'unrequested'"
_EVENTS: Final = {
    "rejected": "(http_status <> 0 OR outcome IN ('unanswered', 'accepted_unanswered')) "
    "AND NOT http_status BETWEEN 200 AND 299",
    "failed": "outcome = 'failed'",
    "dead_lettered": "outcome = 'dead_lettered'",
    "unfinished": "outcome = 'unfinished'",
    "lost": "outcome = 'lost'",
    "duplicates": "greatest(coalesce(deliveries, 1) - 1, 0)",
}
_WITH_KNOWLEDGE: Final = "joined LEFT JOIN (SELECT buffer, sequence, know_ms FROM knowledge) USING (buffer, sequence)"
_SENT: Final = "outcome NOT IN ('dropped', 'unrequested')"


def requests(joined: "Joined", way: str, figure: "KeyFigure") -> Requests | None:
    """What each request of a buffer or way came to by a figure; None for one that is no request's own."""
    if figure.sample is Sample.KNOWN:
        return _read(joined, way, "know_ms", _ACCEPTED, _WITH_KNOWLEDGE)
    if figure.sample is Sample.RESULT:
        return _read(joined, way, "latency_ms", _RESULT)
    if figure.sample is Sample.RESPONSE:
        return _read(joined, way, "response_ms", _ANSWERED if way == "route" else _TAKEN)
    events = _EVENTS.get(figure.path)
    return None if events is None else _read(joined, way, f"({events})", _SENT)


def _read(joined: "Joined", way: str, value: str, where: str, table: str = "joined") -> Requests:
    sql = f"""
        SELECT (intended_at - (SELECT min(intended_at) FROM joined WHERE buffer = $buffer AND {_SENT})) / 1000 AS at,
            coalesce(({value})::DOUBLE, 'infinity'::DOUBLE) AS value
        FROM {table} WHERE buffer = $buffer AND intended_at IS NOT NULL AND ({where})
    """  # noqa: S608 (our own columns, tables and conditions)
    found = joined.connection.execute(sql, {"buffer": way}).fetchnumpy()
    return Requests(np.maximum(np.asarray(found["at"], np.float64), 0.0), np.asarray(found["value"], np.float64))
