"""API keys: which of a template's open which stage."""

from collections.abc import Mapping
from typing import Any

import pytest

from local.authentication.api_keys import ApiKeys, template_keys
from local.authentication.refusal import NotAuthenticatedError, Reason
from local.gateway.configuration import ConfigurationError
from tests.gateway.upstream import Stub

VALUE = "a-value-of-24-characters"


def resources(
    key: Mapping[str, Any] | None = None, plan: Mapping[str, Any] | None = None, link: Mapping[str, Any] | None = None
) -> dict[str, Stub]:
    """A key in a plan for the stage `live` of `api1`."""
    stages = [{"ApiId": "api1", "Stage": "live"}]
    return {
        "Key": Stub("AWS::ApiGateway::ApiKey", {"Enabled": True, **(key or {})}, "key1"),
        "Plan": Stub("AWS::ApiGateway::UsagePlan", {"ApiStages": stages, **(plan or {})}, "plan1"),
        "Link": Stub(
            "AWS::ApiGateway::UsagePlanKey",
            {"KeyId": "key1", "KeyType": "API_KEY", "UsagePlanId": "plan1", **(link or {})},
            "link1",
        ),
    }


def test_a_key_of_a_plan_of_the_stage_opens_it() -> None:
    keys = ApiKeys(template_keys(resources(), "api1", "live", {"key1": VALUE}))

    assert keys.check(VALUE) == {"apiKey": VALUE, "apiKeyId": "key1"}


@pytest.mark.parametrize("shown", [None, "", "another", VALUE.upper(), VALUE[:-1], VALUE + " ", "\udcff"])
def test_no_other_value_does(shown: str | None) -> None:
    keys = ApiKeys(template_keys(resources(), "api1", "live", {"key1": VALUE}))

    with pytest.raises(NotAuthenticatedError) as refused:
        keys.check(shown)

    assert (refused.value.reason, refused.value.error_type) == (Reason.BAD_API_KEY, "ForbiddenException")
    assert refused.value.message == "Forbidden"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"key": {"Enabled": False}}, "it is not enabled"),
        ({"key": {"Enabled": None}}, "CloudFormation enables no key by itself"),
        ({"plan": {"ApiStages": [{"ApiId": "api1", "Stage": "test"}]}}, "its plan is for another stage"),
        ({"plan": {"ApiStages": [{"ApiId": "api2", "Stage": "live"}]}}, "its plan is for another API"),
        ({"plan": {"ApiStages": []}}, "its plan is for no stage"),
        ({"link": {"UsagePlanId": "plan2"}}, "it is in another plan"),
        ({"link": {"KeyId": "key2"}}, "another key is in the plan"),
    ],
)
def test_a_key_opens_nothing_where(changed: dict[str, Any], why: str) -> None:
    assert template_keys(resources(**changed), "api1", "live", {"key1": VALUE}) == {}, why


def test_a_value_of_the_template_goes_before_ours() -> None:
    own = resources(key={"Value": "a-value-of-the-template"})

    assert template_keys(own, "api1", "live", {"key1": VALUE}) == {"a-value-of-the-template": "key1"}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"plan": {"Throttle": {"RateLimit": 1}}}, "Plan: Throttle"),
        ({"plan": {"Quota": {"Limit": 1}}}, "Plan: Quota"),
        ({"key": {"GenerateDistinctId": True}}, "Key: GenerateDistinctId"),
        ({"key": {"Value": "too short"}}, "20 characters"),
    ],
)
def test_what_is_not_served_is_refused_by_name(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        template_keys(resources(**changed), "api1", "live", {"key1": VALUE})
