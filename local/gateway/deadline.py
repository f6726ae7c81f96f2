"""A time limit for what mostly needs none."""

import asyncio
import types
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


async def within(seconds: float, answering: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns, if it does within so many seconds from where it first waits.

    A buffer answers without waiting for anything, and asyncio.timeout costs about as much as rendering a template. So
    the coroutine runs first, and the clock starts where it stops.

    Raises:
        TimeoutError: it does not.
    """
    try:
        awaited = answering.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    async with asyncio.timeout(seconds):
        return await _rest(answering, awaited)


@types.coroutine
def _rest(coroutine: Coroutine[Any, Any, T], awaited: Any) -> Generator[Any, Any, T]:
    """The coroutine from here on: `await` for one that has begun already, and waits for `awaited`."""
    try:
        while True:
            try:
                sent = yield awaited
            except BaseException as error:  # noqa: BLE001 (a cancellation too is the coroutine's to handle)
                awaited = coroutine.throw(error)
            else:
                awaited = coroutine.send(sent)
    except StopIteration as done:
        result: T = done.value
        return result
