"""API keys and the usage plans that let them into an API's stage.

AWS: a key is an identifier of a client, not its authentication. It does not expire and goes over the wire as it is.
"""

import hashlib
from collections.abc import Mapping
from typing import Final

from local.authentication.refusal import bad_api_key
from local.gateway.configuration import ConfigurationError, StackResource, of_type, truth

HEADER: Final = "x-api-key"
# API:CreateApiKey: the shortest value.
SHORTEST: Final = 20

_HEEDED: Final = {
    "ApiKey": frozenset({"Enabled", "Value", "Name", "Description", "Tags", "CustomerId", "StageKeys"}),
    "UsagePlan": frozenset({"ApiStages", "UsagePlanName", "Description", "Tags"}),
    "UsagePlanKey": frozenset({"KeyId", "KeyType", "UsagePlanId"}),
}


class ApiKeys:
    """The values that let a caller into one stage of one API, and the ids of their keys."""

    def __init__(self, ids: Mapping[str, str]) -> None:
        # Found by their hash: how long a look takes then says nothing of how much of a value was guessed right.
        self._ids = {_digest(value): key_id for value, key_id in ids.items()}

    def check(self, value: str | None) -> dict[str, str]:
        """What of `$context.identity` a key fills.

        Raises:
            NotAuthenticatedError: there is none, or it is none for this stage.
        """
        key_id = None if not value else self._ids.get(_digest(value))
        if value is None or key_id is None:
            raise bad_api_key()
        return {"apiKey": value, "apiKeyId": key_id}


def template_keys(
    resources: Mapping[str, StackResource], api_id: str, stage: str, values: Mapping[str, str]
) -> dict[str, str]:
    """The ids of a template's keys that are good for a stage, by the keys' values.

    Raises:
        ConfigurationError: a plan or a key asks for what is not served here.
    """
    for kind, heeded in _HEEDED.items():
        for logical_id, resource in of_type(resources, kind):
            if unknown := sorted(set(resource.properties) - heeded):
                raise ConfigurationError(
                    logical_id, f"{', '.join(unknown)} of AWS::ApiGateway::{kind} is not served here"
                )
    plans = {
        plan.ref
        for _, plan in of_type(resources, "UsagePlan")
        for each in plan.properties.get("ApiStages") or ()
        if (each.get("ApiId"), each.get("Stage")) == (api_id, stage)
    }
    in_plans = {
        str(link.properties.get("KeyId"))
        for _, link in of_type(resources, "UsagePlanKey")
        if link.properties.get("UsagePlanId") in plans
    }
    found: dict[str, str] = {}
    for logical_id, key in of_type(resources, "ApiKey"):
        value = str(key.properties.get("Value") or values.get(key.ref, ""))
        if len(value) < SHORTEST:
            raise ConfigurationError(logical_id, f"a key's value has {SHORTEST} characters or more")
        # A key that is not enabled is one that nobody can use: CloudFormation's default.
        if truth(key.properties.get("Enabled")) and key.ref in in_plans:
            found[value] = key.ref
    return found


def _digest(value: str) -> bytes:
    return hashlib.sha256(value.encode("utf-8", "surrogateescape")).digest()
