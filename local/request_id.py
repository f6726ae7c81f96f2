"""Names of requests. They are unique but no secret: who has seen one may foresee the next."""

import itertools
import random
import uuid

# The system is asked for randomness once: asking it for every request takes longer than all the rest of making an id.
_RANDOM = random.Random()
_PREFIX = str(uuid.uuid4())[:-12]
_NUMBERS = itertools.count()


def new_uuid() -> str:
    """A UUID: random to this process, its last 12 digits a number."""
    return f"{_PREFIX}{next(_NUMBERS):012x}"


def random_bytes(count: int) -> bytes:
    """Bytes for an id of another form."""
    return _RANDOM.randbytes(count)
