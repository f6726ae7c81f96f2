"""A template's rules: what its parameters must be together, asserted before anything is made."""

from collections.abc import Mapping
from typing import Any, Final

from local.template_parameter import ParameterValue

_PARTS: Final = frozenset({"RuleCondition", "Assertions"})


class RuleError(ValueError):
    """A rule that the parameters break, or that cannot be read; the text is the rule's own description if any."""


def check_rules(written: Mapping[str, Any], parameters: Mapping[str, ParameterValue]) -> None:
    """Hold the parameters against a template's Rules section.

    Parameters are texts to CloudFormation, so numbers are compared as they are written. Of the functions that only
    rules have, Fn::Contains is known: the others ask for an account's own parameters or network.

    Raises:
        RuleError: an assertion does not hold, or is made of what is not known here.
    """
    for name, rule in written.items():
        where = f"Rules.{name}"
        if not isinstance(rule, dict) or not set(rule) <= _PARTS or not isinstance(rule.get("Assertions"), list):
            raise RuleError(f"{where} is not made of Assertions and perhaps a RuleCondition")
        if "RuleCondition" in rule and not _holds(rule["RuleCondition"], parameters, where):
            continue
        for assertion in rule["Assertions"]:
            if not _holds(assertion.get("Assert"), parameters, where):
                raise RuleError(str(assertion.get("AssertDescription") or f"the parameters break {where}"))


def _holds(written: Any, parameters: Mapping[str, ParameterValue], where: str) -> bool:
    function, arguments = next(iter(written.items())) if isinstance(written, dict) and len(written) == 1 else ("", [])
    if isinstance(arguments, list):
        match function, arguments:
            case "Fn::Equals", [left, right]:
                return _text(left, parameters, where) == _text(right, parameters, where)
            case "Fn::Contains", [[*members], value]:
                return _text(value, parameters, where) in [_text(member, parameters, where) for member in members]
            case "Fn::Not", [one]:
                return not _holds(one, parameters, where)
            case "Fn::And", [*all_of]:
                return all(_holds(one, parameters, where) for one in all_of)
            case "Fn::Or", [*any_of]:
                return any(_holds(one, parameters, where) for one in any_of)
    raise RuleError(f"{where}: an assertion is made of Fn::Equals, Fn::Contains, Fn::Not, Fn::And and Fn::Or")


def _text(written: Any, parameters: Mapping[str, ParameterValue], where: str) -> str:
    value = written
    if isinstance(written, dict):
        name = written.get("Ref")
        if len(written) != 1 or not isinstance(name, str) or name not in parameters:
            raise RuleError(f"{where}: a rule speaks of texts and of parameters by Ref alone, not of {written}")
        value = parameters[name]
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
