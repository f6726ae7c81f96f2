"""Who may call the APIs of a stack: its own identity, which is exported, and those that its user asks for."""

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from local.authentication.api_keys import ApiKeys, template_keys
from local.authentication.callers import Callers
from local.authentication.identities import Identity, by_access_key
from local.authentication.signature import Signatures
from local.function import CREDENTIALS
from local.gateway.configuration import StackResource, of_type

if TYPE_CHECKING:
    from local.physical_names import PhysicalNames

# What a shell, a header and an ARN take as it is. 64: API:CreateUser.
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_API_KEY_VARIABLE: Final = "FOREBAY_API_KEY"


class Access:
    """The identities, with an API key each where the template has one: as an admin would add them to its usage plan.

    Raises:
        ValueError: a name is none, or there twice.
    """

    def __init__(self, resources: Mapping[str, StackResource], names: "PhysicalNames", further: Iterable[str]) -> None:
        self._resources = resources
        self._further = tuple(further)
        for name in self._further:
            if _NAME.fullmatch(name) is None:
                raise ValueError(f"{name!r} is no identity's name: 1 to 64 letters, digits, dots, hyphens, underscores")
        users = [Identity.user(name, names.account) for name in (CREDENTIALS.access_key_id, *self._further)]
        self._signatures = Signatures(by_access_key(users), names.region)
        self._key_ids = {name: names.short_id(f"identity/{name}") for name in self._further}
        self._values = {key.ref: _own_value(key) for _, key in of_type(resources, "ApiKey")}

    @property
    def own_variables(self) -> dict[str, str]:
        """What the exported identity shows, as environment variables."""
        variables = CREDENTIALS.variables()
        for value in self._values.values():
            variables[_API_KEY_VARIABLE] = value
        return variables

    @property
    def variables(self) -> dict[str, dict[str, str]]:
        """What each further identity shows in their place."""
        return {
            name: {
                "AWS_ACCESS_KEY_ID": name,
                "AWS_SECRET_ACCESS_KEY": name,
                **({_API_KEY_VARIABLE: _value(name)} if self._values else {}),
            }
            for name in self._further
        }

    def to_rest_api(self) -> Callers:
        """Who may call the one REST API, on its one stage; that there is one is for the gateway to say."""
        apis, stages = (dict(of_type(self._resources, kind)).values() for kind in ("RestApi", "Stage"))
        api_id = "".join(api.ref for api in apis)
        return self.to_stage(api_id, "".join(str(stage.properties.get("StageName")) for stage in stages))

    def to_stage(self, api_id: str, stage: str) -> Callers:
        """Who may call a stage of an API.

        Raises:
            ConfigurationError: a usage plan or a key asks for what is not served here.
        """
        ids = template_keys(self._resources, api_id, stage, self._values)
        if ids:
            ids |= {_value(name): key_id for name, key_id in self._key_ids.items()}
        return Callers(self._signatures, ApiKeys(ids))


def _own_value(key: StackResource) -> str:
    return str(key.properties.get("Value") or _value(f"{CREDENTIALS.access_key_id}-{key.ref}"))


def _value(name: str) -> str:
    # As long as API Gateway wants a key to be, and no more of a secret than an access key here.
    return f"{name}-is-a-key-of-this-machine"
