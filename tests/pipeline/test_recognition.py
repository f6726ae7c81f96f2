from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError
from botocore.session import Session
from botocore.stub import ANY, Stubber
from hypothesis import given
from hypothesis import strategies as st

from pipeline.recognition import (
    MAX_IMAGE_BYTES,
    Effort,
    Hindrance,
    OutOfTime,
    Recognised,
    Recogniser,
    Refused,
    rekognition_client,
)
from pipeline.request import InlineImage, StoredImage
from pipeline.result import Label

IMAGE = InlineImage(b"image")
ANSWER = {
    "Labels": [
        {"Name": "Cat", "Confidence": 93.25, "Parents": [{"Name": "Mammal"}, {"Name": "Animal"}], "Instances": []},
        {"Name": "Animal", "Confidence": 93.25, "Parents": []},
        {"Name": "Rug", "Confidence": 60.5},
    ],
    "LabelModelVersion": "local-efficientnet-lite0",
}


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def client() -> Any:
    session = Session()
    session.set_credentials("a", "b")
    session.set_config_variable("region", "us-east-1")
    return rekognition_client(session, 2)


@pytest.fixture
def stub(client: Any) -> Iterator[Stubber]:
    with Stubber(client) as stub:
        yield stub
        stub.assert_no_pending_responses()


def recogniser(client: Any, time: Time, uniform: Callable[[], float] = lambda: 0.5) -> Recogniser:
    return Recogniser(
        client, min_confidence=55, max_labels=10, clock=lambda: time.now, sleep=time.sleep, uniform=uniform
    )


def throttled(stub: Stubber, times: int = 1) -> None:
    for _ in range(times):
        stub.add_client_error("detect_labels", "ProvisionedThroughputExceededException", "Rate exceeded", 400)


@pytest.mark.parametrize(
    ("image", "parameter"),
    [
        (IMAGE, {"Bytes": b"image"}),
        (StoredImage("bucket", "cat.jpg"), {"S3Object": {"Bucket": "bucket", "Name": "cat.jpg"}}),
    ],
    ids=["inline", "stored"],
)
def test_an_image_is_recognised_with_labels_and_their_parents(
    client: Any, stub: Stubber, image: Any, parameter: Any
) -> None:
    stub.add_response("detect_labels", ANSWER, {"Image": parameter, "MaxLabels": 10, "MinConfidence": 55})

    assert recogniser(client, Time()).recognise(image, deadline=130) == Recognised(
        labels=(Label("Cat", 93.25, ("Mammal", "Animal")), Label("Animal", 93.25), Label("Rug", 60.5)),
        model_version="local-efficientnet-lite0",
        effort=Effort(attempts=1, throttled=0),
    )


def test_an_image_without_labels_is_recognised(client: Any, stub: Stubber) -> None:
    stub.add_response("detect_labels", {"Labels": [], "LabelModelVersion": "3.0"})

    assert recogniser(client, Time()).recognise(IMAGE, 130) == Recognised((), "3.0", Effort(1))


@pytest.mark.parametrize(
    ("code", "status", "is_throttle"),
    [
        pytest.param("ProvisionedThroughputExceededException", 400, True, id="over the quota"),
        pytest.param("ThrottlingException", 400, True, id="a sudden rise below it"),
        pytest.param("ThrottlingException", 500, True, id="the backend is scaling"),
        pytest.param("InternalServerError", 500, False, id="a fault of Rekognition"),
        pytest.param("ServiceUnavailable", 503, False, id="unavailable"),
        pytest.param("SlowDown", 429, False, id="a throttle by another name"),
    ],
)
def test_what_passes_is_tried_again(client: Any, stub: Stubber, code: str, status: int, is_throttle: bool) -> None:
    for _ in range(2):
        stub.add_client_error("detect_labels", code, "wait", status)
    stub.add_response("detect_labels", ANSWER)
    time = Time()

    result = recogniser(client, time).recognise(IMAGE, 130)

    assert isinstance(result, Recognised)
    assert result.effort == Effort(attempts=3, throttled=2 * is_throttle)
    assert time.slept == [0.5 * 0.2, 0.5 * 0.4]


@pytest.mark.parametrize(
    "error",
    [
        ConnectionClosedError(endpoint_url="http://x"),
        EndpointConnectionError(endpoint_url="http://x"),
        ReadTimeoutError(endpoint_url="http://x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_lost_connection_is_tried_again(client: Any, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([error, ANSWER])

    def detect_labels(**_: object) -> object:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(client, "detect_labels", detect_labels)

    result = recogniser(client, Time()).recognise(IMAGE, 130)

    assert isinstance(result, Recognised)
    assert result.effort == Effort(attempts=2, throttled=0)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("InvalidImageFormatException", "Request has invalid image format"),
        ("ImageTooLargeException", "Image size is too large"),
        ("InvalidS3ObjectException", "Unable to get object metadata from S3"),
        ("InvalidParameterException", "Request has invalid parameters"),
        ("ValidationException", "1 validation error detected"),
    ],
)
def test_a_refusal_is_an_answer_with_the_reason_and_never_tried_again(
    client: Any, stub: Stubber, code: str, message: str
) -> None:
    stub.add_client_error("detect_labels", code, message, 400)
    time = Time()

    assert recogniser(client, time).recognise(IMAGE, 130) == Refused(f"{code}: {message}", Effort(1, 0))
    assert time.slept == []


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        pytest.param(InlineImage(b""), "InvalidParameterException: the image has no bytes", id="empty"),
        pytest.param(
            InlineImage(bytes(MAX_IMAGE_BYTES + 1)), "ImageTooLargeException: the image has 5,242,881", id="too large"
        ),
    ],
)
def test_what_rekognition_would_refuse_is_refused_before_the_call(
    client: Any, stub: Stubber, image: Any, reason: str
) -> None:
    result = recogniser(client, Time()).recognise(image, 130)

    assert isinstance(result, Refused)
    assert result.effort == Effort()
    assert result.reason.startswith(reason)


