"""The replay: what `forebay local --record-decisions` wrote down, said again to fresh machines of delivery/.

The embedded AWS and the simulator run the same machines, one by the real clock and one by a virtual one. That nothing
but the clock differs is shown by this: told the same at the same times, a fresh machine must decide the same.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from delivery.transcript import FORMAT, Plain, TranscriptError, decisions_of, kind_of_name, plain, revived

_SHOWN: Final = 300
# What comes of a line that was changed by hand, or that another version wrote: machines trust what they are told.
_NOT_OURS: Final = (ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


class DifferentDecisionError(Exception):
    """A fresh machine decided otherwise than the recorded one; the text says where, and both answers."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What was replayed: calls by machine, in the order in which the machines were made."""

    calls: dict[str, int]

    @property
    def total(self) -> int:
        """All calls."""
        return sum(self.calls.values())


def replay(lines: Iterable[str]) -> Replayed:
    """Make the machines that a recording tells of, and repeat every call; each answer must be the recorded one.

    A last line that breaks off, as a killed process leaves it, is left out.

    Raises:
        DifferentDecisionError: a machine decided otherwise.
        TranscriptError: it is no recording, or one of another version.
    """
    machines: dict[str, Any] = {}
    decisions: dict[str, tuple[str, ...]] = {}
    calls: dict[str, int] = {}
    numbered = enumerate(lines, start=1)
    _check_format(next(numbered, (1, ""))[1])
    for number, line in numbered:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            if line.endswith("\n"):
                raise TranscriptError(f"line {number} is not JSON: {line[:_SHOWN]}") from None
            break
        try:
            if isinstance(event, dict):
                name = str(event["make"])
                machines[name] = _made(event, machines)
                decisions[name] = decisions_of(type(machines[name]))
                calls[name] = 0
            else:
                name, call, args, kwargs, recorded = event
                if call not in decisions[name]:
                    raise TranscriptError(f"{name} has no {call} that is recorded")
                answer = _answer(machines, name, call, args, kwargs)
                calls[name] += 1
        except _NOT_OURS as error:
            raise TranscriptError(
                f"line {number} cannot be replayed: {error}; it was written by another version, or "
                "changed since: record anew with `forebay local --record-decisions`"
            ) from error
        if isinstance(event, list) and answer != recorded:
            raise DifferentDecisionError(
                f"line {number}: {name}.{call}({json.dumps(args)[:_SHOWN]}) was answered\n  {_short(recorded)}\n"
                f"when it was recorded, and now\n  {_short(answer)}"
            )
    return Replayed(calls)


@click.command("replay")
@click.argument("recording", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def replay_command(recording: Path) -> None:
    """Repeat the decisions in RECORDING, and say whether fresh machines decide the same.

    `forebay local --record-decisions RECORDING` makes one. Exits with 1 at the first decision that differs.
    """
    try:
        with recording.open(encoding="utf-8") as lines:
            replayed = replay(lines)
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{recording} is no recording, and no text: {error}") from None
    except (DifferentDecisionError, TranscriptError) as error:
        raise click.ClickException(f"{recording}: {error}") from None
    for name, count in replayed.calls.items():
        if count:
            click.echo(f"{count:>9,}  {name}")
    click.echo(f"{replayed.total:>9,}  calls, each answered as it was")


def _check_format(line: str) -> None:
    try:
        header = json.loads(line)
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise TranscriptError(
            f"this is no recording of format {FORMAT}: its first line is {line[:_SHOWN].strip()!r}; make one with "
            "`forebay local --record-decisions FILE`"
        )


def _made(event: dict[str, Any], machines: dict[str, Any]) -> Any:
    args = revived(event["args"], machines)
    kwargs = {key: revived(value, machines) for key, value in event["kwargs"].items()}
    return kind_of_name(event["kind"])(*args, **kwargs)


def _answer(machines: dict[str, Any], name: str, call: str, args: Plain, kwargs: dict[str, Plain]) -> Plain:
    given = {key: revived(value, machines) for key, value in kwargs.items()}
    return plain(getattr(machines[name], call)(*revived(args, machines), **given), {})


def _short(answer: Plain) -> str:
    return json.dumps(answer)[:_SHOWN]
