from typing import Any

import pytest

from local.gateway.payload import Payload
from local.gateway.validation import BodyValidator, InvalidBodyError


def refuses(schema: dict[str, Any], body: bytes, content_type: str = "application/json") -> bool:
    try:
        BodyValidator({"application/json": schema}).check(content_type, Payload(body))
    except InvalidBodyError:
        return True
    return False


@pytest.mark.parametrize(
    ("schema", "body", "refused", "reason"),
    [
        ({"type": "object"}, b"{}", False, "an object"),
        ({"type": "object"}, b"[]", True, "no object"),
        ({"type": "object"}, b"", True, "no body at all"),
        ({"type": "integer"}, b"12345678901234567890123", False, "a whole number of any length"),
        ({"type": "integer"}, b"1.0", True, "draft 4: written with a fraction, it is none"),
        ({"type": "number"}, b"true", True, "a boolean is no number"),
        ({"type": "number", "minimum": 0, "exclusiveMinimum": True}, b"0", True, "draft 4's exclusiveMinimum"),
        ({"type": "string", "maxLength": 1}, '"\U0001f600"'.encode(), False, "lengths are in characters"),
        ({"type": "string", "pattern": "^a$"}, b'"a\\n"', True, "a line break is a character too"),
        ({"type": "string", "pattern": "b"}, b'"abc"', False, "a pattern may match anywhere"),
        ({"properties": {"a": {"default": 1}}, "maxProperties": 0}, b"{}", False, "defaults are not put in"),
        ({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, b'{"a": 1, "b": 2}', True, "both is not one"),
        ({"$ref": "#/definitions/a", "definitions": {"a": {"type": "null"}}}, b"null", False, "references in it"),
    ],
)
def test_a_body_is_checked_by_draft_4(schema: dict[str, Any], body: bytes, refused: bool, reason: str) -> None:
    assert refuses(schema, body) == refused, reason


def test_a_body_without_a_model_for_its_type_is_not_checked() -> None:
    assert not refuses({"type": "object"}, b"[]", "text/xml")
    assert refuses({"type": "object"}, b"[]", "application/json;charset=utf-8")
    with pytest.raises(InvalidBodyError):
        BodyValidator({"$default": {"type": "object"}}).check("text/xml", Payload(b"[]"))


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(InvalidBodyError, match=r"data\.a must be string"):
        BodyValidator({"application/json": {"properties": {"a": {"type": "string"}}}}).check("", Payload(b'{"a": 1}'))


@pytest.mark.parametrize("schema", [{"type": "thing"}, {"pattern": "("}, {"$ref": "#/gone"}])
def test_a_model_that_is_no_schema_is_refused_when_it_is_made(schema: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no JSON schema"):
        BodyValidator({"application/json": schema})
