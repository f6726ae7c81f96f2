"""A server that a benchmark drives, as a process of its own: its first line says where it is, its stdin ends it."""

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

_ROOT: Final = Path(__file__).parents[1]
_STOPPED_S: Final = 60


@contextmanager
def started(*command: str, core: int | None = None) -> Iterator[str]:
    """Start a command, bound to one core if it is named; yields the first line that it prints, and ends it.

    Raises:
        OSError: it ended without such a line; what it has to say stands on stderr.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
        preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, {core}),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline().strip()
        if not line:
            raise OSError(f"{' '.join(command[:3])} did not start")
        yield line
    finally:
        process.stdin.close()
        process.wait(_STOPPED_S)
        process.stdout.close()


async def serving(url: str) -> None:
    """The other side: say where this process serves, and return once its standard input has ended."""
    click.echo(url)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def wait_for_stdin() -> None:
        with contextlib.suppress(OSError):
            sys.stdin.read()
        # By a Ctrl-C the loop may be gone before.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=wait_for_stdin, daemon=True).start()
    await ended.wait()
