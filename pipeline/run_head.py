"""The head of run.json, the same whatever was run: a load test, a matrix of faults, a simulation."""

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FORMAT: Final = 1


def head(
    *,
    run_id: str,
    target: str,
    started_at: float,
    ended_at: float | None,
    seed: int | None,
    versions: "Mapping[str, str]",
    faults: "Sequence[str]" = (),
) -> "dict[str, Any]":
    """Which run, on what, when (ms since the epoch), with what software, and why it does not count, if it does not."""
    return {
        "format": _FORMAT,
        "id": run_id,
        "target": target,
        "started_at": started_at,
        "ended_at": ended_at,
        "seed": seed,
        "versions": dict(versions),
        "valid": not faults,
        "invalid_because": list(faults),
    }
