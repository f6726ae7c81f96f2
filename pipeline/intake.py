"""The intake: how a function takes a request, for those routes on which one stands between client and buffer."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.session import Session


@dataclass(frozen=True, slots=True)
class Taken:
    """A request that is on its way. `duplicate` says that it had been before, by the same idempotency key."""

    request_id: str
    duplicate: bool


class IntakeError(Exception):
    """A request that was not taken, as its client is to be told; `status` is HTTP's."""

    def __init__(
        self,
        status: int,
        message: str,
        remedy: str,
        *,
        retry_after_s: int | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.remedy = remedy
        self.retry_after_s = retry_after_s
        self.request_id = request_id


class Intake:
    """Takes requests."""

    @classmethod
    def from_environment(cls, environment: "Mapping[str, str]", session: "Session") -> "Intake":
        """Make one with clients of its own.

        Raises:
            pipeline.settings.SettingsError: a variable is missing or wrong.
        """
        raise NotImplementedError

    def take(
        self,
        body: "Mapping[str, Any]",
        *,
        buffer: str,
        remaining_ms: float,
        accepted_at: float | None = None,
        idempotency_key: str | None = None,
        connection_id: str | None = None,
    ) -> Taken:
        """Take a client's body (JSON that has been read; anything that JSON can hold) and publish it to a buffer.

        `remaining_ms` is what Lambda leaves the function from now; `accepted_at` the gateway's requestTimeEpoch, ms,
        or now. `buffer` is the client's word, too.

        Raises:
            IntakeError: it is not on its way; says what to tell the client.
        """
        raise NotImplementedError
