"""The record of a run: what run.json tells of it, and of each of its turns."""

import platform
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from loadtest._target_clock import beside_worker
from pipeline.run_head import head

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadtest._target import Target
    from loadtest._validity import Generated
    from loadtest._way import Way
    from loadtest._workload import Workload

_VERSIONS: Final = ("forebay", "locust", "gevent", "geventhttpclient")


@dataclass(slots=True)
class TurnRecord:
    """One way's turn. Times in ms since the epoch."""

    way: "Way"
    scheduled: int
    started_at: float
    ended_at: float | None = None
    drained: bool = False
    cut_off: bool = False
    offered: int = 0
    dropped: int = 0
    known: int = 0
    connections: int = 0
    repeated: int = 0

    def to_json(self, generated: "Generated | None") -> dict[str, Any]:
        """As it stands among run.json's `buffers`; `generated` is known once the run is over."""
        clients = {"known": self.known, "connections": self.connections, "repeated": self.repeated}
        return {
            "buffer": self.way.name,
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "drained": self.drained,
            "cut_off": self.cut_off,
            "scheduled": self.scheduled,
            "offered": self.offered,
            "dropped": self.dropped,
            "lateness_ms": generated.by_buffer[self.way.name].to_json() if generated else None,
            **({} if self.way.route is None else {"route": self.way.route}),
            **({} if self.way.pattern is None else self.way.to_json() | clients),
        }


@dataclass(slots=True)
class RunRecord:
    """The whole run; written at the start, after each turn, and at the end. Times in ms since the epoch."""

    id: str
    started_at: float
    workload: "Workload"
    target: "Target"
    turns: list[TurnRecord] = field(default_factory=list)
    ended_at: float | None = None
    generated: "Generated | None" = None
    target_clock_ms: dict[str, float] | None = None
    images: dict[str, dict[str, Any]] = field(default_factory=dict)
    uncollected: bool = False
    monitoring: dict[str, Any] | None = None
    stopped: bool = False
    faults: list[str] = field(default_factory=list)

    def to_json(self, generator: "Mapping[str, Any]") -> dict[str, Any]:
        """run.json, as it is at this moment. `generator` says who sends, and by what clocks."""
        generated, workload, target = self.generated, self.workload, self.target
        told = head(
            run_id=self.id,
            target=target.kind,
            started_at=self.started_at,
            ended_at=self.ended_at,
            seed=workload.seed,
            versions={
                **{name: version(name) for name in _VERSIONS},
                "python": platform.python_version(),
                "platform": platform.platform(),
            },
            faults=self.faults if self.ended_at is not None else [*self.faults, "it has not ended"],
        )
        return {
            **told,
            "workload": workload.document,
            "images": self.images,
            "buffers": [turn.to_json(generated) for turn in self.turns],
            **({"ways": [way.name for way in workload.ways]} if workload.has_patterns else {}),
            "generator": {
                "lateness_ms": generated.lateness.to_json() if generated else None,
                "dropped": generated.dropped if generated else None,
                "lost_rows": generated.lost_rows if generated else None,
                **self._clocks(generator),
            },
            "options": target.options,
            "stack": dict(target.outputs),
            "uncollected": self.uncollected,
            **({} if self.monitoring is None else {"monitoring": self.monitoring}),
        }

    def _clocks(self, generator: "Mapping[str, Any]") -> dict[str, Any]:
        """Who sends, and how far the target's clock is ahead of each clock by which it is sent."""
        target_ms = self.target_clock_ms
        if target_ms is None:
            return dict(generator)
        workers = generator.get("worker_clocks")
        each = [{**worker, "target_ms": beside_worker(target_ms, worker)} for worker in workers or ()]
        return {**generator, **({"worker_clocks": each} if workers else {}), "target_clock_ms": target_ms}
