"""The warm-up of a way: some requests at once before its turn, so that no pattern pays for another's cold starts."""

from typing import TYPE_CHECKING, Final

from gevent.pool import Pool

from loadtest._target import TargetError
from pipeline.request import StoredImage
from producers.api_error import ApiError, NoResultError

if TYPE_CHECKING:
    from loadtest._image import LoadImage
    from producers.client import Client

# More than an environment takes to start on a busy machine, several times over.
_TIMEOUT_S: Final = 30.0


def warm_up(client: "Client", image: "LoadImage", requests: int, way: str) -> None:
    """Have an image recognised so many times at once, and wait for all the results. They carry no run.

    Raises:
        TargetError: a result did not come: nor would those of the turn.
    """
    data = image.data if image.key is None else StoredImage(bucket="", key=image.key)

    def recognise(_: int) -> Exception | None:
        try:
            client.recognise(data, _TIMEOUT_S)
        except (ApiError, NoResultError) as error:
            # An error is an answer too: raised in a pool, it would be logged.
            return error
        return None

    failures = [error for error in Pool(requests).imap_unordered(recognise, range(requests)) if error is not None]
    if failures:
        raise TargetError(f"{len(failures)} of {requests} requests to warm {way} up failed: {failures[0]}")
