"""The real thing: a quota of Rekognition's that is too small, dead letters behind every buffer, and all back again."""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import FOREBAY, photo, running, until

pytestmark = [pytest.mark.end_to_end, pytest.mark.long]

BUFFERS = ("sns", "sqs", "kinesis", "kinesis-efo")
EACH = 15


def redrive(*arguments: str) -> dict[str, Any]:
    answer = subprocess.run([str(FOREBAY), "redrive", *arguments], capture_output=True, text=True, timeout=120)
    assert answer.returncode == 0, answer.stderr
    return dict(json.loads(answer.stdout))


def test_what_the_quota_left_undone_is_replayed_until_every_request_is_answered(tmp_path: Path) -> None:
    given_up_at_once = (
        *("FunctionTimeout=3", "SqsVisibilityTimeout=18", "SqsMaxReceiveCount=1"),
        *("SnsMaximumRetryAttempts=0", "KinesisMaximumRetryAttempts=0"),
    )
    parameters = [part for each in given_up_at_once for part in ("--parameter", each)]
    with running("--rekognition-rate", "4", "--rekognition-median-ms", "30", *parameters) as up:
        ready = tmp_path / "ready.json"
        ready.write_text(json.dumps(up.ready) + "\n")
        body = photo("chelsea.jpg")
        with ThreadPoolExecutor(8) as threads:
            answers = threads.map(lambda buffer: up.post(buffer, body).json(), BUFFERS * EACH)
            accepted = [answer["request_id"] for answer in answers]
        table, sent = up.client("dynamodb"), dict.fromkeys(BUFFERS, 0)

        def all_answered() -> bool:
            replayed = redrive("replay", "--local", str(ready), "--all", "--json")
            for place in replayed["places"]:
                if place["place"] in sent:
                    sent[place["place"]] += place["sent"]
            items = table.scan(TableName=up.ready["outputs"]["ResultsTable"])["Items"]
            return {item["request_id"]["S"] for item in items if "status" in item} == set(accepted)

        until(all_answered, "a result of every request", within_s=300)
        left = redrive("show", "--local", str(ready), "--json")

    assert all(sent.values()), sent
    # What was given up beside a request that was done in the same batch may still lie there, with its result.
    assert all(each["done"] for place in left["places"] for each in place["requests"])
    assert not any(place["foreign"] for place in left["places"])
