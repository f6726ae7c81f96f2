"""What a measured turn costs, line by line, beside what AWS's price pages give by hand."""

import json
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.run import DEAD_LETTER_COLUMNS, OBSERVATION_COLUMNS, REQUEST_COLUMNS, RESULT_COLUMNS, RowWriter, RunFolder
from pipeline.units import NOTHING
from reports import cost_table
from reports.findings import find
from reports.scorecard import scorecard

if TYPE_CHECKING:
    from pathlib import Path

    from reports.cost import Cost
    from reports.findings import Findings

AT = 1_795_500_000_000.0
HOUR_MS = 3_600_000.0
PARAMETERS = {"FunctionMemory": 1024, "KinesisShardCount": 4, "SqsFifo": "false", "SqsMinimumPollers": 0}
IMAGES = {
    "small": {"bytes": 9_000, "record_bytes": 12_000, "uploaded": False},
    "large": {"bytes": 75_000, "record_bytes": 100_000, "uploaded": False},
    "stored": {"bytes": 900_000, "record_bytes": 400, "uploaded": True},
}


def run_of(path: "Path", buffer: str, requests: int = 100, **described: Any) -> "Findings":
    """An hour in which one request in ten carries the large image, in ten batches of ten that took two seconds each."""
    folder = RunFolder(path)
    image = described.pop("image", None)
    errors = described.pop("errors", {})
    with (
        RowWriter(folder.requests(0), REQUEST_COLUMNS) as sent,
        RowWriter(folder.results, RESULT_COLUMNS) as results,
        RowWriter(folder.dead_letters, DEAD_LETTER_COLUMNS),
        RowWriter(folder.observations, OBSERVATION_COLUMNS),
    ):
        for n in range(requests):
            status, error = errors.get(n, (202, None))
            carried = image or ("small" if n % 10 else "large")
            due = AT + n * 1_000
            sent.write(buffer, n, due, due, due + 9, status, f"r{n}", error, carried, 1, None)
            if status == 202:
                began = AT + n // 10 * 60_000
                results.write(
                    buffer, n, f"r{n}", "SUCCEEDED", None, due, due + 5, began + 250, began + 2_240, began + 2_250,
                    500.0 if n < 10 else 0.0, 10, 1, 1, "e1", [],
                )  # fmt: skip
    turn = {"buffer": buffer, "started_at": AT, "ended_at": AT + HOUR_MS, "drained": True, "cut_off": False}
    folder.describe(
        {
            "id": "r", "target": "local", "started_at": AT, "ended_at": AT + HOUR_MS, "seed": 1,
            "workload": {"name": "w", "buffers": [buffer]}, "images": IMAGES, "buffers": [turn],
            "options": {"parameters": PARAMETERS}, "valid": True, "invalid_because": [], "uncollected": False,
        }
        | described
    )  # fmt: skip
    return find(folder)


def cost_of(found: "Findings") -> "Cost":
    (buffer,) = found.buffers.values()
    assert buffer.cost is not None
    return buffer.cost


# Ten invocations of two seconds, and one cold start of half a second.
EVERY = {
    "API Gateway requests": (100, 3.50e-4),
    "Lambda requests": (10, 2e-6),
    "Lambda time": (20.5, 20.5 * 0.0000133334),
    "DynamoDB writes": (100, 6.25e-5),
    "Rekognition images": (100, 0.1),
}


@pytest.mark.parametrize(
    ("why", "buffer", "lines"),
    [
        (
            "90 publishes of one unit and 10 of two; a delivery costs nothing",
            "sns",
            {"SNS publishes": (110, 5.5e-5)},
        ),
        (
            "a batch of ten is received in one call, of 208,000 bytes and so four units, and deleted in one",
            "sqs",
            {"SQS sends": (110, 4.4e-5), "SQS receives": (40, 1.6e-5), "SQS deletes": (10, 4e-6)},
        ),
        (
            "90 records of one PUT unit and 10 of four; four shards for an hour",
            "kinesis",
            {"Kinesis shards": (4, 0.06), "Kinesis PUT units": (130, 1.82e-6)},
        ),
        (
            "the consumer is paid by the shard, and by what it is sent",
            "kinesis-efo",
            {
                "Kinesis shards": (4, 0.06),
                "Kinesis PUT units": (130, 1.82e-6),
                "enhanced fan-out, shards": (4, 0.06),
                "enhanced fan-out, data": (2_080_000 / 2**30, 2_080_000 / 2**30 * 0.013),
            },
        ),
    ],
)
def test_a_turns_bill_is_the_one_reckoned_by_hand(
    why: str, buffer: str, lines: dict[str, tuple[float, float]], tmp_path: "Path"
) -> None:
    cost = cost_of(run_of(tmp_path, buffer))
    wanted = EVERY | lines
    assert {item.item for item in cost.items} == set(wanted), why
    for item in cost.items:
        quantity, usd = wanted[item.item]
        assert item.quantity == pytest.approx(quantity, rel=1e-5, abs=1e-6), f"{item.item}: {why}"
        assert item.usd == pytest.approx(usd, rel=1e-3, abs=1e-6), f"{item.item}: {why}"
    assert cost.total == pytest.approx(sum(usd for _, usd in wanted.values()), rel=1e-6)


