"""The Lambda handlers: thin, and with pipeline/ all that the deployed zip carries of ours."""

import gc

# What a function imports at init, botocore and its models above all, stays for good. Looking for garbage among it is a
# third of a cold start's CPU (0.53 s against 0.33 s on one core, Python 3.11), so the collector rests until init
# has ended.
COLLECTOR_THRESHOLD = gc.get_threshold()
gc.set_threshold(1_000_000)


def end_init() -> None:
    """Let the collector work again. Nothing of init becomes garbage: what is frozen is never looked at again."""
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLD)
