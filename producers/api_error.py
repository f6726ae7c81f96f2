"""What can become of a request instead of a result: the API did not take it, or there is none to be had."""

from http import HTTPStatus


class ApiError(Exception):
    """A request that the API did not take. `status` is the HTTP status, 0 if there was no answer.

    `request_id` is the request's id if the API gave it one all the same: a synchronous request that ran out of time
    may have a result, which can be asked for. `retry_after_s` is how long the API asks to wait.
    """

    def __init__(
        self, status: int, message: str, *, request_id: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.request_id = request_id
        self.retry_after_s = retry_after_s

    @property
    def retryable(self) -> bool:
        """Whether the same request may be taken later."""
        return self.status in {0, HTTPStatus.TOO_MANY_REQUESTS} or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR


class NoResultError(Exception):
    """A request that had no result yet when the waiting ended, or of which nobody knows."""
