import base64
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from pipeline.callback_url import CallbackUrlError
from pipeline.idempotency import id_of
from pipeline.intake import IntakeError, Taken
from pipeline.outlet import PublishError, Refusal
from pipeline.request import InlineImage, Measurement, Request, StoredImage
from pipeline.result import Label, Passage, Result, Status
from tests.pipeline.intake_world import PENDING_S, START_S, TTL_DAYS, World

BODY: dict[str, Any] = {"image": {"bytes": "AAEC"}}
KEYED = {"image": {"key": "cat.jpg"}}
REMAINING_MS = 20_000
# What a client asks with a key for gets the same id every time.
KEY = "8e03978e-40d5-43e8-bc93-6894a57f9324"


def take(world: World, body: Any = BODY, *, buffer: str = "sqs", guard: Any = None, **more: Any) -> Taken:
    intake = world.intake() if guard is None else world.intake(guard)
    return intake.take(body, buffer=buffer, remaining_ms=REMAINING_MS, **more)


def refusing(world: World, body: Any = BODY, **more: Any) -> IntakeError:
    with pytest.raises(IntakeError) as error:
        take(world, body, **more)
    assert error.value.message
    assert error.value.remedy
    return error.value


def failing(step: str, error: BaseException) -> Callable[[str, Callable[[], Any]], Any]:
    def guard(name: str, do: Callable[[], Any]) -> Any:
        if name == step:
            raise error
        return do()

    return guard


def client_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "arn:aws:secret"}}, "UpdateItem")


def result_of(world: World, request_id: str, attach: str | None = None) -> Result:
    passage = Passage(START_S * 1_000, START_S * 1_000 + 5, START_S * 1_000 + 9, 1, 1, 0.0, "env")
    return Result(request_id, "sqs", Status.SUCCEEDED, (Label("Cat", 93.5),), None, "m", passage, None, attach)


def test_a_request_is_pending_once_the_buffer_has_it_and_for_as_long_as_that_may_hold_it() -> None:
    world = World()

    taken = take(world, accepted_at=START_S * 1_000 - 250)

    (record,) = world.records
    assert (taken.duplicate, taken.unnoted) == (False, None)
    assert Request.from_json(record.text) == Request(
        taken.request_id, START_S * 1_000 - 250, "sqs", InlineImage(b"\x00\x01\x02")
    )
    assert record.group == taken.request_id
    assert world.standing(taken.request_id) == "PENDING"
    world.clock.now += PENDING_S["sqs"] - 0.26
    assert world.standing(taken.request_id) == "PENDING"
    world.clock.now += 0.02
    assert world.standing(taken.request_id) == "FAILED"


def test_every_buffer_has_its_own_time_and_its_name_in_the_record() -> None:
    for buffer in ("sns", "sqs", "kinesis"):
        world = World()

        taken = take(world, buffer=buffer)

        item = world.tables.item(taken.request_id)
        assert item is not None
        assert int(item["pending_until"]["N"]) == (START_S + PENDING_S[buffer]) * 1_000  # type: ignore[index]
        assert json.loads(world.records[0].text)["buffer"] == buffer


def test_the_clients_body_stands_whole_in_the_record() -> None:
    world = World()
    body = {
        **KEYED,
        "group": "camera-7",
        "run": {"id": "r\u00e9\u2028\ufffe", "sequence": 7, "intended_at": 1732400000100.5},
        "callback_url": "https://example.com/a?b",
        "attach": "0f" * 32,
    }

    take(world, body, connection_id="L0SM9cOFvHcCIhw=")

    (record,) = world.records
    # Nothing in it that a buffer could not carry.
    assert record.text.isascii()
    assert record.text.isprintable()
    assert json.loads(record.text)["request"] == body
    assert record.group == "camera-7"
    request = Request.from_json(record.text)
    assert request.image == StoredImage("images", "cat.jpg")
    assert request.measurement == Measurement("r\u00e9\u2028\ufffe", 7, 1732400000100.5)
    assert (request.callback_url, request.attach) == ("https://example.com/a?b", "0f" * 32)
    assert request.connection_id == "L0SM9cOFvHcCIhw="


