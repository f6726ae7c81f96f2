"""How many files a process may have open, connections among them."""

import resource
from typing import Final

# Far more than the 1,024 that many a shell allows, and what every system takes.
_WANTED: Final = 10_240


def allow_more_open_files() -> int:
    """Raise this process's own limit as far as needed and allowed; answers with what it is then.

    Children inherit it. A limit that cannot be raised stays: the server works, and takes fewer connections at once.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED if hard == resource.RLIM_INFINITY else min(_WANTED, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError):
        return soft
    return wanted
