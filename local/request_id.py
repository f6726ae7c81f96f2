"""Names of requests: UUIDs that cost no system call."""

import random

# Seeded by the system, once: asking it each time takes as long as all the rest of making an id.
_RANDOM = random.Random()


def random_uuid() -> str:
    """A new UUID, version 4. No secret: who has seen some may foresee the next."""
    digits = f"{_RANDOM.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def random_bytes(count: int) -> bytes:
    """Bytes for an id of another form."""
    return _RANDOM.randbytes(count)
