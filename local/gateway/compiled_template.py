"""A parsed mapping template as nested Python functions, several times as fast as airspeed-ext's interpreter.

airspeed-ext stays the parser, and what a template means: each rule below is one of its own, odd ones too, and the tests
render with both and compare. A template with a construct that no API mapping needs (#macro, #define, #stop, ...) is not
compiled, and the interpreter renders it as ever.

One rule is not taken over. airspeed prints the reference's own source in place of a value that equals a marker text of
its own; a client could send that text.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import airspeed
from airspeed import operators

from local.gateway.compiled_reference import NotCompilableError, Value, compiled_reference
from local.gateway.scope import Scope

# A part of the output.
Step = Callable[[Scope, list[str]], None]
C = TypeVar("C", Value, Step)


class CompiledTemplate:
    """A parsed template, compiled.

    Raises:
        NotCompilableError: it has a construct that is left to the interpreter.
    """

    def __init__(self, template: airspeed.Template) -> None:
        template.ensure_compiled()
        self._run = _block(template.root_element.block)

    def merge(self, names: Mapping[str, Any]) -> str:
        """The text it renders from these names.

        Raises:
            airspeed.TemplateExecutionError: something in it could not be evaluated; the cause says what.
        """
        out: list[str] = []
        self._run(Scope(names), out)
        return "".join(out)


def _block(block: Any) -> Step:
    steps = [
        (_compiled(child, _STEPS), _blamed(child))
        for child in block.children
        if not isinstance(child, operators.Comment)
    ]

    def run(scope: Scope, out: list[str]) -> None:
        for step, element in steps:
            try:
                step(scope, out)
            except airspeed.TemplateExecutionError:
                raise
            except Exception as error:
                raise airspeed.TemplateExecutionError(element, (type(error), error, error.__traceback__)) from error

    return run


def _blamed(child: Any) -> Any:
    """The element an error is said to be in: the innermost that airspeed would."""
    return child.assignment if isinstance(child, operators.SetDirective) else child


def _text(node: Any) -> Step:
    text: str = node.text
    return lambda _scope, out: out.append(text)


def _printed_reference(node: Any) -> Step:
    source = node.my_text()
    if node.expression is None:
        # A $ that no name follows is a $.
        return lambda _scope, out: out.append(source)
    read = _value(node)
    alternate = _value(node.alternate.expression) if node.alternate is not None else _constant("")

    def run(scope: Scope, out: list[str]) -> None:
        value = read(scope)
        if value is None:
            # API Gateway prints nothing for what is not there, with or without the ! of a silent reference.
            value = alternate(scope) or ""
        # str() would cost a JavaString, which is one already, a copy.
        out.append(value if isinstance(value, str) else operators.value_to_string(value))

    return run


def _if(node: Any) -> Step:
    branches = [(_condition(branch.condition), _block(branch.block)) for branch in (node, *node.elseifs)]
    if isinstance(node.else_block, operators.ElseBlock):
        branches.append((_constant(True), _block(node.else_block.block)))

    def run(scope: Scope, out: list[str]) -> None:
        for condition, block in branches:
            if condition(scope):
                block(scope, out)
                return

    return run


def _condition(node: Any) -> Callable[[Scope], bool]:
    read = _value(node.expression)

    def holds(scope: Scope) -> bool:
        value = read(scope)
        # Recorded on AWS: what is not there is true in an #if.
        return value is None or bool(value)

    return holds


def _foreach(node: Any) -> Step:
    read, name, block = _value(node.value), node.loop_var_name, _block(node.block)

    def run(scope: Scope, out: list[str]) -> None:
        items = read(scope)
        if items is None:
            return
        if hasattr(items, "keys"):
            items = items.keys()
        try:
            iter(items)
        except TypeError:
            raise ValueError(f"value for ${name} is not iterable in #foreach: {items}") from None
        length = len(items)
        for count, item in enumerate(items, 1):
            turn = Scope(scope)
            turn["velocityCount"] = count
            turn["velocityHasNext"] = count < length
            turn["foreach"] = {
                "count": count,
                "index": count - 1,
                "hasNext": count < length,
                "first": count == 1,
                "last": count == length,
            }
            turn[name] = item
            block(turn, out)

    return run


def _set(node: Any) -> Step:
    assignment = node.assignment
    name, read = assignment.root_term, _value(assignment.value)
    if not assignment.terms:
        return _assignment(name, read)
    *way, last = [_value(term.term) for term in assignment.terms]

    def run(scope: Scope, _out: list[str]) -> None:
        value = read(scope)
        target = scope[name]
        for key in way:
            target = target[key(scope)]
        target[last(scope)] = value

    return run


def _assignment(name: str, read: Value) -> Step:
    def run(scope: Scope, _out: list[str]) -> None:
        if isinstance(scope.outer, Scope):
            scope.assign(name, read(scope))
        else:
            # Not in a loop: there is but one place for it.
            scope[name] = read(scope)

    return run


def _value(node: Any) -> Value:
    return _compiled(node, _VALUES)


def _constant(value: Any) -> Value:
    return lambda _scope: value


def _literal(node: Any) -> Value:
    return _constant(node.value)


def _interpolated(node: Any) -> Value:
    run = _block(node.block)

    def read(scope: Scope) -> str:
        out: list[str] = []
        run(scope, out)
        return "".join(out)

    return read


def _list(node: Any) -> Value:
    values = [_value(value) for value in node.values]
    return lambda scope: [value(scope) for value in values]


def _range(node: Any) -> Value:
    first, last = _value(node.value1), _value(node.value2)

    def read(scope: Scope) -> range:
        start, end = first(scope), last(scope)
        return range(start, end - 1, -1) if end < start else range(start, end + 1)

    return read


def _dictionary(node: Any) -> Value:
    pairs = [(_value(key), _value(value)) for key, value in node.local_data.items()]
    return lambda scope: {key(scope): value(scope) for key, value in pairs}


def _parenthesized(node: Any) -> Value:
    # airspeed keeps of the expression only this bound method.
    return _value(node.calculate.__self__)


def _not(node: Any) -> Value:
    read = _value(node.value)

    def negated(scope: Scope) -> bool:
        value = read(scope)
        # What is not there is true here too, unlike in && and ||.
        return value is not None and not value

    return negated


def _expression(node: Any) -> Value:
    """Operators by precedence, from the left among equals.

    && and || evaluate both sides, and of two plain operands the right one first; a result on the left is there before.
    """
    first, *rest = node.expression
    operands: list[tuple[Value, bool]] = [(_value(first), False)]
    pending: list[Any] = []

    def reduce() -> None:
        right, _ = operands.pop()
        left, is_result = operands.pop()
        operands.append((_operation(pending.pop().apply_to, left, right, left_first=is_result), True))

    for operator, operand in zip(rest[::2], rest[1::2], strict=True):
        while pending and not operator.greater_precedence_than(pending[-1]):
            reduce()
        pending.append(operator)
        operands.append((_value(operand), False))
    while pending:
        reduce()
    return operands[0][0]


def _operation(apply: Callable[[Any, Any], Any], left: Value, right: Value, *, left_first: bool) -> Value:
    if left_first:
        return lambda scope: apply(left(scope), right(scope))

    def read(scope: Scope) -> Any:
        value = right(scope)
        return apply(left(scope), value)

    return read


def _reference(node: Any) -> Value:
    return compiled_reference(node, _value)


def _compiled(node: Any, compilers: Mapping[type, Callable[[Any], C]]) -> C:
    # By the very class: airspeed's elements inherit from one another.
    compiler = compilers.get(type(node))
    if compiler is None:
        raise NotCompilableError(f"{type(node).__name__} is left to the interpreter")
    return compiler(node)


_STEPS: Final[Mapping[type, Callable[[Any], Step]]] = {
    operators.Text: _text,
    operators.FallthroughHashText: _text,
    operators.FormalReference: _printed_reference,
    operators.IfDirective: _if,
    operators.SetDirective: _set,
    operators.ForeachDirective: _foreach,
}
_VALUES: Final[Mapping[type, Callable[[Any], Value]]] = {
    operators.NullLiteral: _literal,
    operators.BooleanLiteral: _literal,
    operators.IntegerLiteral: _literal,
    operators.FloatingPointLiteral: _literal,
    operators.StringLiteral: _literal,
    operators.InterpolatedStringLiteral: _interpolated,
    operators.DotDictAccessTerm: _literal,
    operators.BracketedValueTerm: lambda node: _value(node.value),
    operators.ArrayLiteral: lambda node: _value(node.values),
    operators.ValueList: _list,
    operators.Range: _range,
    operators.DictionaryLiteral: _dictionary,
    operators.FormalReference: _reference,
    operators.UnaryOperatorValue: _not,
    operators.ParenthesizedExpression: _parenthesized,
    operators.Expression: _expression,
    operators.Value: lambda node: _value(node.expression),
}
