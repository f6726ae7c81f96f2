"""Reading the properties of `AWS::ApiGateway::*` resources."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol


class ConfigurationError(ValueError):
    """A resource that API Gateway would refuse at deployment, or that this gateway does not serve."""

    def __init__(self, logical_id: str, reason: str) -> None:
        super().__init__(f"{logical_id}: {reason}")


class StackResource(Protocol):
    """A resource of a template, its properties resolved. `ref` is what Ref gives, `attributes` what GetAtt does."""

    @property
    def type(self) -> str:
        """`AWS::ApiGateway::Method` and so on."""

    @property
    def properties(self) -> Mapping[str, Any]:
        """The properties, no intrinsic function left in them."""

    @property
    def ref(self) -> str:
        """The physical id."""

    @property
    def attributes(self) -> Mapping[str, Any]:
        """By name, `RootResourceId` of a RestApi among them."""


def of_type(resources: Mapping[str, StackResource], kind: str) -> Iterator[tuple[str, StackResource]]:
    """The resources of `AWS::ApiGateway::{kind}`, with their logical ids."""
    wanted = f"AWS::ApiGateway::{kind}"
    return ((logical_id, resource) for logical_id, resource in resources.items() if resource.type == wanted)


def truth(value: object) -> bool:
    """A CloudFormation boolean, which may be written as a text."""
    return value is True or (isinstance(value, str) and value.lower() == "true")
