"""A failure record is put until it is in its bucket, whatever happens to the server behind it meanwhile."""

import asyncio

import pytest

from local.failure_destination import FailureBucket
from local.wire import WireRequest, WireResponse


class Server:
    """Gone at first, then without its buckets, then as it should be."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self._answers: list[int | Exception] = [ConnectionError("gone"), ConnectionError("gone"), 404, 200]

    async def handle(self, request: WireRequest) -> WireResponse:
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if answer == 200:
            self.kept.append(request.path)
        return WireResponse(answer)


async def test_a_failure_record_outlasts_a_server_that_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    server = Server()
    await FailureBucket("failures", server).deliver({"requestContext": {}}, "aws/lambda/m/shard", 1_732_400_000.0)
    (path,) = server.kept
    assert path.startswith("/failures/aws/lambda/m/shard/2024/11/23/")
    assert waits == [0.1, 0.2, 0.4]
