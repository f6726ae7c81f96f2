"""A small run of the embedded AWS through all four buffers, its decisions recorded.

The stored recording is one. A change that is meant to decide otherwise needs a new one:
`.venv/bin/python -m tests.simulator.recorded_run`
"""

from pathlib import Path

from tests.end_to_end.conftest import photo, running, until

STORED = Path(__file__).parent / "recordings" / "four_buffers.jsonl"
BUFFERS = ("sns", "sqs", "kinesis", "kinesis-efo")
EACH = 6


def record(path: Path) -> None:
    """Send a few requests to each buffer, more at a time than there are environments; the recording goes to `path`."""
    with running("--record-decisions", str(path), "--account-concurrency", "3", "--rekognition-median-ms", "30") as up:
        for _ in range(EACH):
            for buffer in BUFFERS:
                assert up.post(buffer, photo("camera.jpg")).status_code == 202
        until(lambda: all(up.state(buffer)["completed"] == EACH for buffer in BUFFERS), "an end to every delivery")


if __name__ == "__main__":
    record(STORED)
