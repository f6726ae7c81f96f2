"""The synchronous function's logic, on a clock that only its recognition moves."""

import base64
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from consumers.environment import Environment
from consumers.synchronous import Outcome, Patience, Synchronous
from pipeline.recognition import Effort, Hindrance, OutOfTime, Recognised, Refused
from pipeline.request import InlineImage, Measurement, StoredImage
from pipeline.result import Label, Passage, Result, Status

SEEN = Recognised((Label("Cat", 93.25, ("Animal",)),), "local", Effort(3, 2))
REFUSED = Refused("InvalidImageFormatException: no image", Effort(1, 0))
ACCEPTED_AT = 1_732_400_000_000
RUN = {"id": "r1", "sequence": 7, "intended_at": 1732399999900.5}
PLENTY_MS = 900_000

Answer = Recognised | Refused | OutOfTime | Exception


class Recognition:
    """Answers what it is told to."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.calls: list[tuple[InlineImage | StoredImage, float]] = []

    def recognise(self, image: InlineImage | StoredImage, deadline: float) -> Recognised | Refused | OutOfTime:
        self.calls.append((image, deadline))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Results:
    def __init__(self, error: Exception | None = None) -> None:
        self.written: list[Result] = []
        self._error = error

    def write(self, result: Result) -> None:
        if self._error is not None:
            raise self._error
        self.written.append(result)


def event(body: object = None, **changed: Any) -> dict[str, Any]:
    body = {"image": {"bytes": base64.b64encode(b"cat").decode()}} if body is None else body
    return {
        "body": json.dumps(body),
        "isBase64Encoded": False,
        "requestContext": {
            "extendedRequestId": "Fv6kVGuJIAMF3Iw=",
            "requestTimeEpoch": ACCEPTED_AT,
            "identity": {"caller": "AROAROLE:session"},
        },
        **changed,
    }


def answered(
    answer: Answer = SEEN,
    given: dict[str, Any] | None = None,
    *,
    results: Results | None = None,
    waited_ms: float = 250,
    remaining_ms: float = PLENTY_MS,
    timeout_ms: int = 29_000,
) -> tuple[Outcome, Recognition, Results]:
    recognition, results = Recognition(answer), results or Results()
    synchronous = Synchronous(
        recognition,
        results,
        Environment("env", 350.5),
        bucket="images",
        patience=Patience.of(timeout_ms),
        clock=lambda: 1_000.0,
        now=lambda: (ACCEPTED_AT + waited_ms) / 1_000,
    )
    return synchronous.answer(given or event(), remaining_ms=remaining_ms), recognition, results


def said(outcome: Outcome) -> tuple[int, dict[str, Any], dict[str, str]]:
    proxy = outcome.answer.to_proxy()
    return proxy["statusCode"], json.loads(proxy["body"]), proxy["headers"]


def test_the_labels_are_answered_and_the_result_is_stored_without_a_buffer() -> None:
    outcome, recognition, results = answered(given=event({"image": {"key": "cat.jpg"}, "run": RUN}))

    assert said(outcome) == (
        200,
        {
            "request_id": "Fv6kVGuJIAMF3Iw=",
            "status": "SUCCEEDED",
            "model_version": "local",
            "labels": [{"name": "Cat", "confidence": 93.25, "parents": ["Animal"]}],
        },
        {"Content-Type": "application/json"},
    )
    assert recognition.calls[0][0] == StoredImage("images", "cat.jpg")
    assert results.written == [
        Result(
            request_id="Fv6kVGuJIAMF3Iw=",
            buffer=None,
            status=Status.SUCCEEDED,
            labels=SEEN.labels,
            reason=None,
            model_version="local",
            passage=Passage(ACCEPTED_AT, ACCEPTED_AT + 250, ACCEPTED_AT + 250, 1, 3, 350.5, "env"),
            measurement=Measurement("r1", 7, 1732399999900.5),
            owner="iam:AROAROLE",
        )
    ]


def test_a_refused_image_is_a_failed_result_with_its_reason() -> None:
    outcome, _, results = answered(REFUSED)

    status, body, _ = said(outcome)
    assert status == 422
    assert body == {
        "request_id": "Fv6kVGuJIAMF3Iw=",
        "status": "FAILED",
        "reason": "InvalidImageFormatException: no image",
        "labels": [],
        "message": body["message"],
        "remedy": body["remedy"],
    }
    assert body["message"]
    assert body["remedy"]
    assert results.written[0].status is Status.FAILED


@pytest.mark.parametrize(
    ("hindrance", "status", "retry_after"),
    [
        (Hindrance.THROTTLED, 429, "1"),
        (Hindrance.FAILED, 503, "1"),
        (Hindrance.NO_ANSWER, 504, None),
        (Hindrance.NO_CALL, 504, None),
    ],
)
def test_out_of_time_says_why_what_to_do_and_leaves_nothing_behind(
    hindrance: Hindrance, status: int, retry_after: str | None
) -> None:
    outcome, _, results = answered(OutOfTime("ThrottlingException: Slow down", Effort(4, 4), hindrance))

    told, body, headers = said(outcome)
    assert (told, headers.get("Retry-After")) == (status, retry_after)
    assert body == {"message": body["message"], "remedy": body["remedy"], "request_id": "Fv6kVGuJIAMF3Iw="}
    assert body["message"]
    assert body["remedy"]
    assert outcome.reason == "ThrottlingException: Slow down"
    assert outcome.effort == Effort(4, 4)
    assert results.written == []


def test_what_no_retry_mends_is_ours_and_its_text_is_for_the_log() -> None:
    denied = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "arn:aws:secret"}}, "DetectLabels")

    outcome, _, results = answered(denied)

    status, body, _ = said(outcome)
    assert status == 503
    assert "secret" not in json.dumps(body)
    assert "arn:aws:secret" in (outcome.reason or "")
    assert results.written == []


def test_a_client_is_not_sent_away_because_its_result_could_not_be_stored() -> None:
    error = ClientError({"Error": {"Code": "ThrottlingException", "Message": "table"}}, "UpdateItem")

    outcome, _, _ = answered(results=Results(error))

    assert said(outcome)[0] == 200
    assert "ThrottlingException" in (outcome.unstored or "")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        pytest.param(event(body=""), "the body is not a JSON object", id="a text"),
        pytest.param({**event(), "body": None}, "not JSON", id="no body"),
        pytest.param({**event(), "body": "{"}, "not JSON", id="no JSON"),
        pytest.param({**event(), "isBase64Encoded": True}, "not JSON", id="bytes, as the gateway hands images on"),
        pytest.param(event({"image": {}}), "image needs either bytes or key", id="no image"),
        pytest.param(event({"image": {"bytes": "A"}}), "image bytes are not base64", id="cut off"),
        pytest.param(event({"image": {"key": "k"}, "group": "g"}), "may not have 'group'", id="an order"),
        pytest.param(
            event({"image": {"key": "k"}, "callback_url": "https://a.example/"}), "callback_url", id="a callback"
        ),
        pytest.param(event({"image": {"key": "k"}, "run": {**RUN, "sequence": -1}}), "run.sequence", id="a run"),
    ],
)
def test_a_body_that_is_none_is_refused_and_nothing_is_recognised(given: dict[str, Any], problem: str) -> None:
    outcome, recognition, results = answered(given=given)

    status, body, _ = said(outcome)
    assert status == 400
    assert problem in body["message"]
    assert body["remedy"]
    assert recognition.calls == []
    assert results.written == []


@pytest.mark.parametrize(
    ("waited_ms", "remaining_ms", "deadline_s"),
    [
        pytest.param(0, PLENTY_MS, 26, id="the gateway's 29 s, less what is kept for the write"),
        pytest.param(4_000, PLENTY_MS, 22, id="less what it waited for this function, a cold start say"),
        pytest.param(40_000, PLENTY_MS, -14, id="the gateway has given up already"),
        pytest.param(-500, PLENTY_MS, 26, id="by the gateway's clock it is to come"),
        pytest.param(0, 10_000, 7, id="the function's own time ends before"),
    ],
)
def test_the_time_counts_from_the_gateway_and_ends_with_whichever_ends_first(
    waited_ms: float, remaining_ms: float, deadline_s: float
) -> None:
    _, recognition, _ = answered(waited_ms=waited_ms, remaining_ms=remaining_ms)

    assert [deadline for _, deadline in recognition.calls] == [pytest.approx(1_000 + deadline_s)]


@pytest.mark.parametrize("timeout_ms", [50, 1_000, 5_000, 29_000, 300_000])
def test_whatever_the_gateways_timeout_there_is_time_for_a_call_and_for_what_follows(timeout_ms: int) -> None:
    patience = Patience.of(timeout_ms)

    assert patience.call + patience.kept < timeout_ms / 1_000 / 2
    assert (patience.call, patience.kept) == (6, 3) or timeout_ms < 29_000


def test_only_the_first_request_of_an_environment_waited_for_it() -> None:
    results = Results()
    environment = Environment("env", 350.5)
    synchronous = Synchronous(
        Recognition(SEEN),
        results,
        environment,
        bucket="images",
        patience=Patience.of(29_000),
        now=lambda: 1_732_400_001.0,
    )
    # Even if it was refused: it was that one which waited.
    synchronous.answer(event({"image": {}}), remaining_ms=PLENTY_MS)
    synchronous.answer(event(), remaining_ms=PLENTY_MS)

    assert [result.passage.init_ms for result in results.written] == [0.0]
