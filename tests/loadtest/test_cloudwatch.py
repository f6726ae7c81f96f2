"""CloudWatch as the load test reads it.

The recorded answers have the shape that the API Reference documents for GetMetricData (MetricDataResults of Id, Label,
Timestamps, Values, StatusCode and Messages; Messages of Code and Value; NextToken), and botocore's Stubber holds them
to the service's own model. How a throttle is called is from the reports of exporters ("Throttling: Rate exceeded").
"""

from datetime import UTC, datetime

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.stub import ANY, Stubber
from moto import mock_aws

from loadtest._cloudwatch import read
from loadtest._cloudwatch_metrics import Metric, metrics_of
from loadtest._cloudwatch_monitoring import CloudWatchMonitoring, Reading
from loadtest._target import TargetError
from pipeline.run import MONITORING_COLUMNS
from pipeline.stack import Stack

# A whole minute: 2026-11-26 12:00:00 UTC.
NOON = 1_795_694_400

VISIBLE = Metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", ("QueueName", "q"), "Maximum")
THROTTLES = Metric("AWS/Lambda", "Throttles", ("FunctionName", "f"), "Sum")


@pytest.fixture
def client():
    return boto3.client(
        "cloudwatch", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x",
        config=Config(retries={"total_max_attempts": 1}),
    )  # fmt: skip


@pytest.fixture
def answers(client):
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def minute(number):
    return datetime.fromtimestamp(NOON + 60 * number, UTC)


def result(name, values, status="Complete", messages=()):
    """One metric's part of an answer; `values` by minutes since noon."""
    return {
        "Id": name, "Label": name, "StatusCode": status, "Messages": list(messages),
        "Timestamps": [minute(at) for at in values], "Values": [float(value) for value in values.values()],
    }  # fmt: skip


def answer(*results, token=None, messages=()):
    more = {} if token is None else {"NextToken": token}
    return {"MetricDataResults": list(results), "Messages": list(messages), **more}


def told(reading):
    return [(each.metric.name, (each.at - NOON) // 60, each.value) for each in reading.minutes]


def test_all_metrics_of_a_time_are_asked_in_one_call_by_whole_minutes(client, answers):
    expected = {
        "MetricDataQueries": [
            {
                "Id": "m0",
                "MetricStat": {
                    "Metric": {
                        "Namespace": "AWS/SQS", "MetricName": "ApproximateNumberOfMessagesVisible",
                        "Dimensions": [{"Name": "QueueName", "Value": "q"}],
                    },
                    "Period": 60, "Stat": "Maximum",
                },
            },
            {
                "Id": "m1",
                "MetricStat": {
                    "Metric": {
                        "Namespace": "AWS/Lambda", "MetricName": "Throttles",
                        "Dimensions": [{"Name": "FunctionName", "Value": "f"}],
                    },
                    "Period": 60, "Stat": "Sum",
                },
            },
        ],
        "StartTime": minute(0), "EndTime": minute(3), "ScanBy": "TimestampAscending",
    }  # fmt: skip
    answers.add_response("get_metric_data", answer(result("m0", {0: 3, 1: 7}), result("m1", {1: 2})), expected)

    reading = read(client, [VISIBLE, THROTTLES], NOON + 1, NOON + 121)

    assert told(reading) == [
        ("ApproximateNumberOfMessagesVisible", 0, 3.0), ("ApproximateNumberOfMessagesVisible", 1, 7.0),
        ("Throttles", 1, 2.0),
    ]  # fmt: skip
    assert reading.missing == ()


def test_pages_are_followed_and_a_metric_that_goes_on_over_them_is_whole(client, answers):
    answers.add_response("get_metric_data", answer(result("m0", {0: 1}, "PartialData"), token="next"))
    answers.add_response(
        "get_metric_data",
        answer(result("m0", {1: 2}), result("m1", {0: 5})),
        {"MetricDataQueries": ANY, "StartTime": ANY, "EndTime": ANY, "ScanBy": ANY, "NextToken": "next"},
    )

    reading = read(client, [VISIBLE, THROTTLES], NOON, NOON + 120)

    assert sorted(told(reading)) == [
        ("ApproximateNumberOfMessagesVisible", 0, 1.0), ("ApproximateNumberOfMessagesVisible", 1, 2.0),
        ("Throttles", 0, 5.0),
    ]  # fmt: skip
    assert reading.missing == ()


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        (answer(result("m0", {0: 1}, "PartialData")), "ApproximateNumberOfMessagesVisible: PartialData"),
        (answer(result("m0", {0: 1}, "InternalError")), "ApproximateNumberOfMessagesVisible: InternalError"),
        (
            answer(result("m0", {0: 1}, "Forbidden", [{"Code": "Forbidden", "Value": "not yours"}])),
            "ApproximateNumberOfMessagesVisible: Forbidden: not yours",
        ),
        (answer(), "ApproximateNumberOfMessagesVisible: not told"),
        (
            answer(result("m0", {0: 1}), messages=[{"Code": "MaxMetricsExceeded", "Value": "too many"}]),
            "MaxMetricsExceeded: too many",
        ),
    ],
)
def test_what_is_not_told_whole_is_named_and_the_rest_is_taken(client, answers, given, missing):
    answers.add_response("get_metric_data", given)

    reading = read(client, [VISIBLE], NOON, NOON + 60)

    assert reading.missing == (missing,)
    assert [value for _, _, value in told(reading)] == [
        value for each in given["MetricDataResults"] for value in each["Values"]
    ]


