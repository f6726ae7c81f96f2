"""The variables of a compiled template."""

from collections.abc import Mapping
from typing import Any


class Scope(dict[str, Any]):
    """The variables of a template, or of one turn of a loop in it; what it lacks is looked up in `outer`."""

    __slots__ = ("outer",)

    def __init__(self, outer: Mapping[str, Any]) -> None:
        super().__init__()
        self.outer = outer

    def __missing__(self, name: str) -> Any:
        return self.outer[name]

    def assign(self, name: str, value: Any) -> None:
        """What #set does: change the variable where it is, or make it here.

        The names a template is given are not changed, only hidden. A variable made inside a loop ends with its turn.
        """
        scope: Mapping[str, Any] = self
        while isinstance(scope, Scope):
            if name in scope:
                scope[name] = value
                return
            scope = scope.outer
        self[name] = value
