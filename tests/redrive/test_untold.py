"""A request that was given up with its result stored, because its callback could not be sent for: it goes back, too.

The worker stores a result and then sends for its callback. If the callbacks' queue takes nothing for as long as the
record is tried, the record is given up, and its client would never be called.
"""

import json
from typing import Any

import pytest

from producers.redrive.choice import Choice
from producers.redrive.listing import list_place
from tests.redrive.conftest import NOW, World, batch_failure, event_failure, record


def asking(request_id: str) -> str:
    """A record that asks for a callback."""
    body: dict[str, Any] = json.loads(record(request_id))
    body["request"]["callback_url"] = "https://client.example/done"
    return json.dumps(body)


def lay(world: World, name: str, *records: str) -> None:
    if name == "kinesis":
        bucket = world.stack.kinesis_failure_bucket
        world.lay_objects(bucket, [batch_failure(*((f"key-{at}", each.encode()) for at, each in enumerate(records)))])
    elif name == "sns":
        world.lay_messages(world.stack.sns_failure_queue_url, [event_failure(each) for each in records])
    else:
        world.lay_messages(world.stack.sqs_dead_letter_queue_url, list(records))


@pytest.mark.parametrize("name", ["sqs", "sns", "kinesis"])
def test_who_was_promised_a_callback_of_which_nothing_is_known_goes_back_though_its_result_is_stored(
    world: World, name: Any
) -> None:
    lay(world, name, asking("uncalled"), asking("called"), record("asked for none"), asking("without result"))
    world.answer("uncalled", "called", "asked for none")
    # Whatever became of it since: its message is in the callbacks' queue, or it has a dead letter of its own.
    world.put_item(world.stack.callbacks_table, "called", attempts={"N": "1"})
    listing = list_place(world.place(name), Choice(NOW))
    assert {each.request_id for each in listing.requests if each.done} == {"called", "asked for none"}
    world.ahead += 120

    replayed = world.replay(name)

    assert (replayed.sent, replayed.done) == (2, 2)
    assert replayed.whole
    back = {
        "sqs": lambda: world.messages(world.stack.queue_url),
        "sns": world.published,
        "kinesis": lambda: [each["Data"] for each in world.records(world.stack.stream_name)],
    }[name]()
    assert {json.loads(each)["request_id"] for each in back} == {"uncalled", "without result"}