def test_a_minute_without_a_value_is_nothing_missing(client, answers):
    answers.add_response("get_metric_data", answer(result("m0", {})))

    reading = read(client, [VISIBLE], NOON, NOON + 60)

    assert (reading.minutes, reading.missing) == ((), ())


STACK = Stack(
    **dict.fromkeys(Stack.__dataclass_fields__, "x")
    | {
        "queue_url": "https://sqs.eu-west-1.amazonaws.com/123456789012/the-queue.fifo",
        "sns_function_name": "of-sns", "sqs_function_name": "of-sqs", "kinesis_function_name": "of-kinesis",
        "kinesis_efo_function_name": "of-efo", "sync_function_name": "of-sync",
    }
)  # fmt: skip


@pytest.mark.parametrize(
    ("buffer", "function", "further"),
    [
        ("sns", "of-sns", {"AsyncEventAge", "AsyncEventsDropped"}),
        (
            "sqs", "of-sqs",
            {
                "ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible",
                "ApproximateAgeOfOldestMessage",
            },
        ),
        ("kinesis", "of-kinesis", {"IteratorAge"}),
        ("kinesis-efo", "of-efo", {"IteratorAge"}),
        (None, "of-sync", set()),
    ],
)  # fmt: skip
def test_each_buffer_has_the_metrics_of_its_function_and_its_queue(buffer, function, further):
    metrics = metrics_of(STACK, buffer)

    assert {each.name for each in metrics} == {"Throttles", "ConcurrentExecutions"} | further
    for each in metrics:
        assert each.dimension == (
            ("QueueName", "the-queue.fifo") if each.namespace == "AWS/SQS" else ("FunctionName", function)
        )
        # Lambda's guide: counts by their sum; what is a level or an age, a minute's highest.
        assert each.statistic == ("Sum" if each.name in ("Throttles", "AsyncEventsDropped") else "Maximum")


class Clock:
    def __init__(self):
        self.now = NOON + 30.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def monitoring(client, clock):
    return CloudWatchMonitoring(client, STACK, clock)


# The metrics of kinesis in their order: Throttles, ConcurrentExecutions, IteratorAge.
def of_kinesis(throttles, concurrency, age):
    return answer(result("m0", throttles), result("m1", concurrency), result("m2", age))


def test_it_is_asked_once_a_minute_and_says_how_old_its_word_is(monitoring, answers, clock):
    assert monitoring.look("kinesis", "r.kinesis") == Reading()  # the turn begins
    clock.now += 59
    assert monitoring.look("kinesis", "r.kinesis") == Reading()
    answers.add_response("get_metric_data", of_kinesis({0: 4}, {0: 7}, {0: 2_500}))
    clock.now += 1

    # It is 12:01:30, and the minute from 12:00 to 12:01 is what is known.
    assert monitoring.look("kinesis", "r.kinesis") == Reading(4, 7, 2.5, 30.0)
    clock.now += 20
    assert monitoring.look("kinesis", "r.kinesis") == Reading(4, 7, 2.5, 50.0)


def test_throttles_are_those_since_the_turn_began_and_what_is_told_late_counts(monitoring, answers, clock):
    monitoring.look("kinesis", "r.kinesis")
    answers.add_response("get_metric_data", of_kinesis({0: 4}, {0: 7}, {}))
    answers.add_response("get_metric_data", of_kinesis({0: 6, 1: 1}, {0: 7, 1: 9}, {1: 100}))
    clock.now += 60
    monitoring.look("kinesis", "r.kinesis")
    clock.now += 60

    assert monitoring.look("kinesis", "r.kinesis") == Reading(7, 9, 0.1, 30.0)


def test_the_age_said_is_that_of_the_oldest_figure_shown(monitoring, answers, clock):
    monitoring.look("kinesis", "r.kinesis")
    answers.add_response("get_metric_data", of_kinesis({0: 1, 1: 0, 2: 0}, {0: 3}, {1: 1_000}))
    clock.now += 150

    assert monitoring.look("kinesis", "r.kinesis") == Reading(1, 3, 1.0, 120.0)


def test_what_has_not_been_told_for_minutes_is_not_shown_for_the_present(monitoring, answers, clock):
    monitoring.look("kinesis", "r.kinesis")
    answers.add_response("get_metric_data", of_kinesis({0: 1, 6: 0}, {0: 3}, {0: 1_000}))
    clock.now += 400

    assert monitoring.look("kinesis", "r.kinesis") == Reading(1, None, None, 10.0)


