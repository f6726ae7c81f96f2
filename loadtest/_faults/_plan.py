"""The plan: which requests a fault strikes and when, drawn from the seed before the first is sent."""

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadtest._faults._matrix import Cause
    from pipeline.request import Buffer


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to happen to the requests of one load, the same through each buffer.

    `bad` says of each request that is struck how many of its tries are, from the first on; None: every one.
    """

    bad: "Mapping[int, int | None]"

    def doomed(self, tries: int | None) -> int | None:
        """How many fail at every try where a buffer delivers `tries` times; None if that is not known."""
        if tries is None:
            return None
        return sum(struck is None or struck >= tries for struck in self.bad.values())


def draw(cause: "Cause", rate: float | None, requests: int, seed: str) -> Plan:
    """Draw the requests that are struck. The same arguments, the same plan.

    Of a rate there is one at least, and as many as it makes of all; where each try is struck at random, as many as
    chance has it.
    """
    if cause.requests is None or rate is None:
        return Plan({})
    random = Random(seed)
    if cause.requests == "random":
        struck = {number: _failures(random, rate) for number in range(requests)}
        return Plan({number: tries for number, tries in struck.items() if tries})
    chosen = random.sample(range(requests), max(1, round(rate * requests)))
    return Plan(dict.fromkeys(sorted(chosen), None if cause.requests == "every" else 1))


def document(
    cause: "Cause", plan: Plan, runs: "Mapping[Buffer, str]", starts_at: float, seed: str
) -> "list[dict[str, Any]]":
    """The plan as the embedded AWS takes it (local.faults.fault): a fault for each buffer, of which `runs` are the ids.

    What is done once, by the runner's own hand, is none of it.
    """
    if cause.edge in ("code", "process"):
        return []
    common: dict[str, Any] = {"effect": cause.effect}
    if cause.effect == "answer":
        common |= {"status": cause.status, "code": cause.code}
    if cause.effect == "slow":
        common["factor"] = cause.factor
    if cause.effect == "starve":
        common["memory_mb"] = cause.memory_mb
    if cause.for_s is not None:
        common |= {"from": starts_at + cause.from_s, "until": starts_at + cause.from_s + cause.for_s}
    if cause.requests is None:
        edges = tuple(dict.fromkeys(_edge(cause, buffer) for buffer in runs))
        return [{"edge": edge, **common} for edge in edges]
    faults = []
    for buffer, run_id in runs.items():
        edge = _edge(cause, buffer)
        bounds = None if cause.after_ms is None else cause.after_ms.get(buffer)
        if bounds is None:
            requests = {str(number): tries for number, tries in plan.bad.items()}
            faults.append({"edge": edge, **common, "requests": {run_id: requests}})
            continue
        # Each is struck at a moment of its own.
        random = Random(f"{seed} {buffer}")
        faults += [
            {
                "edge": edge,
                **common,
                "after_ms": round(random.uniform(*bounds), 1),
                "requests": {run_id: {str(number): tries}},
            }
            for number, tries in plan.bad.items()
        ]
    return faults


def _edge(cause: "Cause", buffer: "Buffer") -> str:
    return buffer.partition("-")[0] if cause.edge == "api" else cause.edge


def _failures(random: Random, rate: float) -> int:
    """How many tries fail until one does not."""
    tries = 0
    while random.random() < rate:
        tries += 1
    return tries
