"""An error an AWS service answers with, whatever protocol carries it."""

from collections.abc import Sequence


class ServiceError(Exception):
    """One error. `code` is the shape's name (JSON); `query_code` the older name XML answers use, if it is another."""

    def __init__(self, code: str, message: str, *, status: int = 400, query_code: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.query_code = query_code or code

    @property
    def sender_fault(self) -> bool:
        """Whether the caller is to blame."""
        return self.status < 500


class UnreadableError(Exception):
    """A request that does not fit the model; each service names it in its own way."""


class MalformedError(UnreadableError):
    """A value of the wrong type: it could not be read at all."""


class MissingError(UnreadableError):
    """A required member is not there. `path` is where, as `entries.1.member.id`; `name` its own name."""

    def __init__(self, path: str, name: str) -> None:
        super().__init__(f"Value null at '{path}' failed to satisfy constraint: Member must not be null")
        self.path = path
        self.name = name


class ConstraintError(UnreadableError):
    """Values that break the model's constraints, each told as AWS tells it."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def validation_message(error: UnreadableError) -> str:
    """The text the services share for what breaks their model."""
    count = len(error.problems) if isinstance(error, ConstraintError) else 1
    return f"{count} validation error{'s' if count > 1 else ''} detected: {error}"
