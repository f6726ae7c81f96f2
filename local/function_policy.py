"""Who may invoke a function, apart from roles: the `AWS::Lambda::Permission` of a template."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from local.gateway.configuration import ConfigurationError, StackResource
from local.resource_properties import last_segment

API_GATEWAY: Final = "apigateway.amazonaws.com"

_TYPE: Final = "AWS::Lambda::Permission"
_HEEDED: Final = frozenset({"Action", "FunctionName", "Principal", "SourceAccount", "SourceArn"})
_ACTIONS: Final = frozenset({"lambda:InvokeFunction", "lambda:*"})
_ACCOUNT: Final = 4


@dataclass(frozen=True, slots=True)
class _Statement:
    function: str
    principal: str
    account: str | None
    source: re.Pattern[str] | None

    def allows(self, principal: str, source_arn: str) -> bool:
        """Whether it lets a service invoke on behalf of a resource."""
        return (
            principal == self.principal
            and (self.account is None or source_arn.split(":")[_ACCOUNT] == self.account)
            and (self.source is None or self.source.fullmatch(source_arn) is not None)
        )


class FunctionPolicy:
    """The permissions of all functions of a template. Each of them only adds, so that one that allows is enough.

    Raises:
        ConfigurationError: a permission has a condition that is not looked at here.
    """

    def __init__(self, resources: Mapping[str, StackResource]) -> None:
        self._statements: list[_Statement] = []
        for logical_id, resource in resources.items():
            if resource.type == _TYPE and (statement := _read(logical_id, resource.properties)) is not None:
                self._statements.append(statement)

    def allows(self, function_arn: str, principal: str, source_arn: str) -> bool:
        """Whether a service may invoke a function on behalf of a resource, an API's method say."""
        function = last_segment(function_arn)
        return any(
            statement.function == function and statement.allows(principal, source_arn) for statement in self._statements
        )

    def knows(self, function_arn: str, principal: str) -> bool:
        """Whether a service may invoke a function on behalf of anything at all."""
        function = last_segment(function_arn)
        return any(
            statement.function == function and statement.principal == principal for statement in self._statements
        )


def _read(logical_id: str, properties: Mapping[str, Any]) -> _Statement | None:
    if unknown := sorted(set(properties) - _HEEDED):
        raise ConfigurationError(logical_id, f"{', '.join(unknown)} of {_TYPE} is not served here")
    if properties.get("Action") not in _ACTIONS:
        return None
    source = properties.get("SourceArn")
    account = properties.get("SourceAccount")
    return _Statement(
        function=last_segment(str(properties.get("FunctionName"))),
        principal=str(properties.get("Principal")),
        account=None if account is None else str(account),
        source=None if source is None else _arn_like(str(source)),
    )


def _arn_like(pattern: str) -> re.Pattern[str]:
    """IAM's ArnLike: * is any text, ? any letter."""
    return re.compile("".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern), re.S)