@pytest.mark.parametrize("code", ["Throttling", "ThrottlingException", "InternalServiceFault"])
def test_while_it_does_not_answer_its_last_word_stands_and_grows_older(monitoring, answers, clock, code):
    monitoring.look("kinesis", "r.kinesis")
    answers.add_response("get_metric_data", of_kinesis({0: 4}, {0: 7}, {0: 2_500}))
    answers.add_client_error("get_metric_data", code, "Rate exceeded", 400)
    clock.now += 60
    monitoring.look("kinesis", "r.kinesis")
    clock.now += 60

    assert monitoring.look("kinesis", "r.kinesis") == Reading(4, 7, 2.5, 90.0)
    # And not asked again and again.
    clock.now += 59
    assert monitoring.look("kinesis", "r.kinesis") == Reading(4, 7, 2.5, 149.0)


def test_credentials_that_may_not_ask_are_said_with_the_right_they_lack(monitoring, answers, clock):
    answers.add_client_error("get_metric_data", "AccessDenied", "is not authorized", 403)
    answers.add_client_error("get_metric_data", "AccessDeniedException", "is not authorized", 403)

    with pytest.raises(TargetError, match="cloudwatch:GetMetricData"):
        monitoring.check()
    monitoring.look("sqs", "r.sqs")
    clock.now += 60
    with pytest.raises(TargetError, match="cloudwatch:GetMetricData"):
        monitoring.look("sqs", "r.sqs")


def test_a_throttled_check_stops_no_run_and_an_endpoint_that_is_not_there_does(monitoring, answers, client):
    answers.add_client_error("get_metric_data", "Throttling", "Rate exceeded", 400)

    monitoring.check()

    class Unreachable:
        def get_paginator(self, _):
            raise EndpointConnectionError(endpoint_url="https://monitoring.example")

    with pytest.raises(TargetError, match="cannot be reached"):
        CloudWatchMonitoring(Unreachable(), STACK).check()


def test_after_a_turn_every_minute_of_it_is_told_as_rows(monitoring, answers, clock):
    monitoring.look("sns", "r.sns")
    answers.add_response(
        "get_metric_data",
        answer(result("m0", {0: 3}), result("m1", {0: 9}), result("m2", {1: 800}, "InternalError"), result("m3", {})),
        {"MetricDataQueries": ANY, "StartTime": minute(0), "EndTime": minute(3), "ScanBy": ANY},
    )
    clock.now = NOON + 400.0

    monitored = monitoring.told("sns", "r.sns", NOON + 150.0)

    rows = [dict(zip(MONITORING_COLUMNS, row, strict=True)) for row in monitored.rows]
    common = {"buffer": "sns", "period_s": 60, "read_at": (NOON + 400) * 1_000}
    assert rows == [
        {"metric": "Throttles", "statistic": "Sum", "at": NOON * 1_000, "value": 3.0} | common,
        {"metric": "ConcurrentExecutions", "statistic": "Maximum", "at": NOON * 1_000, "value": 9.0} | common,
        {"metric": "AsyncEventAge", "statistic": "Maximum", "at": (NOON + 60) * 1_000, "value": 800.0} | common,
    ]
    assert monitored.missing == ("sns: AsyncEventAge: InternalError",)


def test_a_turn_that_nothing_can_be_told_of_says_so(monitoring, answers):
    monitoring.look("sns", "r.sns")
    answers.add_client_error("get_metric_data", "Throttling", "Rate exceeded", 400)

    with pytest.raises(TargetError, match=r"does not tell of sns: .*Rate exceeded"):
        monitoring.told("sns", "r.sns", NOON + 150.0)


def test_an_emulated_cloudwatch_is_read_by_its_own_protocol(monkeypatch):
    with mock_aws():
        real = boto3.client("cloudwatch", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
        for at, value in ((5, 3.0), (50, 4.0), (70, 5.0)):
            real.put_metric_data(
                Namespace="AWS/Lambda",
                MetricData=[
                    {
                        "MetricName": "Throttles", "Dimensions": [{"Name": "FunctionName", "Value": "f"}],
                        "Timestamp": datetime.fromtimestamp(NOON + at, UTC), "Value": value,
                    }
                ],
            )  # fmt: skip

        reading = read(real, [THROTTLES, VISIBLE], NOON + 10, NOON + 100)

    assert told(reading) == [("Throttles", 0, 7.0), ("Throttles", 1, 5.0)]
    assert reading.missing == ()


def test_an_error_that_is_no_denial_is_raised_by_a_reading(client, answers):
    answers.add_client_error("get_metric_data", "InvalidParameterValue", "no", 400)

    with pytest.raises(ClientError):
        read(client, [VISIBLE], NOON, NOON + 60)