def test_it_is_given_for_a_million_accepted_and_for_a_million_delivered(tmp_path: "Path") -> None:
    found = run_of(tmp_path, "sqs")
    folder = RunFolder(tmp_path)
    folder.results.unlink()
    with RowWriter(folder.results, RESULT_COLUMNS) as results:
        for n in range(50):
            results.write("sqs", n, f"r{n}", "SUCCEEDED", None, *[AT] * 5, 0.0, 1, 1, 1, f"e{n}", [])
    half = cost_of(find(folder))
    whole = cost_of(found)
    assert whole.per_million_accepted == whole.per_million_delivered == pytest.approx(whole.total * 1e4)
    assert half.per_million_accepted == pytest.approx(half.total * 1e4)
    assert half.per_million_delivered == pytest.approx(half.total * 2e4)


def test_what_the_api_throttled_is_free_and_what_the_buffer_refused_is_not(tmp_path: "Path") -> None:
    free = (429, '{"message": "Too Many Requests", "remedy": "Send it again"}')
    paid = (429, '{"message": "The buffer is at its limit and did not take the request."}')
    unanswered = (0, "timed out")
    cost = cost_of(run_of(tmp_path, "sns", errors={1: free, 2: free, 3: paid, 4: unanswered}))
    quantities = {item.item: item.quantity for item in cost.items}
    assert quantities["API Gateway requests"] == 98
    assert quantities["SNS publishes"] == 110 - 4, "none of the four reached the topic"
    assert quantities["Rekognition images"] == 96


def test_an_uploaded_image_is_put_once_and_read_for_each_request(tmp_path: "Path") -> None:
    quantities = {item.item: item.quantity for item in cost_of(run_of(tmp_path, "sns", image="stored")).items}
    assert quantities["S3 uploads"] == 1
    assert quantities["S3 reads"] == 100
    assert quantities["SNS publishes"] == 100


def test_a_fifo_queue_has_its_own_price_and_pollers_are_paid_by_the_hour(tmp_path: "Path") -> None:
    # As a stack tells its parameters: texts.
    parameters = {"SqsFifo": "true", "SqsMinimumPollers": "3", "FunctionMemory": "512"}
    cost = cost_of(run_of(tmp_path, "sqs", options={"parameters": parameters}))
    lines = {item.item: item for item in cost.items}
    assert lines["SQS sends"].usd == pytest.approx(110 * 0.5e-6, abs=1e-6)
    assert lines["provisioned pollers"].quantity == 3
    assert lines["provisioned pollers"].usd == pytest.approx(0.02775)
    assert lines["Lambda time"].quantity == 10.25


@pytest.mark.parametrize(
    ("why", "buffer", "described", "lacks", "says"),
    [
        ("empty receives are nobody's to see", "sqs", {}, "SQS empty receives", "receives that came back empty"),
        ("sizes that are not told", "sns", {"images": {}}, "SNS publishes", "the size of a record"),
        ("memory that is not told", "sns", {"options": None}, "Lambda time", "the function's time"),
        ("shards that are not told", "kinesis", {"options": None}, "Kinesis shards", "shards: the run does not tell"),
    ],
)
def test_what_was_not_seen_has_no_line_and_is_named(
    why: str, buffer: str, described: dict[str, Any], lacks: str, says: str, tmp_path: "Path"
) -> None:
    cost = cost_of(run_of(tmp_path, buffer, **described))
    assert lacks not in {item.item for item in cost.items}, why
    assert any(says in text for text in cost.unobserved), why
    assert any("logs" in text for text in cost.unobserved)


def test_the_scorecard_has_it_with_the_date_of_its_prices(sample_findings: "Findings") -> None:
    card = json.loads(json.dumps(scorecard(sample_findings)))["buffers"]["kinesis"]["cost"]
    assert (card["currency"], card["region"]) == ("USD", "us-east-1")
    assert card["prices_as_of"] >= "2026-10"
    assert card["total"] == pytest.approx(sum(line["usd"] for line in card["lines"]), abs=1e-5)
    assert {"item", "quantity", "unit", "usd"} == set(card["lines"][0])


def test_the_page_never_calls_it_a_bill_of_what_ran_here(sample_findings: "Findings") -> None:
    assert "nothing was paid here, and it is not a bill" in cost_table.said(sample_findings)
    table = {title: cells for title, cells, _ in cost_table.rows(list(sample_findings.buffers.values()))}
    accepted = sample_findings.buffers["sqs"].cost
    assert accepted is not None
    column = list(sample_findings.buffers).index("sqs")
    assert table["a million accepted"][column] == f"{accepted.per_million_accepted:,.0f}"
    lines = [float(cells[column].replace(",", "")) for cells in list(table.values())[:-4] if cells[column] != NOTHING]
    assert sum(lines) == pytest.approx(accepted.per_million_accepted, abs=1)
    images = next(item.usd for item in accepted.items if item.item == "Rekognition images")
    rest = (accepted.total - images) / sample_findings.buffers["sqs"].account.accepted * 1e6
    assert table["without Rekognition"][column] == f"{rest:,.2f}"
    # The door, then each buffer's own, then what they have in common.
    titles = list(table)
    assert titles[0] == "API Gateway requests"
    assert titles.index("SNS publishes") < titles.index("SQS sends") < titles.index("Kinesis shards")
    assert titles.index("Kinesis shards") < titles.index("Lambda requests") < titles.index("S3 reads")
