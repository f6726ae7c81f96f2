"""The recorder: writes down what the drivers say to their machines and what these decide (`--record-decisions`).

One line of JSON an event, in the order in which they happened over all machines, for these share an account's
concurrency: first how a machine was made, then each call of it. `simulator.replay` says it all again to fresh ones.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final, ParamSpec, Protocol, Self, TypeVar, cast

from delivery.transcript import FORMAT, decisions_of, name_of_kind, plain

P = ParamSpec("P")
T = TypeVar("T")


class Recorder(Protocol):
    """Makes machines, and may watch them."""

    def make(self, name: str, kind: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A machine of that class."""


class NoRecorder:
    """Makes machines, and lets them be."""

    def make(self, name: str, kind: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:  # noqa: ARG002
        """A machine of that class, as it is."""
        return kind(*args, **kwargs)


UNRECORDED: Final = NoRecorder()


class DecisionRecorder:
    """Writes to a file; made by `to_file`, ended by `close`. What it makes stands in for a machine and tells on it.

    A machine is given the others as they are: what they say to each other follows from what is said to them.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._names: dict[int, str] = {}
        # Also keeps them alive, so that no other object gets their id.
        self._machines: list[object] = []

    @classmethod
    def to_file(cls, path: Path) -> Self:
        """Begin a file, in the place of any there was.

        Raises:
            OSError: it cannot be written.
        """
        recorder = cls(path.open("w", encoding="utf-8"))
        recorder._write({"format": FORMAT})
        return recorder

    def make(self, name: str, kind: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A machine of that class, watched from now on. Names are told once."""
        assert isinstance(kind, type)
        assert name not in self._names.values(), f"two machines are called {name}"
        bare_args = [_bare(value) for value in args]
        bare_kwargs = {key: _bare(value) for key, value in kwargs.items()}
        self._write(
            {
                "make": name,
                "kind": name_of_kind(kind),
                "args": plain(bare_args, self._names),
                "kwargs": {key: plain(value, self._names) for key, value in bare_kwargs.items()},
            }
        )
        machine = kind(*bare_args, **bare_kwargs)
        self._names[id(machine)] = name
        self._machines.append(machine)
        return cast("T", _Watched(machine, name, self._tell))

    def close(self) -> None:
        """Write what is left, and close the file. Nothing is recorded from then on."""
        self._file.close()

    def _tell(self, name: str, call: str, args: Any, kwargs: dict[str, Any], answer: object) -> None:
        if self._file.closed:
            return
        line = [name, call, plain(args, self._names), {key: plain(own, self._names) for key, own in kwargs.items()}]
        self._write([*line, plain(answer, self._names)])

    def _write(self, line: object) -> None:
        self._file.write(json.dumps(line, separators=(",", ":"), allow_nan=False) + "\n")


class _Watched:
    """Stands in for a machine."""

    def __init__(self, machine: Any, name: str, tell: Callable[..., None]) -> None:
        self.machine = machine
        for call in decisions_of(type(machine)):
            setattr(self, call, _told(getattr(machine, call), name, call, tell))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.machine, name)


def _told(method: Callable[..., T], name: str, call: str, tell: Callable[..., None]) -> Callable[..., T]:
    def told(*args: Any, **kwargs: Any) -> T:
        answer = method(*args, **kwargs)
        tell(name, call, args, kwargs, answer)
        return answer

    return told


def _bare(value: Any) -> Any:
    if isinstance(value, _Watched):
        return value.machine
    return [_bare(own) for own in value] if isinstance(value, list | tuple) else value
