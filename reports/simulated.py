"""Which settings of a run's target stood in for AWS, and which were the stack's own, as any account would have them."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pipeline.request import BUFFERS

if TYPE_CHECKING:
    from reports.description import Description

_LOCAL: Final = "local"
# The template and its parameters are not simulated: AWS would be given the same.
_OF_THE_STACK: Final = ("template", "parameters")
_QUOTAS: Final = "quotas"
# Says whether there is a buffer, and not how it is set.
_SWITCHES: Final = frozenset({"KinesisFanOut"})


def simulated(run: "Description") -> dict[str, Any] | None:
    """The settings of the stand-ins, by name (the concurrency of the account, the rate and service time of
    recognition), without the quota table; of a simulation its scenarios; None if the target was AWS itself.
    """
    if run.is_simulated:
        return dict(run.options)
    if run.target != _LOCAL:
        return None
    return {name: value for name, value in run.options.items() if name not in (*_OF_THE_STACK, _QUOTAS)}


def quotas(run: "Description") -> Mapping[str, Any]:
    """The AWS quotas that were modelled, by name."""
    return _mapping(run.options.get(_QUOTAS))


def scenarios(run: "Description") -> dict[str, Any]:
    """The scenarios of a simulation, by buffer, in the form of their files."""
    return {buffer: _as_written(scenario) for buffer, scenario in _mapping(run.options.get("scenarios")).items()}


def _as_written(value: Any) -> Any:
    """A value as it stands in a scenario's file."""
    if isinstance(value, Mapping):
        return {name: _as_written(below) for name, below in value.items()}
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return json.dumps(value) if value is None or isinstance(value, bool) else value


def shared_parameters(run: "Description") -> dict[str, Any]:
    """The parameters of the template that were in force for all buffers alike."""
    own = {name for turn in run.turns for name in _named_for(run, turn.buffer)}
    return {name: value for name, value in _parameters(run).items() if name not in own}


def own_parameters(run: "Description", buffer: str) -> dict[str, Any]:
    """The parameters that not all buffers have, named as the template does: `SqsBatchSize` is BatchSize of sqs.

    What is named for `kinesis` holds for `kinesis-efo` too, but where that has one of its own.
    """
    own = _named_for(run, buffer)
    general_first = sorted(own, key=lambda name: len(own[name]))
    return {name.removeprefix(own[name]): _parameters(run)[name] for name in general_first}


def kind_of(run: "Description", buffer: str) -> str:
    """What AWS's documents speak of: the queue of a stack may be a FIFO one."""
    return "sqs-fifo" if buffer == "sqs" and own_parameters(run, buffer).get("Fifo") == "true" else buffer


def _named_for(run: "Description", buffer: str) -> dict[str, str]:
    """The parameters that a buffer has, each with the beginning of its name that says so."""
    mine = _prefixes(buffer)
    every = {prefix for other in (*BUFFERS, buffer) for prefix in _prefixes(other)}
    longest_first = sorted(every, key=len, reverse=True)
    named = {}
    for name in _parameters(run):
        prefix = next((prefix for prefix in longest_first if name.startswith(prefix) and name != prefix), None)
        if prefix in mine and name not in _SWITCHES:
            named[name] = prefix
    return named


def _prefixes(buffer: str) -> list[str]:
    """The beginnings of a buffer's parameters, the most general first: Kinesis and KinesisEfo of kinesis-efo."""
    words = [word.capitalize() for word in buffer.split("-") if word]
    return ["".join(words[:end]) for end in range(1, len(words) + 1)]


def _parameters(run: "Description") -> Mapping[str, Any]:
    return _mapping(run.options.get("parameters"))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
