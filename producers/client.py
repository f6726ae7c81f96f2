"""The interface of every client, whichever way its request goes in and its result comes back."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

    from pipeline.request import Measurement, StoredImage
    from producers.answer import Answer, Ticket


class Client(ABC):
    """Submits images and waits for what they are recognised as. May be used by several threads at once.

    Every method raises ApiError for what the API does not take, or no answer.
    """

    @abstractmethod
    def submit(self, image: "bytes | StoredImage", measurement: "Measurement | None" = None) -> "Ticket":
        """Send an image, or one that was uploaded before. Nothing is sent twice by itself."""

    @abstractmethod
    def wait(self, ticket: "Ticket", timeout_s: float = 60.0) -> "Answer":
        """Wait for the answer.

        Raises:
            NoResultError: it is not there after `timeout_s`.
        """

    def recognise(self, image: "bytes | StoredImage", timeout_s: float = 60.0) -> "Answer":
        """Submit and wait."""
        return self.wait(self.submit(image), timeout_s)

    def close(self) -> None:  # noqa: B027 (most clients hold nothing of their own)
        """Let go of what it holds."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        self.close()
