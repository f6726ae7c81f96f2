"""Who may invoke a function."""

from typing import Any

import pytest

from local.function_policy import API_GATEWAY, FunctionPolicy
from local.gateway.configuration import ConfigurationError
from tests.gateway.upstream import Stub

FUNCTION = "arn:aws:lambda:eu-west-1:000000000000:function:forebay-Sync"
METHOD = "arn:aws:execute-api:eu-west-1:000000000000:api1/live/POST/v1/sync/images"


def policy(**properties: Any) -> FunctionPolicy:
    given = {"Action": "lambda:InvokeFunction", "FunctionName": FUNCTION, "Principal": API_GATEWAY, **properties}
    return FunctionPolicy({"Permission": Stub("AWS::Lambda::Permission", given, "permission")})


@pytest.mark.parametrize(
    ("properties", "allowed", "why"),
    [
        ({}, True, "no condition: whoever it is"),
        ({"FunctionName": "forebay-Sync"}, True, "a function goes by its name, too"),
        ({"FunctionName": "another"}, False, "it is about another function"),
        ({"Principal": "sns.amazonaws.com"}, False, "it is about another service"),
        ({"Action": "lambda:GetFunction"}, False, "it allows something else"),
        ({"SourceArn": METHOD}, True, "the very method"),
        ({"SourceArn": "arn:aws:execute-api:eu-west-1:000000000000:api1/*"}, True, "all of the API"),
        ({"SourceArn": "arn:aws:execute-api:eu-west-1:000000000000:api1/*/POST/v1/sync/images"}, True, "any stage"),
        ({"SourceArn": "arn:aws:execute-api:eu-west-1:000000000000:api1/*/GET/v1/sync/images"}, False, "another verb"),
        ({"SourceArn": "arn:aws:execute-api:eu-west-1:000000000000:api?/*"}, True, "? is one letter"),
        ({"SourceArn": "arn:aws:execute-api:eu-west-1:000000000000:api2/*"}, False, "another API"),
        ({"SourceArn": "arn:aws:execute-api:eu-west-1:000000000000:api1"}, False, "an ARN is looked at whole"),
        ({"SourceArn": "arn:aws:execute-api:eu-west-1:000000000000:api1/live/POST/v1.sync.images"}, False, "no regex"),
        ({"SourceAccount": "000000000000"}, True, "this account"),
        ({"SourceAccount": "111111111111"}, False, "another account"),
    ],
)
def test_a_permission_allows_what_it_says(properties: dict[str, Any], allowed: bool, why: str) -> None:
    assert policy(**properties).allows(FUNCTION, API_GATEWAY, METHOD) is allowed, why


def test_without_a_permission_nobody_is_allowed() -> None:
    none = FunctionPolicy({})
    assert not none.allows(FUNCTION, API_GATEWAY, METHOD)
    assert not none.knows(FUNCTION, API_GATEWAY)


def test_a_function_is_known_to_be_called_wherever_the_call_may_come_from() -> None:
    other_api = policy(SourceArn="arn:aws:execute-api:eu-west-1:000000000000:api2/*")
    assert other_api.knows(FUNCTION, API_GATEWAY)
    assert not other_api.allows(FUNCTION, API_GATEWAY, METHOD)


def test_a_condition_that_is_not_looked_at_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="EventSourceToken"):
        policy(EventSourceToken="secret")
