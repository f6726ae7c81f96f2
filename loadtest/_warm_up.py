"""The warm-up of a way: some requests at once before its turn, so that no pattern pays for another's cold starts.

It is come to in steps of two. A function that is called synchronously starts an environment for each call that finds
none free, and many that start at once on one machine take each other's time.
"""

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
_STEP: Final = 2


def warm_up(client: "Client", image: "LoadImage", requests: int, way: str) -> None:
    """Have an image recognised two, four and at last so many times at once. The requests carry no run.

    Raises:
        TargetError: of the last a result did not come: nor would those of the turn.
    """
    data = image.data if image.key is None else StoredImage(bucket="", key=image.key)
    for at_once in (*range(_STEP, requests, _STEP), requests):
        failures = _recognised(client, data, at_once)
    if failures:
        raise TargetError(f"{len(failures)} of {requests} requests to warm {way} up failed: {failures[0]}")


def _recognised(client: "Client", image: bytes | StoredImage, at_once: int) -> list[Exception]:
    """What went wrong with so many at once."""

    def recognise(_: int) -> Exception | None:
        try:
            client.recognise(image, _TIMEOUT_S)
        except (ApiError, NoResultError) as error:
            # An error is an answer too: raised in a pool, it would be logged.
            return error
        return None

    return [error for error in Pool(at_once).imap_unordered(recognise, range(at_once)) if error is not None]
