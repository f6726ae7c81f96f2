"""The types of integrations, and what each of them is made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from local.function_policy import FunctionPolicy
from local.gateway.configuration import ConfigurationError
from local.gateway.function_integration import FunctionIntegration
from local.gateway.integration import Integration, ServiceIntegration
from local.gateway.media_type import BinaryMediaTypes
from local.wire import WireService


@dataclass(frozen=True, slots=True)
class Behind:
    """What an API's integrations may need: the services by name, who may invoke which function, the binary types."""

    services: Mapping[str, WireService]
    policy: FunctionPolicy
    binary: BinaryMediaTypes


def is_proxy(integration: Mapping[str, Any]) -> bool:
    """Whether what answers an integration gives the method's whole response, so that nothing is mapped."""
    return str(integration.get("Type")) == "AWS_PROXY"


def make_integration(logical_id: str, integration: Mapping[str, Any], behind: Behind) -> Integration:
    """The integration of a method.

    Raises:
        ConfigurationError: it is of a type that is not served here, or wrong in itself.
    """
    kind = str(integration.get("Type"))
    if kind not in _MAKERS:
        raise ConfigurationError(logical_id, f"integrations of type {kind} are not served here, only {list(_MAKERS)}")
    return _MAKERS[kind](logical_id, integration, behind)


def _service(logical_id: str, integration: Mapping[str, Any], behind: Behind) -> Integration:
    return ServiceIntegration(logical_id, integration, behind.services)


def _function(logical_id: str, integration: Mapping[str, Any], behind: Behind) -> Integration:
    return FunctionIntegration(logical_id, integration, behind.services, behind.policy, behind.binary)


_MAKERS: Final[Mapping[str, Callable[[str, Mapping[str, Any], Behind], Integration]]] = {
    "AWS": _service,
    "AWS_PROXY": _function,
}
