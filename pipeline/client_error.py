"""What botocore's errors say: the name that the service gives an error, by which one is told from another."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError


def code_and_message(error: ClientError) -> tuple[str, str]:
    """The service's name for an error, `Unknown` if it gave none, and its text."""
    said = error.response.get("Error", {})
    return said.get("Code", "Unknown"), said.get("Message", "")


def code_of(error: "BotoCoreError | ClientError") -> str:
    """The service's name for an error; botocore's own where no service answered."""
    return code_and_message(error)[0] if isinstance(error, ClientError) else type(error).__name__


def is_condition_failed(error: ClientError) -> bool:
    """Whether a conditional write of DynamoDB's found that its condition does not hold."""
    return code_of(error) == "ConditionalCheckFailedException"
