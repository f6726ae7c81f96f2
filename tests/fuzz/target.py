"""A target: something that reads what strangers send, and what they may send to it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis.strategies import SearchStrategy


@dataclass(frozen=True)
class Target:
    """`feed` gives an input to the code and raises if it does anything but what its documentation says."""

    name: str
    inputs: SearchStrategy[Any]
    feed: Callable[[Any], None]