def test_a_client_cannot_say_by_which_connection_it_came() -> None:
    assert refusing(World(), {**BODY, "connection_id": "another's"}).status == 400


def test_ids_are_random_without_a_key_and_the_same_with_one() -> None:
    world = World()

    without = [take(world).request_id for _ in range(2)]
    first, second = (take(world, idempotency_key=KEY) for _ in range(2))

    assert len({*without, first.request_id}) == 3
    assert all(len(each) == 24 and each.startswith("h-") for each in (*without, first.request_id))
    assert (first.duplicate, second.duplicate) == (False, True)
    assert first.request_id == second.request_id == id_of("sqs", KEY)
    assert len(world.records) == 3


def test_a_key_stands_for_one_request_on_each_route() -> None:
    world = World()

    ids = {take(world, buffer=buffer, idempotency_key=KEY).request_id for buffer in ("sns", "sqs", "kinesis")}

    assert len(ids) == 3
    assert len(world.records) == 3


def test_a_duplicate_after_its_result_starts_nothing_and_leaves_the_result_whole() -> None:
    world = World()
    taken = take(world, {**BODY, "attach": "0f" * 32}, idempotency_key=KEY)
    result = result_of(world, taken.request_id, "0f" * 32)
    world.results().write(result)
    world.clock.now += PENDING_S["sqs"] + 1

    again = take(world, {**BODY, "attach": "0f" * 32}, idempotency_key=KEY)

    assert again.duplicate
    assert len(world.records) == 1
    stored = world.results().read(taken.request_id)
    assert stored is not None
    assert stored.result == result
    assert world.standing(taken.request_id) == "SUCCEEDED"


def test_a_pending_item_is_no_result_and_becomes_one_whole() -> None:
    world = World()
    taken = take(world)

    assert world.results().read(taken.request_id) is None
    world.results().write(result_of(world, taken.request_id))

    stored = world.results().read(taken.request_id)
    assert stored is not None
    assert (stored.result, stored.deliveries) == (result_of(world, taken.request_id), 1)
    assert stored.expires_at == START_S + TTL_DAYS * 86_400


def test_the_hash_of_the_owners_secret_is_there_from_the_start() -> None:
    world = World()

    taken = take(world, {**BODY, "attach": "0f" * 32})

    item = world.tables.item(taken.request_id)
    assert item is not None
    assert item["attach"] == {"S": "0f" * 32}


def test_another_body_under_a_used_key_is_refused_and_starts_nothing() -> None:
    world = World()
    take(world, idempotency_key=KEY)

    error = refusing(world, KEYED, idempotency_key=KEY)

    assert (error.status, error.request_id) == (422, id_of("sqs", KEY))
    assert len(world.records) == 1
    # Nor once the first has failed: the key is the first's.
    world.clock.now += PENDING_S["sqs"] + 1
    assert refusing(world, KEYED, idempotency_key=KEY).status == 422


def test_the_same_body_written_in_another_order_is_the_same() -> None:
    world = World()
    take(world, {**KEYED, "group": "g"}, idempotency_key=KEY)

    assert take(world, {"group": "g", **KEYED}, idempotency_key=KEY).duplicate


@pytest.mark.parametrize(
    "key",
    ["", " ", "a b", "a\n", "\x7f", "k\u00e9y", "k" * 256],
    ids=["empty", "a space", "a space within", "a line's end", "DEL", "outside ASCII", "longer than 255"],
)
def test_what_is_no_key_is_refused_before_anything_is_written(key: str) -> None:
    world = World()

    assert refusing(world, idempotency_key=key).status == 400
    assert world.records == []


@pytest.mark.parametrize("key", ["!", "~", "k" * 255])
def test_the_ends_of_what_is_a_key_are_taken(key: str) -> None:
    assert not take(World(), idempotency_key=key).duplicate


