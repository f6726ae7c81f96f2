"""The stage: its name, its variables, and its throttling."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from delivery.quotas import Quotas
from delivery.token_bucket import TokenBucket
from local.gateway.configuration import ConfigurationError, StackResource

# What all APIs of an account and Region share, and so the most a stage can have.
ACCOUNT_RATE: Final = Quotas.api_requests_per_s
ACCOUNT_BURST: Final = float(Quotas.api_burst_requests)

_EVERY: Final = "*"
_VARIABLE: Final = re.compile(r"\$\{stageVariables\.(\w+)\}")

# Whether a request may pass now, in seconds.
Throttle = Callable[[float], bool]


class Stage:
    """One stage of an API. A method's own limits go before the stage's; the account's hold for all of them together."""

    def __init__(self, resource: StackResource, *, account: TokenBucket | None = None) -> None:
        properties = resource.properties
        self.name = str(properties["StageName"])
        self.deployment_id = str(properties.get("DeploymentId", ""))
        self.variables: Mapping[str, str] = dict(properties.get("Variables") or {})
        self._account = account or TokenBucket(ACCOUNT_RATE, ACCOUNT_BURST)
        self._limits = dict(_limits(properties.get("MethodSettings") or ()))
        self._bucket = _bucket(self._limits.get((_EVERY, _EVERY)))

    def filled(self, logical_id: str, uri: str) -> str:
        """An integration's Uri with the stage's variables in place of `${stageVariables.NAME}`.

        Raises:
            ConfigurationError: the stage has no such variable. AWS says so to the first client only.
        """

        def value(match: re.Match[str]) -> str:
            if match[1] not in self.variables:
                raise ConfigurationError(logical_id, f"its Uri asks for the variable {match[1]}, which no stage has")
            return self.variables[match[1]]

        return _VARIABLE.sub(value, uri)

    def throttle(self, verb: str, resource_path: str) -> Throttle:
        """The throttle of a method: a bucket of its own if it has limits, else the stage's."""
        for key in ((resource_path, verb), (resource_path, _EVERY)):
            if key in self._limits:
                own = _bucket(self._limits[key])
                return lambda now: self._passes(own, now)
        return self.passes

    def passes(self, now: float) -> bool:
        """The throttle of whatever has none of its own."""
        return self._passes(self._bucket, now)

    def _passes(self, bucket: TokenBucket | None, now: float) -> bool:
        return (bucket is None or bucket.take(now, 1)) and self._account.take(now, 1)


def _limits(settings: Iterable[Mapping[str, Any]]) -> Iterable[tuple[tuple[str, str], tuple[float, float]]]:
    for setting in settings:
        # A path is written /~1v1~1images; /* is every path.
        path = str(setting.get("ResourcePath", "/*")).replace("~1", "/")
        path = _EVERY if path == "/*" else "/" + path.lstrip("/")
        rate = float(setting.get("ThrottlingRateLimit", ACCOUNT_RATE))
        burst = float(setting.get("ThrottlingBurstLimit", ACCOUNT_BURST))
        yield (path, str(setting.get("HttpMethod", _EVERY))), (rate, burst)


def _bucket(limits: tuple[float, float] | None) -> TokenBucket | None:
    return None if limits is None else TokenBucket(*limits)
