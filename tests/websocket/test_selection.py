import pytest

from local.gateway.configuration import ConfigurationError
from local.gateway.payload import decode_json
from local.websocket.selection import SelectionExpression


@pytest.mark.parametrize(
    ("expression", "body", "key", "why"),
    [
        ("$request.body.action", '{"action":"ask"}', "ask", "the usual one"),
        ("${request.body.action}", '{"action":"ask"}', "ask", "braces bound a name and change nothing"),
        ("$request.body.a.b", '{"a":{"b":"ask"}}', "ask", "a property of a property"),
        ("${request.body.version}-beta", '{"version":"v2"}', "v2-beta", "text beside it"),
        ("${request.body.a}/${request.body.b}", '{"a":"x","b":"y"}', "x/y", "several, each once"),
        ("\\$${request.body.a}", '{"a":"x"}', "$x", "a dollar sign that is meant as one"),
        ("${request.body.a}", '{"a":"${request.body.b}","b":"z"}', "${request.body.b}", "no second evaluation"),
        ("$request.body.action", '{"action":7}', "7", "a number as it is written"),
        ("$request.body.action", '{"action":1.50}', "1.50", "to its last digit"),
        ("$request.body.action", '{"action":true}', "true", "a truth as JSON writes it"),
        ("$request.body.action", '{"action":null}', None, "nothing is no key"),
        ("$request.body.action", '{"action":["ask"]}', None, "nor is a list"),
        ("$request.body.action", '{"action":{"a":1}}', None, "nor an object"),
        ("$request.body.action", '{"other":"ask"}', None, "the property is not there"),
        ("$request.body.a.b", '{"a":"ask"}', None, "a text has no properties"),
        ("$request.body.action", '"ask"', None, "nor has a message that is a text itself"),
        ("$request.body.action", '[{"action":"ask"}]', None, "or a list"),
        ("${request.body.a}-beta", "{}", None, "half an expression is none"),
    ],
)
def test_a_message_names_its_route(expression: str, body: str, key: str | None, why: str) -> None:
    assert SelectionExpression("Api", expression).key(decode_json(body)) == key, why


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("$request.header.x", "only the body is looked at"),
        ("$context.routeKey", "the context is none of a message"),
        ("ask", "looks at no part of a message"),
        ("\\$default", "nor does this"),
        ("$request.body.", "names nothing"),
        ("${request.body.a", "is not closed"),
    ],
)
def test_what_api_gateway_would_not_evaluate_is_refused_with_the_resources_name(expression: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match="Api: RouteSelectionExpression"):
        SelectionExpression("Api", expression)
