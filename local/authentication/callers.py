"""What a method or a route asks of its callers, and who a caller is by what it shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.authentication.api_keys import HEADER, ApiKeys
from local.authentication.signature import Signatures
from local.gateway.configuration import ConfigurationError, truth
from local.wire import WireRequest


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked: a signature, an API key or both."""

    signed: bool
    keyed: bool


def demand_of(logical_id: str, properties: Mapping[str, Any]) -> Demand | None:
    """What a method or a route asks, None if nothing.

    Raises:
        ConfigurationError: it has an authorizer, which is not served here.
    """
    kind = properties.get("AuthorizationType", "NONE")
    if kind not in ("NONE", "AWS_IAM"):
        raise ConfigurationError(logical_id, f"AuthorizationType is {kind}; NONE and AWS_IAM are served here")
    demand = Demand(signed=kind == "AWS_IAM", keyed=truth(properties.get("ApiKeyRequired")))
    return demand if demand.signed or demand.keyed else None


@dataclass(frozen=True, slots=True)
class Callers:
    """Those who may call an API. All of them may call all of it: no policy of theirs is looked at."""

    signatures: Signatures
    api_keys: ApiKeys

    def identify(self, request: WireRequest, demand: Demand, now: float) -> dict[str, str]:
        """What is known of a caller, as `$context.identity` has it. `now` is in seconds since the epoch.

        Raises:
            NotAuthenticatedError: it does not show what is asked.
        """
        known = self.signatures.check(request, now).context() if demand.signed else {}
        if demand.keyed:
            known |= self.api_keys.check(request.headers.get(HEADER))
        return known
