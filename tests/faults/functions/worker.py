"""Handlers that leave a trace of each invocation in the file that its event names."""

import os
import time
from pathlib import Path


def _trace(event, word):
    with Path(event["trace"]).open("a") as file:
        file.write(f"{word} {os.getpid()}\n")


def quick(event, _context):
    _trace(event, "done")
    return {"batchItemFailures": []}


def slow(event, _context):
    """Long enough to be struck at work."""
    _trace(event, "begun")
    time.sleep(event.get("seconds", 30))
    _trace(event, "done")
    return {"batchItemFailures": []}
