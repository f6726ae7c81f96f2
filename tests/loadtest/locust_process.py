"""Locust in a process of its own, as a user starts it."""

import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil

LOADTEST = Path(__file__).parents[2] / "loadtest"


class LocustProcess:
    """One Locust on our loadtest/ folder, its output collected as it comes."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "locust", "-f", LOADTEST, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    @property
    def output(self):
        return "\n".join(self.lines)

    def children(self):
        return psutil.Process(self.process.pid).children()

    def wait_for(self, text, seconds=150):
        """Wait until its output has the expression; the match."""
        until = time.monotonic() + seconds
        while not (found := re.search(text, self.output)):
            assert self.process.poll() is None, self.output
            assert time.monotonic() < until, self.output
            time.sleep(0.05)
        return found

    def end(self, seconds=240):
        """Wait until it ends by itself, with all of its output; its exit code."""
        code = self.process.wait(timeout=seconds)
        self._reader.join()
        self.process.stdout.close()
        return code

    def kill(self):
        """End what is left of it and of its workers."""
        if self.process.poll() is None:
            for each in (*self.children(), self.process):
                each.kill()
            self.end()
