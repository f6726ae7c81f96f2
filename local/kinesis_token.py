"""What Kinesis gives out to be given back: shard iterators and the tokens of its lists. They live five minutes."""

import base64
from typing import Final

# How long an iterator lives (API:GetShardIterator), and a list's token (API:ListShards, ListStreamConsumers). Seconds.
TOKEN_LIFE: Final = 300.0


def seal(now: float, name: str, *numbers: int) -> str:
    """A token that holds a stream's name and some numbers."""
    parts = (name, *numbers, int(now * 1000))
    return base64.b64encode(":".join(map(str, parts)).encode()).decode("ascii")


def unseal(token: str, numbers: int) -> tuple[str, list[int], float] | None:
    """The name, the numbers, and when it was sealed, in seconds; None if it is no such token."""
    try:
        name, *texts = base64.b64decode(token, validate=True).decode("ascii").split(":")
    except ValueError:
        return None
    if len(texts) != numbers + 1 or not all(text.isdigit() and len(text) < 19 for text in texts):
        return None
    *held, sealed_at = map(int, texts)
    return name, held, sealed_at / 1000
