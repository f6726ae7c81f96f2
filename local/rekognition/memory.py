"""Recognition off the event loop, one image at a time, each picture once.

A load test sends a few photos over and over. The same bytes have the same answer, so it is remembered by their
digest: on two cores, the model would otherwise take the time of what is being measured.
"""

import asyncio
import hashlib
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.recogniser.model import Sighting


class RecognitionMemory:
    """Remembers what the last `size` different images showed, and why unreadable ones were refused."""

    def __init__(self, recognise: "Callable[[bytes], list[Sighting]]", size: int = 4096) -> None:
        self._recognise = recognise
        self._size = size
        self._known: OrderedDict[bytes, asyncio.Future[list[Sighting]]] = OrderedDict()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="recognise")

    async def recognise(self, image: bytes) -> "list[Sighting]":
        """As the recogniser, errors included; images that come while the first of them is at work wait for it."""
        digest = hashlib.sha256(image).digest()
        known = self._known.get(digest)
        if known is None:
            known = asyncio.get_running_loop().run_in_executor(self._worker, self._recognise, image)
            self._known[digest] = known
            if len(self._known) > self._size:
                self._known.popitem(last=False)
        self._known.move_to_end(digest)
        # Shielded: a client that goes away must not cancel the work others wait for.
        return await asyncio.shield(known)

    def close(self) -> None:
        """Stop the worker."""
        self._worker.shutdown(wait=False, cancel_futures=True)
