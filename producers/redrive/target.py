"""The target: whose dead letters. A stack on AWS by its name, or an embedded AWS by the line that it was ready with."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlsplit

from pipeline import aws_environment
from pipeline.stack import Stack, StackError, describe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from boto3.session import Session

# A throttled read of a shard that its function reads too is worth waiting for; a wrong address is not.
_ATTEMPTS: Final = 6
_CONNECT_TIMEOUT_S: Final = 5
# A long poll, and an object of some MB.
_READ_TIMEOUT_S: Final = 30
_CONNECTIONS: Final = 16


@dataclass(frozen=True, slots=True)
class Target:
    """A stack, and how to reach it. `endpoints` are addresses by service; without one it is AWS's own."""

    stack: Stack
    session: "Session"
    endpoints: "Mapping[str, str]"

    @classmethod
    def of_stack(cls, name: str, *, region: str | None, profile: str | None) -> Self:
        """A CloudFormation stack, by the user's own AWS settings.

        Raises:
            StackError: it cannot be found; says what to do.
        """
        # A tenth of a second that --help need not wait for.
        import boto3
        from botocore.exceptions import BotoCoreError, ProfileNotFound

        try:
            session = boto3.Session(region_name=region, profile_name=profile)
        except ProfileNotFound as error:
            raise StackError(f"{error}: `aws configure list-profiles` shows those there are") from None
        if session.region_name is None:
            raise StackError("no AWS Region is set: give --region, or set AWS_DEFAULT_REGION")
        try:
            client = session.client("cloudformation")
        except BotoCoreError as error:
            raise StackError(f"CloudFormation cannot be asked: {error}") from None
        return cls(describe(client, name), session, {})

    @classmethod
    def of_ready_line(cls, text: str) -> Self:
        """An embedded AWS, by the line of JSON that `forebay local --json` prints once it is ready.

        Raises:
            StackError: the text is no such line, or of another template.
        """
        try:
            ready = json.loads(text)
            outputs, environment = ready["outputs"], ready["environment"]
            told = all(isinstance(value, str) for part in (outputs, environment) for value in part.values()) and all(
                urlsplit(url).hostname for url in aws_environment.endpoints(environment).values()
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            told = False
        if not told:
            raise StackError(
                "this is not the line that a ready embedded AWS prints: start it with "
                "`forebay local --json > ready.json`, and name that file"
            )
        stack = Stack.from_outputs(outputs)
        return cls(stack, aws_environment.session(environment), aws_environment.endpoints(environment))

    def client(self, service: str) -> Any:
        """A client of boto3."""
        from pipeline.client_config import few_retries

        config = few_retries(
            _CONNECTIONS,
            attempts=_ATTEMPTS,
            connect_timeout_s=_CONNECT_TIMEOUT_S,
            read_timeout_s=_READ_TIMEOUT_S,
        )
        return self.session.client(service, endpoint_url=self.endpoints.get(service), config=config)  # type: ignore[call-overload]
