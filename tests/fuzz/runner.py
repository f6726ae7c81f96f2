"""Feeds targets: so many examples of a seed, each of which may take no more than a few seconds."""

import gc
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psutil
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz import connection_targets, gateway_targets, image_targets, record_targets, wire_targets
from tests.fuzz.target import Target

TARGETS: Final[Sequence[Target]] = (
    *record_targets.TARGETS,
    *image_targets.TARGETS,
    *gateway_targets.TARGETS,
    *wire_targets.TARGETS,
    *connection_targets.TARGETS,
)
# Far above what an example takes on a machine that has other things to do, too.
_HANGS_S: Final = 20


class HangError(AssertionError):
    """An example that does not end."""


@contextmanager
def watched() -> Iterator[None]:
    """Break off what does not end. In the main thread alone, where signals arrive."""

    def bark(_signal: int, _frame: object) -> None:
        raise HangError(f"an example was still at work after {_HANGS_S} s")

    before = signal.signal(signal.SIGALRM, bark)
    signal.setitimer(signal.ITIMER_REAL, _HANGS_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def feed(target: Target, *, examples: int, from_seed: int) -> None:
    """Give a target so many examples; raises what it raises, made as small as hypothesis can."""

    @seed(from_seed)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
        print_blob=False,
    )
    @given(target.inputs)
    def one(value: Any) -> None:
        with watched():
            target.feed(value)

    one()


def resident_mib() -> float:
    """What this process holds in memory, after its garbage is gone."""
    gc.collect()
    return float(psutil.Process().memory_info().rss) / (1 << 20)
