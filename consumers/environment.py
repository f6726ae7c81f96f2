"""The execution environment: one process that Lambda starts, keeps warm and reuses; what it makes once, at init."""

import os
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_MODULE_STARTED = time.monotonic()
# Field 22 of /proc/PID/stat is the start, in clock ticks since boot (man 5 proc); the fields after the command's
# closing bracket begin with the third.
_START_TICKS_FIELD = 22 - 3


class Environment:
    """Its name, and how long its start took, which only the first batch has to wait for.

    The start counts from the process's birth until this object was made, at the end of init. It is 0 where Lambda
    started the environment ahead of need (provisioned concurrency, SnapStart).
    """

    def __init__(self, name: str, init_ms: float) -> None:
        self.name = name
        self._init_ms = init_ms

    @classmethod
    def of_this_process(cls, variables: "Mapping[str, str]") -> "Environment":
        """Take the name of Lambda's log stream, which no two environments share; elsewhere a random one."""
        name = variables.get("AWS_LAMBDA_LOG_STREAM_NAME") or uuid.uuid4().hex
        on_demand = variables.get("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand") == "on-demand"
        return cls(name, _process_age_ms() if on_demand else 0.0)

    def take_init_ms(self) -> float:
        """How long this batch waited for the environment to start: once the time, then 0."""
        init_ms, self._init_ms = self._init_ms, 0.0
        return init_ms


def _process_age_ms() -> float:
    try:
        fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        born = int(fields[_START_TICKS_FIELD]) / os.sysconf("SC_CLK_TCK")
        return round((time.clock_gettime(time.CLOCK_BOOTTIME) - born) * 1_000, 1)
    except (OSError, AttributeError, IndexError, ValueError):
        # No Linux: count from this module's import, which the handlers do first.
        return round((time.monotonic() - _MODULE_STARTED) * 1_000, 1)