@pytest.mark.parametrize("buffer", ["fax", "", "SQS", "kinesis-efo"])
def test_a_buffer_that_is_not_there_is_not_found_and_those_that_are_are_named(buffer: str) -> None:
    error = refusing(World(), buffer=buffer)

    assert error.status == 404
    assert "sns, sqs, kinesis." in error.remedy


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        pytest.param([], "the body is not a JSON object", id="an array"),
        pytest.param({"image": {"bytes": "A"}}, "image bytes are not base64", id="what the model lets through"),
        pytest.param({"image": {"bytes": "AA=="[:3]}}, "image bytes are not base64", id="without its padding"),
        pytest.param(
            {**KEYED, "run": {"id": "\ud800", "sequence": 0, "intended_at": 0}}, "UTF-8", id="what no table can hold"
        ),
        pytest.param({**KEYED, "callback_url": "http://a.example"}, "callback_url is not an https", id="not https"),
        pytest.param({**KEYED, "attach": "0F" * 32}, "attach is not a SHA-256", id="a hash in capitals"),
    ],
)
def test_what_a_consumer_could_not_read_is_refused_at_the_door(body: Any, problem: str) -> None:
    world = World()

    error = refusing(world, body)

    assert error.status == 400
    assert problem in error.message
    assert world.records == []


def test_a_callback_url_that_is_none_is_refused_with_its_reason() -> None:
    world = World(refused_urls={"https://intranet.corp/": CallbackUrlError("intranet.corp is no public name")})

    error = refusing(world, {**KEYED, "callback_url": "https://intranet.corp/"})

    assert error.status == 400
    assert "intranet.corp is no public name" in error.message


def test_an_image_that_the_buffer_could_not_hold_takes_the_way_over_the_bucket() -> None:
    world = World()
    image = bytes(range(256)) * 8
    body = {"image": {"bytes": base64.b64encode(image).decode()}, "group": "g"}

    taken = take(world, body)

    (record,) = world.records
    ((key, stored),) = world.objects.items()
    assert stored == image
    assert Request.from_json(record.text).image == StoredImage("images", key)
    assert json.loads(record.text)["request"] == {"image": {"key": key}, "group": "g"}
    # Under a key that no client can name, and none can guess.
    assert key.startswith(f"{taken.request_id}/")
    assert len(key) > len(taken.request_id) + 20


def test_an_image_that_cannot_be_stored_is_told_by_the_answer_and_by_the_status() -> None:
    world = World()
    body = {"image": {"bytes": "A" * 2_000}}

    error = refusing(world, body, guard=failing("put", client_error("SlowDown")), idempotency_key=KEY)

    assert (error.status, error.retry_after_s) == (503, 1)
    assert "SlowDown" in (error.cause or "")
    assert "arn:" not in error.message + error.remedy
    assert error.request_id is not None
    assert world.standing(error.request_id) == "FAILED"
    assert not take(world, body, idempotency_key=KEY).duplicate
    assert len(world.records) == 1


@pytest.mark.parametrize(
    ("refusal", "status", "retry_after_s"),
    [(Refusal.AT_ITS_LIMIT, 429, 1), (Refusal.TOO_LARGE, 413, None), (Refusal.FAILED, 503, 1)],
)
def test_what_the_buffer_does_not_take_is_told_by_the_answer_and_by_the_status(
    refusal: Refusal, status: int, retry_after_s: int | None
) -> None:
    world = World()

    error = refusing(
        world, guard=failing("publish", PublishError(refusal, "SomeException", "SomeException: arn:aws:secret"))
    )

    assert (error.status, error.retry_after_s) == (status, retry_after_s)
    assert error.cause == "SomeException: arn:aws:secret"
    assert error.request_id is not None
    assert world.standing(error.request_id) == "FAILED"
    item = world.tables.item(error.request_id)
    assert item is not None
    assert item["unpublished"] == {"S": f"The request was not published: {refusal.value} (SomeException)."}


