import asyncio

import pytest

from local.gateway.deadline import within

FOREVER = 3600.0


async def test_what_does_not_wait_answers_though_there_is_no_time() -> None:
    async def answer() -> int:
        return 7

    assert await within(0, answer()) == 7


async def test_what_waits_answers_after_all_its_waits() -> None:
    async def answer() -> list[int]:
        first = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(first.set_result, 1)
        found = [await first]
        await asyncio.sleep(0)
        return [*found, await asyncio.create_task(asyncio.sleep(0, 2))]

    assert await within(FOREVER, answer()) == [1, 2]


async def test_what_waits_too_long_is_stopped() -> None:
    stopped = []

    async def answer() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(True)

    with pytest.raises(TimeoutError):
        await within(0, answer())
    assert stopped == [True]


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "after a wait"])
async def test_what_is_raised_comes_through(waits: bool) -> None:
    async def answer() -> None:
        if waits:
            await asyncio.sleep(0)
        raise ConnectionError("refused")

    with pytest.raises(ConnectionError, match="refused"):
        await within(FOREVER, answer())


async def test_an_error_of_what_is_waited_for_can_be_handled() -> None:
    async def answer() -> str:
        failed = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(failed.set_exception, OSError("down"))
        try:
            await failed
        except OSError as error:
            await asyncio.sleep(0)
            return str(error)
        return "up"

    assert await within(FOREVER, answer()) == "down"


async def test_a_cancellation_reaches_it() -> None:
    seen = []

    async def answer() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    task = asyncio.create_task(within(FOREVER, answer()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["cancelled"]
