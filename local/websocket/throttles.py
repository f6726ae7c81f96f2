"""The throttles of a WebSocket stage: its routes' own, the stage's default, the account's."""

from collections.abc import Mapping
from typing import Any

from delivery.quotas import Quotas
from delivery.token_bucket import TokenBucket


class RouteThrottles:
    """`DefaultRouteSettings` and `RouteSettings` of a stage. A route's own limits go before the default ones.

    The routes without limits of their own share one bucket, as a REST stage's methods do; the account's holds for all
    of them, and whoever is refused by the stage takes nothing from it.

    Args:
        stage: the properties of the `AWS::ApiGatewayV2::Stage`.
        quotas: what a setting that names only one of rate and burst has for the other.
        account: the bucket that all APIs of the account share.
    """

    def __init__(self, stage: Mapping[str, Any], quotas: Quotas, account: TokenBucket) -> None:
        self._account = account
        self._default = _bucket(stage.get("DefaultRouteSettings") or {}, quotas)
        routes = {key: _bucket(settings, quotas) for key, settings in (stage.get("RouteSettings") or {}).items()}
        self._own = {key: bucket for key, bucket in routes.items() if bucket is not None}

    def passes(self, route_key: str, now: float) -> bool:
        """Whether a message for a route may pass now."""
        bucket = self._own.get(route_key, self._default)
        return (bucket is None or bucket.take(now, 1)) and self._account.take(now, 1)

    def call_passes(self, now: float) -> bool:
        """Whether a call of `@connections` may pass: only the account's limit holds for it."""
        return self._account.take(now, 1)


def _bucket(settings: Mapping[str, Any], quotas: Quotas) -> TokenBucket | None:
    rate, burst = settings.get("ThrottlingRateLimit"), settings.get("ThrottlingBurstLimit")
    if rate is None and burst is None:
        return None
    return TokenBucket(
        quotas.api_requests_per_s if rate is None else float(rate),
        quotas.api_burst_requests if burst is None else float(burst),
    )
