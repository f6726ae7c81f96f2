"""A function uses the receipt handles of its event, as one does that backs off by itself."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from local.http import listen, serve
from local.request_id import new_uuid
from local.sqs import Sqs
from tests.local.world import World, world


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    """A stack whose function reaches SQS. A message comes back by itself only after 12 hours."""
    socket = listen()
    url = f"http://127.0.0.1:{socket.getsockname()[1]}"

    def knows_its_queue(text: str) -> str:
        return text.replace("Variables: {DONE", f"Variables: {{QUEUE_URL: {url}/000000000000/forebay-Queue, DONE")

    endpoints = {"AWS_ENDPOINT_URL_SQS": url}
    settings = {"edit": knows_its_queue, "endpoints": endpoints, "VisibilityTimeout": "43200"}
    async with world(tmp_path, "sample.gives_back", **settings) as stack:  # type: ignore[arg-type]
        server = await serve(Sqs(stack.stack.queues.values(), stack.clock, new_uuid), socket=socket)
        yield stack
        await server.close()


async def test_a_message_is_back_when_the_function_says_and_those_received_with_it_are_done(here: World) -> None:
    here.send("good", "late", "good", "deleted")
    state = await here.until_empty("sqs")
    assert sorted(here.done()) == ["deleted:1", "good:1", "good:1", "late:1", "late:2"]
    assert (state["completed"], state["dead_lettered"], state["in_flight"]) == (4, 0, 0)


async def test_a_message_given_back_too_often_ends_in_the_dead_letter_queue(here: World) -> None:
    here.send("good", "poison")
    state = await here.until_empty("sqs")
    (moved,) = await here.queue("DeadLetters").receive(10)
    assert moved.message.sending.body == "poison"
    assert sorted(here.done()) == ["good:1", "poison:1", "poison:2"], "the mapping's redrive allows two receives"
    assert (state["completed"], state["dead_lettered"]) == (1, 1)
