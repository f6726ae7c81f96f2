"""Which settings of a run's target stood in for AWS, and which were the stack's own, as any account would have them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from reports.description import Description

_LOCAL: Final = "local"
# The template and its parameters are not simulated: AWS would be given the same.
_OF_THE_STACK: Final = ("template", "parameters")
_QUOTAS: Final = "quotas"


def simulated(run: "Description") -> dict[str, Any] | None:
    """The settings of the stand-ins, by name (the concurrency of the account, the rate and service time of
    recognition), without the quota table; None if the target was AWS itself.
    """
    if run.target != _LOCAL:
        return None
    return {name: value for name, value in run.options.items() if name not in (*_OF_THE_STACK, _QUOTAS)}


def quotas(run: "Description") -> Mapping[str, Any]:
    """The AWS quotas that were modelled, by name."""
    return _mapping(run.options.get(_QUOTAS))


def shared_parameters(run: "Description") -> dict[str, Any]:
    """The parameters of the template that were in force for all buffers alike."""
    own = tuple(turn.buffer.capitalize() for turn in run.turns)
    return {name: value for name, value in _parameters(run).items() if not name.startswith(own)}


def own_parameters(run: "Description", buffer: str) -> dict[str, Any]:
    """The parameters that only one buffer has, named as the template does: `SqsBatchSize` is BatchSize of sqs."""
    prefix = buffer.capitalize()
    return {
        name.removeprefix(prefix): value
        for name, value in _parameters(run).items()
        if name.startswith(prefix) and name != prefix
    }


def _parameters(run: "Description") -> Mapping[str, Any]:
    return _mapping(run.options.get("parameters"))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
