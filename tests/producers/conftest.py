"""What the producers' tests share: submissions, and AWS on moto."""

from collections.abc import Iterator

import pytest
from moto import mock_aws

from pipeline.request import InlineImage, Measurement
from producers.submission import Submission


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield


@pytest.fixture
def submissions() -> list[Submission]:
    """25 images of 300 bytes, of one run."""
    return [
        Submission(InlineImage(bytes([number]) * 300), Measurement("r1", number, 1732400000100.5))
        for number in range(25)
    ]
