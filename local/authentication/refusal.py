"""Why a caller is turned away. API Gateway answers each kind with a gateway response of its own."""

from enum import Enum, auto


class Reason(Enum):
    """What was wrong."""

    NOT_SIGNED = auto()
    BAD_SIGNATURE = auto()
    BAD_API_KEY = auto()


class NotAuthenticatedError(Exception):
    """A caller that is not let in, with AWS's words for it: the text, and the type in `x-amzn-ErrorType`."""

    def __init__(self, reason: Reason, error_type: str, message: str) -> None:
        super().__init__(f"{error_type}: {message}")
        self.reason = reason
        self.error_type = error_type
        self.message = message


def not_signed() -> NotAuthenticatedError:
    """There is no signature."""
    return NotAuthenticatedError(
        Reason.NOT_SIGNED, "MissingAuthenticationTokenException", "Missing Authentication Token"
    )


def incomplete(message: str) -> NotAuthenticatedError:
    """There is one, and it is not of the form of one."""
    return NotAuthenticatedError(Reason.BAD_SIGNATURE, "IncompleteSignatureException", message)


def invalid(message: str) -> NotAuthenticatedError:
    """It is not right, or not any more."""
    return NotAuthenticatedError(Reason.BAD_SIGNATURE, "InvalidSignatureException", message)


def unrecognised() -> NotAuthenticatedError:
    """It is by nobody that is known here."""
    return NotAuthenticatedError(
        Reason.BAD_SIGNATURE, "UnrecognizedClientException", "The security token included in the request is invalid."
    )


def bad_api_key() -> NotAuthenticatedError:
    """There is no API key, or one that is none for this API."""
    return NotAuthenticatedError(Reason.BAD_API_KEY, "ForbiddenException", "Forbidden")
