"""How a function's clients of AWS retry: few times, so that they end well inside the function's time."""

from typing import Final

from botocore.config import Config

# Far above a write's p99 of 15 to 25 ms, far below a function's timeout.
TIMEOUT_S: Final = 3
ATTEMPTS: Final = 4
# botocore's own.
_CONNECTIONS: Final = 10


def few_retries(
    connections: int = _CONNECTIONS,
    *,
    attempts: int = ATTEMPTS,
    connect_timeout_s: float = TIMEOUT_S,
    read_timeout_s: float = TIMEOUT_S,
) -> Config:
    """A client's configuration: for so many threads at once; `attempts` counts the first one, too."""
    return Config(
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=connections,
        connect_timeout=connect_timeout_s,
        read_timeout=read_timeout_s,
    )
