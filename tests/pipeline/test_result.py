from dataclasses import replace

import pytest

from pipeline.result import Label, Passage, Result, Standing, Status

SEEN = Result(
    request_id="id1",
    buffer="sqs",
    status=Status.SUCCEEDED,
    labels=(Label("Cat", 93.28125, ("Mammal", "Animal")), Label("Rug", 60.5)),
    reason=None,
    model_version="local",
    passage=Passage(1732400000123, 1732400000200.25, 1732400000300.125, 10, 2, 350.5, "env"),
    measurement=None,
    attach="0f" * 32,
)


def test_a_client_is_told_the_labels_and_nothing_of_the_way() -> None:
    assert SEEN.to_document() == {
        "request_id": "id1",
        "status": "SUCCEEDED",
        "model_version": "local",
        "labels": [
            {"name": "Cat", "confidence": 93.28125, "parents": ["Mammal", "Animal"]},
            {"name": "Rug", "confidence": 60.5, "parents": []},
        ],
    }


def test_a_client_is_told_why_there_are_none() -> None:
    refused = replace(
        SEEN, status=Status.FAILED, labels=(), reason="InvalidImageFormatException: no", model_version=None
    )

    assert refused.to_document() == {
        "request_id": "id1",
        "status": "FAILED",
        "reason": "InvalidImageFormatException: no",
        "labels": [],
    }


@pytest.mark.parametrize("status", Status)
def test_however_a_request_ended_is_one_of_what_a_client_may_be_told(status: Status) -> None:
    assert Standing(status.value)
