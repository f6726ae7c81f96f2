"""The embedded AWS as a benchmark drives it: a process of its own, by its command."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_STOPPED_S = 60


@contextmanager
def embedded(*options: str, core: int | None = None) -> Iterator[dict[str, Any]]:
    """Start `forebay local` with more options, bound to one core if it is named; yields its ready line."""
    process = subprocess.Popen(
        [Path(sys.executable).parent / "forebay", "local", "--json", "--exit-with-stdin", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, {core}),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(_STOPPED_S)
