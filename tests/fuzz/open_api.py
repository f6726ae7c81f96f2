"""infra.yaml's API with nobody asked who he is: what a request does is the same for whoever may make it."""

import dataclasses

from delivery.token_bucket import TokenBucket
from local.gateway.rest_api import RestApi
from local.template import ResolvedStack
from local.wire import WireRequest, WireResponse
from tests.gateway.conftest import ACCEPTED
from tests.gateway.upstream import Clock, Upstream, answered, fixed_id


class OpenApi:
    """The API, and `upstreams`, the services behind it, which take whatever they are sent."""

    def __init__(self, stack: ResolvedStack) -> None:
        self.upstreams = {name: Upstream(answered(200, body)) for name, body in ACCEPTED.items()}
        resources = {
            name: dataclasses.replace(
                resource, properties={**resource.properties, "AuthorizationType": "NONE", "ApiKeyRequired": False}
            )
            if resource.type == "AWS::ApiGateway::Method"
            else resource
            for name, resource in stack.resources.items()
        }
        self._clock = Clock()
        self._api = RestApi(resources, self.upstreams, self._clock, fixed_id, account=TokenBucket(1e9, 1e9))

    async def handle(self, request: WireRequest) -> WireResponse:
        """Answer, each request in a second of its own, so that no bucket runs dry."""
        self._clock.now += 1
        for upstream in self.upstreams.values():
            upstream.seen.clear()
        return await self._api.handle(request)
