"""A cell: what a trial was asked to do, and what one buffer's part of it came to, as run.json tells."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from loadtest._faults._matrix import undisturbed

if TYPE_CHECKING:
    from loadtest._faults._matrix import Fault
    from loadtest._faults._plan import Plan
    from pipeline.request import Buffer


@dataclass(frozen=True, slots=True)
class Asked:
    """What a trial is to do: a fault at one of its rates."""

    fault: "Fault"
    rate: float | None
    buffers: "tuple[Buffer, ...]"

    @property
    def title(self) -> str:
        """For a reader: the fault and its rate."""
        return self.fault.name if self.rate is None else f"{self.fault.name} {self.rate:.3g}"

    @property
    def compared_with(self) -> str:
        """The trial without a fault under the same setting and load."""
        return undisturbed(self.fault.setting, self.fault.load).name

    def cell(self, buffer: "Buffer") -> str:
        """What rows call one buffer's part."""
        return f"{self.fault.name if self.rate is None else f'{self.fault.name}@{self.rate:g}'}/{buffer}"


@dataclass(slots=True)
class Cell:
    """One buffer's part of a trial, as run.json tells of it."""

    asked: Asked
    buffer: "Buffer"
    plan: "Plan"
    scheduled: int
    started_at: float
    ended_at: float | None = None
    drained: bool = False
    fault_from: float | None = None
    fault_until: float | None = None
    struck: int = 0
    orphans: int | None = None
    changes: list[dict[str, Any]] = field(default_factory=list)
    called_back: int = 0
    untold: int = 0
    trouble: str | None = None

    def to_json(self) -> dict[str, Any]:
        asked, fault = self.asked, self.asked.fault
        tries = fault.setting.tries.get(self.buffer)
        return {
            "cell": asked.cell(self.buffer),
            "fault": fault.name,
            "rate": asked.rate,
            "buffer": self.buffer,
            "what": fault.what,
            "setting": fault.setting.name,
            "load": fault.load.name,
            "compared_with": f"{asked.compared_with}/{self.buffer}" if fault.cause is not None else None,
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "drained": self.drained,
            "scheduled": self.scheduled,
            "bad": sorted(self.plan.bad),
            "doomed": self.plan.doomed(tries),
            "fault_from": self.fault_from,
            "fault_until": self.fault_until,
            "struck": self.struck,
            "orphans": self.orphans,
            "changes": self.changes,
            "called_back": self.called_back,
            "untold": self.untold,
            "trouble": self.trouble,
            "expected": {name: each.text for name, each in fault.expected.get(self.buffer, {}).items()},
            "because": fault.because,
            "differs": fault.differs.get(self.buffer),
        }
