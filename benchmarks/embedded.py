"""The embedded AWS as a benchmark drives it: a process of its own, by its command."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.server_process import started


@contextmanager
def embedded(*options: str, core: int | None = None) -> Iterator[dict[str, Any]]:
    """Start `forebay local` with more options, bound to one core if it is named; yields its ready line."""
    command = str(Path(sys.executable).with_name("forebay"))
    with started(command, "local", "--json", "--exit-with-stdin", *options, core=core) as line:
        yield json.loads(line)
