"""What a function's answer means to a delivery machine."""

import json
from typing import Any

import pytest

from delivery.protocol import Error, Ok, Outcome, PartialFailure, Timeout
from local.event_source import batch_outcome_of, outcome_of
from local.execution_environment import Answer, Ending

IDS = {"a": 1, "b": 2, "c": 3}


def failed(*names: Any) -> bytes:
    return json.dumps({"batchItemFailures": [{"itemIdentifier": name} for name in names]}).encode()


@pytest.mark.parametrize(
    ("payload", "outcome", "reason"),
    [
        (b"null", Ok(), "a null answer is success"),
        (b"{}", Ok(), "an empty answer is success"),
        (b'{"batchItemFailures": null}', Ok(), "a null list is success"),
        (b'{"batchItemFailures": []}', Ok(), "an empty list is success"),
        (b'{"other": 1}', Ok(), "an answer without the list is success"),
        (failed("b"), PartialFailure(frozenset({2})), "one failed"),
        (failed("b", "b"), PartialFailure(frozenset({2})), "one failed, named twice"),
        (failed("a", "b", "c"), PartialFailure(frozenset({1, 2, 3})), "all failed"),
        (failed("d"), Error(), "an id of no record of the batch"),
        (failed("a", "d"), Error(), "one good id, one bad"),
        (failed(""), Error(), "an empty id"),
        (failed(None), Error(), "a null id"),
        (failed(1), Error(), "an id that is no text"),
        (b'{"batchItemFailures": [{"identifier": "a"}]}', Error(), "another key"),
        (b'{"batchItemFailures": ["a"]}', Error(), "no object"),
        (b'{"batchItemFailures": "a"}', Error(), "no list"),
        (b'{"batchItemFailures": {"itemIdentifier": "a"}}', Error(), "an object for the list"),
        (b'"done"', Error(), "an answer that is no object"),
        (b"[]", Error(), "a list"),
        (b"", Error(), "no JSON"),
        (b"\xff", Error(), "no text"),
        (b"[" * 100_000, Error(), "nested too deep"),
    ],
)
def test_a_list_of_failures_is_read_as_lambda_reads_it(payload: bytes, outcome: Outcome, reason: str) -> None:
    assert batch_outcome_of(Answer(Ending.RETURNED, payload, "r"), IDS) == outcome, reason


@pytest.mark.parametrize(
    ("ending", "outcome"),
    [
        (Ending.RETURNED, Ok()),
        (Ending.RAISED, Error()),
        (Ending.TIMED_OUT, Timeout()),
        (Ending.EXITED, Error(lost=True)),
        (Ending.NOT_STARTED, Error(lost=True)),
    ],
)
def test_how_an_invocation_ended_is_its_outcome_whatever_it_says(ending: Ending, outcome: Outcome) -> None:
    assert outcome_of(Answer(ending, failed("a"), "r")) == outcome
    if ending is not Ending.RETURNED:
        assert batch_outcome_of(Answer(ending, failed("a"), "r"), IDS) == outcome
