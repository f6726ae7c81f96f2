"""An environment in boto3's own variables, as the embedded AWS tells it once it is ready: who asks, and where."""

import os
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from boto3.session import Session

# botocore's (name in a file, variables, value, conversion): a profile that is gone would be an error, also here.
_NOTHING_OF_THE_USERS: Final = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
_ENDPOINT: Final = "AWS_ENDPOINT_URL_"


def endpoints(environment: "Mapping[str, str]") -> "dict[str, str]":
    """Where each service answers, by the name in AWS_ENDPOINT_URL_<SERVICE>, in small letters."""
    return {
        name.removeprefix(_ENDPOINT).lower(): url for name, url in environment.items() if name.startswith(_ENDPOINT)
    }


def session(environment: "Mapping[str, str]") -> "Session":
    """A session of the environment's credentials and Region, whatever those of this process and its user are.

    What it names is on this machine, and is asked of no proxy.
    """
    # Large: neither --help nor a load that has to leave on time waits for it.
    import boto3
    import botocore.session
    from botocore.config import Config

    core = botocore.session.Session(session_vars=_NOTHING_OF_THE_USERS)
    core.set_default_client_config(Config(proxies={}))
    return boto3.Session(
        botocore_session=core,
        aws_access_key_id=environment.get("AWS_ACCESS_KEY_ID"),
        aws_secret_access_key=environment.get("AWS_SECRET_ACCESS_KEY"),
        aws_session_token=environment.get("AWS_SESSION_TOKEN"),
        region_name=environment.get("AWS_DEFAULT_REGION"),
    )


def client(environment: "Mapping[str, str]", service: str) -> Any:
    """A client of a service that boto3 and the variables call alike, as they do all but Secrets Manager.

    Raises:
        KeyError: the environment does not say where that service answers.
    """
    return session(environment).client(service, endpoint_url=endpoints(environment)[service])  # type: ignore[call-overload]
