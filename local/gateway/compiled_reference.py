"""References of a compiled template: a variable, its members, the results of their methods, what stands at an index."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from airspeed import operators

from local.gateway.scope import Scope

# An expression, what makes one of a parsed node, and what takes a value on to the next part of a reference.
Value = Callable[[Scope], Any]
ValueOf = Callable[[Any], Value]
Link = Callable[[Any, Scope], Any]

_NONE: Final[Mapping[str, Any]] = {}
_LENT: Final[Mapping[type, Mapping[str, Any]]] = operators.__additional_methods__


class NotCompilableError(Exception):
    """A template with a construct that is left to the interpreter."""


def compiled_reference(node: Any, value_of: ValueOf) -> Value:
    """A reference such as `$a`, `$a.b` or `$a.b('c')[0]`, whose arguments and indices `value_of` compiles.

    Raises:
        NotCompilableError: it is left to the interpreter.
    """
    if node.expression is None:
        raise NotCompilableError("a $ without a name, where a value should be")
    first, *rest = _parts(node.expression)
    name: str = first.name

    def variable(scope: Scope) -> Any:
        try:
            return scope[name]
        except KeyError:
            return None

    if len(rest) == 1 and first.parameters is None and first.index is None:
        return _by_one_link(name, rest[0], value_of)
    links = [_link(part, value_of) for part in rest]
    if first.parameters is not None or first.index is not None:
        links.insert(0, _use(first, value_of))
    if not links:
        return variable
    if len(links) == 1:
        (only,) = links
        return lambda scope: only(variable(scope), scope)

    def read(scope: Scope) -> Any:
        value = variable(scope)
        for link in links:
            value = link(value, scope)
        return value

    return read


def _by_one_link(name: str, part: Any, value_of: ValueOf) -> Value:
    """What most references are, in as few calls as may be: a member of a variable, or the result of its method."""
    link = _link(part, value_of)

    def linked(scope: Scope) -> Any:
        try:
            value = scope[name]
        except KeyError:
            value = None
        return link(value, scope)

    if isinstance(part, operators.ArrayIndex) or part.parameters is not None or part.index is not None:
        return linked
    member: str = part.name

    def read(scope: Scope) -> Any:
        try:
            value = scope[name]
        except KeyError:
            value = None
        return _member(value, member)

    return read


def _parts(expression: Any) -> list[Any]:
    """The parts of a reference, which airspeed nests: names, calls and indices."""
    if isinstance(expression, operators.VariableExpression):
        inner = expression.subexpression
        return [expression.part, *(_parts(inner) if inner else ())]
    if not isinstance(expression.expression, operators.ArrayIndex):
        return _parts(expression.expression)
    inner = expression.subexpression
    return [expression.expression, *(_parts(inner) if inner else ())]


def _link(part: Any, value_of: ValueOf) -> Link:
    if isinstance(part, operators.ArrayIndex):
        # airspeed looks up a variable in such an index among the value's own members, which is of no use to copy.
        if type(part.index) not in (operators.IntegerLiteral, operators.StringLiteral):
            raise NotCompilableError("an index after a call or an index, and no literal")
        index = part.index.value
        return lambda value, _scope: value[index]
    name: str = part.name
    if part.parameters is None and part.index is None:
        return lambda value, _scope: _member(value, name)
    if part.parameters is not None and 1 <= len(part.parameters.values.values) <= 2:
        return _method(name, [value_of(value) for value in part.parameters.values.values])
    use = _use(part, value_of)
    return lambda value, scope: use(_member(value, name), scope)


def _method(name: str, arguments: list[Value]) -> Link:
    """The call of a method with one argument or two, in as few calls as may be."""
    first, *rest = arguments
    if not rest:

        def call(value: Any, scope: Scope) -> Any:
            method = _member(value, name)
            return None if method is None else method(first(scope))

        return call
    (second,) = rest

    def call_with_both(value: Any, scope: Scope) -> Any:
        method = _member(value, name)
        return None if method is None else method(first(scope), second(scope))

    return call_with_both


def _use(part: Any, value_of: ValueOf) -> Link:
    """The call or the index that follows a name; of what is not there, neither is evaluated."""
    if part.parameters is None:
        return _indexed(value_of(part.index.index))
    values = part.parameters.values
    if len(values.values) == 1:
        argument = value_of(values.values[0])
        return lambda method, scope: None if method is None else method(argument(scope))
    arguments = value_of(values)
    return lambda method, scope: None if method is None else method(*arguments(scope))


def _indexed(index: Value) -> Link:
    def read(value: Any, scope: Scope) -> Any:
        if value is None:
            return None
        wanted = index(scope)
        if isinstance(value, list) and not isinstance(wanted, int):
            raise ValueError(f"expected integer for array index, got '{wanted}'")
        try:
            return value[wanted]
        except Exception:  # noqa: BLE001 (whatever it is: what is not there is null)
            return None

    return read


def _member(value: Any, name: str) -> Any:
    """A map's value by its key, else an attribute or a method, else one of those airspeed lends to Python's types."""
    if isinstance(value, dict):
        try:
            found = value[name]
        except KeyError:
            found = None
        if found is not None:
            return found
    found = getattr(value, name, None)
    if found is None and name in (lent := _LENT.get(type(value), _NONE)):
        return partial(lent[name], value)
    return found
