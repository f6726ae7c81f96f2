"""A tether: runs a module as a child that cannot outlive its parent.

    python -m local.tether [--nice N] MODULE [ARGUMENT...]

It is the child's own first step, not the parent's between fork and exec: code there would run in a copy of a process
with threads, which may deadlock. Where the kernel has no such tether (it is Linux's), what the child waits on tells it:
its standard input, or the Runtime API's connection, closes.
"""

import contextlib
import ctypes
import os
import runpy
import signal
import sys

# linux/prctl.h
_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Tie this process to its parent, then become the module."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit("the parent has gone")
    # A process group of its own, so that a Ctrl-C at the terminal is left to the parent, and all that this process may
    # start can be killed with it. No session of its own: where Linux groups processes by session to share out the CPU
    # (sched_autogroup), niceness would count for nothing.
    os.setpgid(0, 0)
    if arguments[0] == "--nice":
        os.nice(int(arguments[1]))
        arguments = arguments[2:]
    sys.argv = arguments
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)


def kill(process_id: int) -> None:
    """Kill a tethered process and whatever it started. It must not have been waited for yet."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process_id, signal.SIGKILL)
    # Too early, before it has a group, there is none of that number.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process_id, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
