"""Where a receiver to test with has the secret from that callbacks are signed with."""

import json
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from pipeline import aws_environment

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_secretsmanager import SecretsManagerClient


class NoSecretError(Exception):
    """A secret that cannot be had, or not yet; the text says why."""


class SecretSource(Protocol):
    """Where the secret is from."""

    def read(self) -> str:
        """The secret's text as it is now.

        Raises:
            NoSecretError: it cannot be had, or not yet.
        """


@dataclass(frozen=True, slots=True)
class GivenSecret:
    """A secret that is known."""

    text: str

    def read(self) -> str:
        """The secret."""
        return self.text


class StoredSecret:
    """A secret of Secrets Manager, by boto3's own settings: AWS_ENDPOINT_URL_SECRETS_MANAGER for the embedded AWS."""

    def __init__(self, arn: str) -> None:
        self._arn = arn

    def read(self) -> str:
        """Its current value."""
        return _value(boto3.client, self._arn)


class LocalSecret:
    """The secret of an embedded AWS that may not have started yet: of the file into which it says where it is.

    `forebay local --json > FILE` writes it. A file that is older than this object is another run's.
    """

    def __init__(self, path: Path, *, now: "Callable[[], float]" = time.time) -> None:
        self._path = path
        self._since = now()

    def read(self) -> str:
        """Its current value."""
        try:
            # File systems have a coarser clock than time.time().
            if self._path.stat().st_mtime < self._since - 1.0:
                raise NoSecretError(f"{self._path} is of an earlier run: start `forebay local` as it is said above")
            ready = json.loads(self._path.read_text(encoding="utf-8"))
            arn, environment = ready["outputs"]["CallbackSecretArn"], ready["environment"]
            session = aws_environment.session(environment)
            url = aws_environment.endpoints(environment)["secrets_manager"]
        except OSError:
            raise NoSecretError(f"{self._path} is not there yet: start `forebay local` as it is said above") from None
        except (ValueError, KeyError, TypeError):
            raise NoSecretError(f"{self._path} does not yet hold what `forebay local --json` prints") from None
        return _value(partial(session.client, endpoint_url=url), arn)


def _value(client: "Callable[[Literal['secretsmanager']], SecretsManagerClient]", arn: str) -> str:
    try:
        return client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
    except (BotoCoreError, ClientError, KeyError) as error:
        raise NoSecretError(f"the secret {arn} cannot be had: {error!r}") from None
