"""A function's code is replaced while it works: no invocation is cut off, and none begins in an old environment."""

import asyncio
import json
from pathlib import Path

from local.execution_environment import Ending
from tests.faults.conftest import MakeFaulty
from tests.local.world import runs, until


def event(tmp_path: Path, seconds: float) -> bytes:
    return json.dumps({"trace": str(tmp_path / "trace"), "seconds": seconds}).encode()


def pids(tmp_path: Path, word: str) -> list[int]:
    path = tmp_path / "trace"
    lines = path.read_text().splitlines() if path.exists() else []
    return [int(line.split()[1]) for line in lines if line.startswith(word)]


async def test_what_runs_ends_in_its_environment_and_all_else_starts_in_a_new_one(
    make_faulty: MakeFaulty, tmp_path: Path
) -> None:
    function = make_faulty("worker.slow")

    async def invoke(seconds: float, meanwhile: bool = False) -> int:
        (slot,) = function.environments.acquire_upto(0.0, 1)
        running = asyncio.ensure_future(function.invoke(slot, event(tmp_path, seconds), "request"))
        if meanwhile:
            begun = len(pids(tmp_path, "begun"))
            await until(lambda: len(pids(tmp_path, "begun")) > begun)
            function.deploy()
        answer = await running
        function.environments.release(0.0, slot, lost=answer.lost)
        assert answer.ending is Ending.RETURNED
        return pids(tmp_path, "done")[-1]

    first = await invoke(0)
    assert await invoke(0) == first, "a warm environment is used again"
    assert await invoke(0.3, meanwhile=True) == first, "what runs is not cut off"
    second = await invoke(0)
    assert second != first
    await until(lambda: not runs(first))
    function.deploy()
    await until(lambda: not runs(second))
    assert function.environments.idle == 0
    assert await invoke(0) not in (first, second)
    assert len(function.processes) == 1
