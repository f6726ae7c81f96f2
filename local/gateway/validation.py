"""Request validators: required parameters, and the body against a model (JSON Schema draft 4)."""

from collections.abc import Mapping
from typing import Any, Final

import jsonschema

from local.gateway.media_type import essence
from local.gateway.payload import NotJsonError, Payload

_DEFAULT_MODEL: Final = "$default"


class InvalidParametersError(ValueError):
    """Required parameters that were not sent; the text is AWS's."""


class InvalidBodyError(ValueError):
    """A body that is no JSON, or not as its model says. The text says what is wrong, `message` what AWS answers."""

    message = "Invalid request body"


class ParameterValidator:
    """Checks that required parameters were sent. `required` is of (place, name); place is path, querystring, header."""

    def __init__(self, required: list[tuple[str, str]]) -> None:
        self._required = required

    def check(self, path: Mapping[str, str], query: Mapping[str, str], headers: Mapping[str, str]) -> None:
        """Pass, or raise.

        Raises:
            InvalidParametersError: one is missing or blank.
        """
        places = {"path": path, "querystring": query, "header": headers}
        missing = [
            name
            for place, name in self._required
            if not places[place].get(name.lower() if place == "header" else name, "")
        ]
        if missing:
            raise InvalidParametersError(f"Missing required request parameters: [{', '.join(missing)}]")


class BodyValidator:
    """Checks bodies against the models of a method, by media type. A type without a model is not checked."""

    def __init__(self, schemas: Mapping[str, Any]) -> None:
        self._validators = {}
        for media_type, schema in schemas.items():
            jsonschema.Draft4Validator.check_schema(schema)
            self._validators[media_type.lower()] = jsonschema.Draft4Validator(schema)

    def check(self, content_type: str, payload: Payload) -> None:
        """Pass, or raise.

        Raises:
            InvalidBodyError: the body is not JSON, or not as its model says.
        """
        validator = self._validators.get(essence(content_type)) or self._validators.get(_DEFAULT_MODEL)
        if validator is None:
            return
        try:
            value = payload.json
        except NotJsonError as error:
            raise InvalidBodyError(str(error)) from None
        try:
            fault = next(validator.iter_errors(value), None)
        except RecursionError:
            raise InvalidBodyError("nested too deep") from None
        if fault is not None:
            raise InvalidBodyError(f"{fault.json_path}: {fault.message}")