def test_the_largest_image_is_sent(client: Any, stub: Stubber) -> None:
    stub.add_response("detect_labels", ANSWER, {"Image": ANY, "MaxLabels": 10, "MinConfidence": 55})

    assert isinstance(recogniser(client, Time()).recognise(InlineImage(bytes(MAX_IMAGE_BYTES)), 130), Recognised)


def test_a_key_that_the_client_itself_refuses_is_a_refusal(client: Any) -> None:
    result = recogniser(client, Time()).recognise(StoredImage("b", "k"), 130)

    assert isinstance(result, Refused)
    assert result.reason.startswith("InvalidParameterException: ")


def test_a_missing_permission_is_raised_and_says_nothing_of_the_image(client: Any, stub: Stubber) -> None:
    stub.add_client_error("detect_labels", "AccessDeniedException", "not authorized", 400)

    with pytest.raises(ClientError, match="not authorized"):
        recogniser(client, Time()).recognise(IMAGE, 130)


def test_throttled_until_the_deadline_is_out_of_time_with_the_last_reason(client: Any, stub: Stubber) -> None:
    throttled(stub, 4)
    time = Time()

    result = recogniser(client, time, uniform=lambda: 1.0).recognise(IMAGE, deadline=103)

    # Pauses of 0.2, 0.4 and 0.8 s; after the next, of 1.6 s, there would not be a second left for the call.
    assert time.slept == [0.2, 0.4, 0.8]
    assert result == OutOfTime(
        "ProvisionedThroughputExceededException: Rate exceeded", Effort(4, 4), Hindrance.THROTTLED
    )


@pytest.mark.parametrize(
    ("answers", "hindrance"),
    [
        pytest.param([("ThrottlingException", 500)], Hindrance.THROTTLED, id="scaling is a throttle, though a 500"),
        pytest.param([("SomethingException", 429)], Hindrance.THROTTLED, id="too many requests, whatever its name"),
        pytest.param([("InternalServerError", 500)], Hindrance.FAILED, id="a failure of Rekognition's"),
        pytest.param(
            [("ThrottlingException", 400), ("InternalServerError", 500)], Hindrance.FAILED, id="the last says"
        ),
    ],
)
def test_out_of_time_says_what_the_last_call_met(
    client: Any, stub: Stubber, answers: list[tuple[str, int]], hindrance: Hindrance
) -> None:
    for code, status in answers:
        stub.add_client_error("detect_labels", code, "x", status)

    result = recogniser(client, Time(), uniform=lambda: 1.0).recognise(IMAGE, deadline=101 + 0.2 * len(answers) - 0.1)

    assert isinstance(result, OutOfTime)
    assert (result.hindrance, result.effort.attempts) == (hindrance, len(answers))


def test_out_of_time_over_a_call_without_an_answer_says_so() -> None:
    class Silent:
        def detect_labels(self, **_: object) -> None:
            raise ReadTimeoutError(endpoint_url="https://rekognition")

    result = recogniser(Silent(), Time(), uniform=lambda: 1.0).recognise(IMAGE, deadline=101.1)

    assert isinstance(result, OutOfTime)
    assert result.hindrance is Hindrance.NO_ANSWER


def test_no_call_is_started_that_could_hang_over_the_deadline(client: Any, stub: Stubber) -> None:
    throttled(stub, 2)
    time = Time()
    patient = Recogniser(
        client,
        min_confidence=55,
        max_labels=10,
        call_s=6.0,
        clock=lambda: time.now,
        sleep=time.sleep,
        uniform=lambda: 1.0,
    )

    result = patient.recognise(IMAGE, deadline=106.5)

    # After the second, of 0.4 s, there would be no 6 s left.
    assert time.slept == [0.2]
    assert result.effort == Effort(2, 2)


@pytest.mark.parametrize("deadline", [0.0, 99.0, 100.0, 100.9], ids=str)
def test_without_time_for_a_call_none_is_made(client: Any, stub: Stubber, deadline: float) -> None:
    result = recogniser(client, Time()).recognise(IMAGE, deadline)

    assert result == OutOfTime("no time was left to call Rekognition", Effort())


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=50), st.floats(0, 900))
def test_no_call_is_started_without_a_second_left_and_pauses_stay_under_their_ceiling(
    draws: list[float], budget: float
) -> None:
    time = Time()
    deadline = time.now + budget
    started: list[float] = []

    class Throttling:
        def detect_labels(self, **_: object) -> None:
            started.append(time.now)
            time.now += 0.05
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "x"}}, "DetectLabels")

    uniforms = iter(draws * 20_000)
    result = recogniser(Throttling(), time, uniform=lambda: next(uniforms)).recognise(IMAGE, deadline)

    assert isinstance(result, OutOfTime)
    assert all(at + 1.0 <= deadline for at in started)
    assert result.effort == Effort(len(started), len(started))
    assert all(pause <= min(5.0, 0.2 * 2.0 ** min(tried, 30)) for tried, pause in enumerate(time.slept))


def test_the_client_makes_no_retries_of_its_own(client: Any) -> None:
    assert client.meta.config.retries["total_max_attempts"] == 1
