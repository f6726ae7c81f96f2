"""Proxies: most are of no use for what is on this machine, and are asked for it unless NO_PROXY says otherwise."""

import os
from typing import Final
from urllib.request import getproxies, proxy_bypass

THIS_MACHINE: Final = "127.0.0.1"
# Which of the two is read is each library's own choice.
VARIABLES: Final = ("NO_PROXY", "no_proxy")


def are_asked_for_this_machine() -> bool:
    """Whether this process's environment has a proxy asked for what is on this machine."""
    return bool(getproxies()) and not proxy_bypass(THIS_MACHINE)


def ask_none_for_this_machine() -> None:
    """Add this machine to what this process, and those that it starts, ask no proxy for."""
    if are_asked_for_this_machine():
        for name in VARIABLES:
            others = os.environ.get(name)
            os.environ[name] = f"{THIS_MACHINE},{others}" if others else THIS_MACHINE
