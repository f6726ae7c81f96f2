"""Room for open files, made before it is needed: a connection that waits for its answer is one."""

import fcntl
import os
import resource
from typing import Final

# Beside connections: rows, logs, what gevent and the pages have open.
_OTHERS: Final = 256


def make_room(connections: int) -> None:
    """Let the system make room for so many connections now, as far as this process may have them.

    Linux doubles a process's table of files when it is full, and has all of its threads wait some 20 ms each time (in
    `expand_fdtable`, for RCU): right when a server stalls and connections pile up, requests would leave late for it.
    """
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    last = connections + _OTHERS
    if most != resource.RLIM_INFINITY:
        last = min(last, most - 1)
    nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.close(fcntl.fcntl(nothing, fcntl.F_DUPFD_CLOEXEC, last))
    finally:
        os.close(nothing)
