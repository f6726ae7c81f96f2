"""docs/openapi.yaml against the embedded AWS: schemathesis makes up requests and holds every answer to the document."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Running, running

pytestmark = pytest.mark.end_to_end

DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.yaml"
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    # What does not fit the document is refused. Not the other way round: to the model's draft 4, unlike OpenAPI's own
    # draft, 1.0 is no integer.
    "negative_data_rejection",
)


@pytest.fixture
def roomy() -> Iterator[Running]:
    """Room for the two functions in front, whatever the pushes take: over its concurrency one is a 502, as on AWS.

    Callers show a key: what schemathesis makes up goes out as it is, and a signature would have to follow it.
    """
    with running(
        "--rekognition-median-ms", "5", "--account-concurrency", "110", "--parameter", "SnsReservedConcurrency=4",
        "--parameter", "Authentication=API_KEY",
    ) as up:  # fmt: skip
        yield up


def test_no_request_that_the_document_can_make_up_meets_a_server_error_or_an_answer_it_does_not_know(
    roomy: Running, tmp_path: Path
) -> None:
    command = [
        SCHEMATHESIS, "run", DOCUMENT, "--url", roomy.api, "--checks", ",".join(CHECKS),
        "--header", f"x-api-key: {roomy.environment['FOREBAY_API_KEY']}",
        "--phases", "coverage,fuzzing", "--max-examples", "10", "--generation-deterministic", "--no-color",
        "--request-timeout", "60",
    ]  # fmt: skip
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=900)

    assert run.returncode == 0, run.stdout[-8_000:] + run.stderr[-2_000:]
    assert "Tested: 8" in run.stdout
