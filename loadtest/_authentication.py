"""What a run's requests show of themselves, as it can be told to a worker: how, but no secret that is one."""

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from loadtest._target import TargetError
from producers.authentication import (
    API_KEY_VARIABLE,
    NONE,
    Authentication,
    AuthenticationError,
    StaticCredentials,
    region_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

# Of a target that does not say what it wants, where nobody said it for it.
AT_HAND: Final = "AT_HAND"


@dataclass(frozen=True, slots=True)
class Showing:
    """How to authenticate. Each process looks for credentials and key of its own, as AWS's chain and the environment
    have them; but the embedded AWS's, which are no secrets, come along in `access_key` and `api_key`.
    """

    mode: str = NONE
    access_key: tuple[str, str] | None = None
    region: str | None = None
    api_key: str | None = None
    api_key_id: str | None = None

    @classmethod
    def of_embedded(cls, outputs: "Mapping[str, str]", environment: "Mapping[str, str]") -> "Showing":
        """What the embedded AWS wants, by its ready line."""
        return cls(
            outputs.get("Authentication", NONE),
            (environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]),
            environment["AWS_DEFAULT_REGION"],
            environment.get(API_KEY_VARIABLE),
        )

    @classmethod
    def from_message(cls, message: "Mapping[str, Any]") -> "Showing":
        """What `asdict` made of it, after a way on which tuples become lists."""
        pair = message["access_key"]
        return cls(**{**message, "access_key": None if pair is None else tuple(pair)})

    def to(self, api_url: str) -> Authentication:
        """What a client of this process shows to that API.

        Raises:
            TargetError: there is nothing to show.
        """
        try:
            return _shown(self, api_url)
        except AuthenticationError as error:
            raise TargetError(str(error)) from None


NOTHING: Final = Showing()


@lru_cache(maxsize=8)
def _shown(showing: Showing, api_url: str) -> Authentication:
    api_key = showing.api_key or os.environ.get(API_KEY_VARIABLE)
    if showing.mode == AT_HAND:
        return Authentication.at_hand(api_url, api_key)
    if not api_key and showing.api_key_id is not None:
        api_key = _asked_for(showing.api_key_id, showing.region or region_of(api_url))
    credentials = None if showing.access_key is None else StaticCredentials(*showing.access_key)
    return Authentication.by(showing.mode, api_url, credentials=credentials, region=showing.region, api_key=api_key)


def _asked_for(api_key_id: str, region: str | None) -> str:
    """The value of a stack's key, from API Gateway.

    Raises:
        AuthenticationError: it is not told.
    """
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        told = boto3.client("apigateway", region_name=region).get_api_key(apiKey=api_key_id, includeValue=True)
    except (BotoCoreError, ClientError) as error:
        raise AuthenticationError(
            f"the value of the stack's API key {api_key_id} cannot be read: {error}; set {API_KEY_VARIABLE} to it"
        ) from None
    return str(told["value"])