def test_after_a_failure_the_same_key_starts_it_after_all() -> None:
    world = World()
    failure = PublishError(Refusal.FAILED, "x", "x")
    refusing(world, guard=failing("publish", failure), idempotency_key=KEY)

    taken = take(world, idempotency_key=KEY)

    assert not taken.duplicate
    assert len(world.records) == 1
    assert world.standing(taken.request_id) == "PENDING"


class Crash(BaseException):
    """Lambda's timeout, or the end of the machine."""


@pytest.mark.parametrize("step", ["put", "publish"])
def test_after_a_crash_the_request_is_pending_until_the_functions_time_is_over_and_then_anyones(step: str) -> None:
    world = World()
    body = {"image": {"bytes": "A" * 2_000}}
    with pytest.raises(Crash):
        take(world, body, guard=failing(step, Crash()), idempotency_key=KEY)
    request_id = id_of("sqs", KEY)

    assert world.standing(request_id) == "PENDING"
    assert take(world, body, idempotency_key=KEY).duplicate
    world.clock.now += REMAINING_MS / 1_000 + 5.1
    assert world.standing(request_id) == "FAILED"
    assert not take(world, body, idempotency_key=KEY).duplicate
    assert world.standing(request_id) == "PENDING"
    assert len(world.records) == 1


@pytest.mark.parametrize(
    ("error", "status"),
    [
        pytest.param(client_error("ThrottlingException"), 429, id="throttled"),
        pytest.param(client_error("ProvisionedThroughputExceededException"), 429, id="over its throughput"),
        pytest.param(client_error("AccessDeniedException"), 503, id="a permission is missing"),
        pytest.param(EndpointConnectionError(endpoint_url="https://x"), 503, id="out of reach"),
    ],
)
def test_without_its_status_nothing_is_started(error: Exception, status: int) -> None:
    world = World()

    refused = refusing(world, guard=failing("reserve", error))

    assert (refused.status, refused.retry_after_s, refused.request_id) == (status, 1, None)
    assert "arn:" not in refused.message + refused.remedy
    assert world.records == []


def test_a_failure_that_cannot_be_noted_is_over_with_the_functions_time() -> None:
    world = World()

    def guard(name: str, do: Callable[[], Any]) -> Any:
        if name == "publish":
            raise PublishError(Refusal.FAILED, "x", "the buffer's")
        if name == "note unpublished":
            raise client_error("ThrottlingException")
        return do()

    error = refusing(world, guard=guard)

    assert error.status == 503
    assert "the buffer's; not noted: " in (error.cause or "")
    assert error.request_id is not None
    assert world.standing(error.request_id) == "PENDING"
    world.clock.now += REMAINING_MS / 1_000 + 5.1
    assert world.standing(error.request_id) == "FAILED"


def test_what_the_buffer_has_is_taken_even_if_that_cannot_be_noted() -> None:
    world = World()

    taken = take(world, guard=failing("note published", client_error("ThrottlingException")))

    assert not taken.duplicate
    assert "ThrottlingException" in (taken.unnoted or "")
    assert len(world.records) == 1


def test_an_answer_that_was_lost_on_its_way_does_not_make_the_first_a_duplicate_of_itself() -> None:
    world = World()

    def asked_twice(_name: str, do: Callable[[], Any]) -> Any:
        do()
        return do()

    taken = take(world, {**KEYED}, guard=lambda name, do: do() if name == "publish" else asked_twice(name, do))

    assert not taken.duplicate
    assert len(world.records) == 1
    assert world.standing(taken.request_id) == "PENDING"


def test_a_thousand_duplicates_at_once_start_one_recognition() -> None:
    world = World()
    together = threading.Barrier(50)

    def duplicate(_number: int) -> Taken:
        intake = world.intake()
        together.wait(60)
        return intake.take(BODY, buffer="sqs", remaining_ms=REMAINING_MS, idempotency_key=KEY)

    with ThreadPoolExecutor(50) as clients:
        answers = list(clients.map(duplicate, range(1_000)))

    assert len(world.records) == 1
    assert {answer.request_id for answer in answers} == {id_of("sqs", KEY)}
    assert sum(not answer.duplicate for answer in answers) == 1
