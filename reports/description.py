"""A run's own description, run.json, as the report reads it: what is missing is said to be missing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.run import RunFolder


@dataclass(frozen=True, slots=True)
class Turn:
    """The turn of a buffer, or of another way. `lateness_ms` is what the load test judged it by: p50, p99, max, n.

    `expired` counts what a simulation saw given up and kept nowhere, by the reason, and `cost` is the
    bill of one (total, per_million_completed, lines of item and usd); its `peak_concurrency` is that of any moment, not
    of the seconds observed. A real target cannot tell.

    A `route` is the path of some HTTP server that the load went to.

    Where clients waited for their results there is a `pattern`: sync, polling, callback or websocket. `door` is how
    its requests got into their buffer (proxy or handler), `interval_s` that of polling, None for as the API asks;
    `connections` is how many WebSockets were opened, `repeated` how many results were pushed or called back once more.
    """

    buffer: str
    started_at: str | float | None
    ended_at: str | float | None
    drained: bool
    cut_off: bool
    scheduled: int | None
    dropped: int | None
    lateness_ms: Mapping[str, float | None]
    expired: Mapping[str, int]
    cost: Mapping[str, Any]
    peak_concurrency: int | None
    pattern: str | None = None
    door: str | None = None
    interval_s: float | None = None
    connections: int = 0
    repeated: int = 0
    route: str | None = None


@dataclass(frozen=True, slots=True)
class Description:
    """run.json, see pipeline.run. `turns` are in the order in which they came.

    `images` tells of each image, by its name, its bytes, its record_bytes in a buffer, and whether it was uploaded.

    `ways` names all that were to have one, where clients waited for their results; empty in a run of buffers.
    """

    id: str
    target: str | None
    started_at: str | float | None
    ended_at: str | float | None
    seed: int | None
    workload: Mapping[str, Any]
    images: Mapping[str, Any]
    turns: tuple[Turn, ...]
    generator: Mapping[str, Any]
    options: Mapping[str, Any]
    stack: Mapping[str, Any]
    versions: Mapping[str, Any]
    valid: bool
    invalid_because: tuple[str, ...]
    uncollected: bool
    ways: tuple[str, ...] = ()

    @property
    def is_simulated(self) -> bool:
        """Whether nothing ran: the rows come from a model of AWS's rules, on a clock of its own."""
        return self.target == "simulated"

    @property
    def drained(self) -> dict[str, bool]:
        """For each buffer whether it ran empty and what became of its requests was collected."""
        return {turn.buffer: turn.drained and not turn.cut_off and not self.uncollected for turn in self.turns}

    @property
    def workload_name(self) -> str | None:
        """The workload's name."""
        name = self.workload.get("name")
        return None if name is None else str(name)

    def turn(self, buffer: str) -> Turn | None:
        """The turn of a buffer, None if it is not told of."""
        return next((turn for turn in self.turns if turn.buffer == buffer), None)


def read(folder: "RunFolder") -> Description:
    """Read run.json of a folder.

    Raises:
        RunError: there is none, or it is not JSON.
    """
    described = folder.described()
    return Description(
        id=str(described.get("id") or folder.path.name),
        target=described.get("target"),
        started_at=described.get("started_at"),
        ended_at=described.get("ended_at"),
        seed=described.get("seed"),
        workload=_mapping(described.get("workload")),
        images=_mapping(described.get("images")),
        turns=tuple(_turn(turn) for turn in _list(described.get("buffers")) if _mapping(turn).get("buffer")),
        generator=_mapping(described.get("generator")),
        options=_mapping(described.get("options")),
        stack=_mapping(described.get("stack")),
        versions=_mapping(described.get("versions")),
        valid=described.get("valid") is True,
        invalid_because=tuple(str(text) for text in _list(described.get("invalid_because"))),
        uncollected=bool(described.get("uncollected")),
        ways=tuple(str(name) for name in _list(described.get("ways"))),
    )


def _turn(turn: Mapping[str, Any]) -> Turn:
    return Turn(
        buffer=str(turn["buffer"]),
        started_at=turn.get("started_at"),
        ended_at=turn.get("ended_at"),
        drained=turn.get("drained") is True,
        cut_off=bool(turn.get("cut_off")),
        scheduled=_count(turn.get("scheduled")),
        dropped=_count(turn.get("dropped")),
        lateness_ms=_mapping(turn.get("lateness_ms")),
        expired=_mapping(turn.get("expired")),
        cost=_mapping(turn.get("cost")),
        peak_concurrency=turn.get("peak_concurrency"),
        pattern=turn.get("pattern"),
        door=turn.get("door"),
        interval_s=turn.get("interval_s"),
        connections=int(turn.get("connections") or 0),
        repeated=int(turn.get("repeated") or 0),
        route=turn.get("route"),
    )


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _count(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
