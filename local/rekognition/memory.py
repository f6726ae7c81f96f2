"""Recognition off the event loop, one image at a time, each picture once.

A load test sends a few photos over and over. The same bytes have the same answer, so it is remembered by their
digest: on two cores, the model would otherwise take the time of what is being measured.
"""

import asyncio
import hashlib
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from local.recogniser.image_file import UnreadableImageError
from local.recogniser.picture import ImageSideError

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.recogniser.model import Sighting

    Outcome = list[Sighting] | Callable[[], Exception]


class RecognitionMemory:
    """Remembers what the last `size` different images showed, and why unreadable ones were refused.

    What an image showed is a line for each of up to some hundred labels, 5 to 30 kB.

    A refusal is kept as what makes it anew: an error that was raised holds on to the image and all that was made of it.
    """

    def __init__(self, recognise: "Callable[[bytes], list[Sighting]]", size: int = 256) -> None:
        self._recognise = recognise
        self._size = size
        self._known: OrderedDict[bytes, asyncio.Future[Outcome]] = OrderedDict()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="recognise")

    async def recognise(self, image: bytes) -> "list[Sighting]":
        """As the recogniser, errors included; images that come while the first of them is at work wait for it."""
        digest = hashlib.sha256(image).digest()
        known = self._known.get(digest)
        if known is None:
            known = asyncio.get_running_loop().run_in_executor(self._worker, self._outcome, image)
            self._known[digest] = known
            if len(self._known) > self._size:
                self._known.popitem(last=False)
        self._known.move_to_end(digest)
        # Shielded: a client that goes away must not cancel the work others wait for.
        outcome = await asyncio.shield(known)
        if isinstance(outcome, list):
            return outcome
        raise outcome()

    def _outcome(self, image: bytes) -> "Outcome":
        try:
            return self._recognise(image)
        except UnreadableImageError as error:
            return partial(UnreadableImageError, str(error))
        except ImageSideError as error:
            return partial(ImageSideError, error.side)

    def close(self) -> None:
        """Stop the worker."""
        self._worker.shutdown(wait=False, cancel_futures=True)
