"""What a client is refused, line by line."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from consumers.conversation import MOST_ATTACHES
from pipeline.ownership import Ownership
from pipeline.watchers import hash_of
from tests.websocket_functions.world import World, api_error


@dataclass(frozen=True)
class Refusal:
    """A message, why it is refused, and how. `given` prepares the world."""

    why: str
    route: str
    text: str
    status: int
    message: str
    given: Callable[[World], Any] = lambda world: None
    binary: bool = False


def attach(**fields: Any) -> str:
    whole = {"action": "attach", "request_id": "id1", "secret": "secret"} | fields
    return json.dumps({name: value for name, value in whole.items() if value is not ...})


def recognise(**fields: Any) -> str:
    whole = {"action": "recognise", "buffer": "sqs", "request": {"image": {"key": "cat.jpg"}}} | fields
    return json.dumps({name: value for name, value in whole.items() if value is not ...})


NOT_JSON = (400, "The message is not JSON.")
NO_OBJECT = (400, "The message is not a JSON object.")
BAD_CORRELATION = (400, "correlation_id is not a text, or too long.")
BAD_BUFFER = (400, "buffer is missing or not a text.")
BAD_REQUEST = (400, "request is missing or not an object.")
BAD_ID = (400, "request_id is missing or has not the form of one.")
BAD_SECRET = (400, "secret is missing, not a text, or too long.")
NOT_YOURS = (403, "This request is not yours: it was made with the hash of another secret, or of none.")
NO_ACTION = (404, "There is no such action.")
ENDED = (410, "This connection has ended.")

REFUSALS = [
    Refusal("nothing", "$default", "", *NOT_JSON),
    Refusal("a word", "$default", "hello", *NOT_JSON),
    Refusal("half an object", "recognise", '{"action": "recognise"', *NOT_JSON),
    Refusal("a nest too deep for a reader", "$default", "[" * 100_000, *NOT_JSON),
    Refusal("a number too long for a reader", "$default", "9" * 100_000, *NOT_JSON),
    Refusal("a number that is none", "recognise", '{"action": "recognise", "buffer": NaN}', *NOT_JSON),
    Refusal("a list", "$default", "[]", *NO_OBJECT),
    Refusal("null", "$default", "null", *NO_OBJECT),
    Refusal("a text in JSON", "$default", '"attach"', *NO_OBJECT),
    Refusal("a binary frame", "$default", "AAAA", 400, "The message is binary.", binary=True),
    Refusal("no action", "$default", "{}", *NO_ACTION),
    Refusal("a misspelt action", "$default", '{"action": "recognize"}', *NO_ACTION),
    Refusal("a correlation that is a number", "attach", attach(correlation_id=7), *BAD_CORRELATION),
    Refusal("a correlation too long", "attach", attach(correlation_id="x" * 129), *BAD_CORRELATION),
    Refusal("a correlation of half a character", "attach", attach(correlation_id="\ud800"), *BAD_CORRELATION),
    Refusal("no buffer", "recognise", recognise(buffer=...), *BAD_BUFFER),
    Refusal("a buffer that is a list", "recognise", recognise(buffer=["sqs"]), *BAD_BUFFER),
    Refusal("no request", "recognise", recognise(request=...), *BAD_REQUEST),
    Refusal("a request that is a text", "recognise", recognise(request="{}"), *BAD_REQUEST),
    Refusal(
        "a connection that is gone", "recognise", recognise(), *ENDED, given=lambda world: world.connections.clear()
    ),
    Refusal("no id", "attach", attach(request_id=...), *BAD_ID),
    Refusal("an empty id", "attach", attach(request_id=""), *BAD_ID),
    Refusal("an id that is a number", "attach", attach(request_id=7), *BAD_ID),
    Refusal("an id that no key can be", "attach", attach(request_id="x" * 1_025), *BAD_ID),
    Refusal("an id with a quote", "attach", attach(request_id='a"b'), *BAD_ID),
    Refusal("an id with a line break", "attach", attach(request_id="id1\n"), *BAD_ID),
    Refusal("an id of half a character", "attach", attach(request_id="\ud800"), *BAD_ID),
    Refusal("no secret", "attach", attach(secret=...), *BAD_SECRET),
    Refusal("an empty secret", "attach", attach(secret=""), *BAD_SECRET),
    Refusal("a secret that is an object", "attach", attach(secret={"S": "secret"}), *BAD_SECRET),
    Refusal("a secret too long", "attach", attach(secret="x" * 1_025), *BAD_SECRET),
    Refusal("a secret of half a character", "attach", attach(secret="\ud800"), *BAD_SECRET),
    Refusal("another's result", "attach", attach(secret="guess"), *NOT_YOURS, given=lambda world: world.store()),
    Refusal(
        "another's request, not done yet",
        "attach",
        attach(secret="guess"),
        *NOT_YOURS,
        given=lambda world: world.pending.update(id1=Ownership(hash_of("secret"), done=False)),
    ),
    Refusal("the hash, which is no secret", "attach", attach(secret=hash_of("secret")), *NOT_YOURS, given=World.store),
    Refusal(
        "a request that nobody may attach to",
        "attach",
        attach(),
        *NOT_YOURS,
        given=lambda world: world.store(attach=None),
    ),
    Refusal(
        "one's own, which its buffer did not take",
        "attach",
        attach(),
        409,
        "This request is not on its way: the stream is full",
        given=lambda world: world.pending.update(
            id1=Ownership(hash_of("secret"), done=False, stranded="the stream is full")
        ),
    ),
    Refusal(
        "one attach too many",
        "attach",
        attach(),
        429,
        "This connection has attached to 10,000 requests, which is all that one may.",
        given=lambda world: world.connections.update(c1=MOST_ATTACHES),
    ),
    Refusal(
        "a table that does not answer",
        "attach",
        attach(),
        503,
        "The message could not be worked off.",
        given=lambda world: setattr(world, "table_error", api_error(500, "InternalServerError")),
    ),
]
