from ipaddress import ip_address

import pytest

from pipeline.callback_url import TestReceiver
from pipeline.intake_settings import IntakeSettings
from pipeline.settings import SettingsError

GOOD = {
    "RESULTS_TABLE": "results",
    "RESULT_TTL_DAYS": "7",
    "IMAGE_BUCKET": "images",
    "TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:topic",
    "QUEUE_URL": "https://sqs/queue",
    "SQS_FIFO": "false",
    "STREAM_NAME": "stream",
    "KINESIS_EFO_STREAM_NAME": "efo",
    "SNS_PENDING_S": "21600",
    "SQS_PENDING_S": "345600",
    "KINESIS_PENDING_S": "604800",
    "CALLBACK_PORTS": "443, 8443",
    "CALLBACK_TEST_RECEIVER": "receiver.test=127.0.0.1:9000",
}
# A stack without enhanced fan-out, and one that nobody tests.
OPTIONAL = {"KINESIS_EFO_STREAM_NAME", "CALLBACK_TEST_RECEIVER"}


def test_the_environment_of_infra_yaml_is_read() -> None:
    assert IntakeSettings.from_environment({**GOOD, "PATH": "/bin"}) == IntakeSettings(
        results_table="results",
        result_ttl_days=7,
        image_bucket="images",
        topic_arn="arn:aws:sns:us-east-1:123456789012:topic",
        queue_url="https://sqs/queue",
        fifo=False,
        stream_name="stream",
        efo_stream_name="efo",
        pending_s={"sns": 21_600, "sqs": 345_600, "kinesis": 604_800, "kinesis-efo": 604_800},
        callback_ports=frozenset({443, 8_443}),
        callback_test_receiver=TestReceiver("receiver.test", ip_address("127.0.0.1"), 9_000),
    )


@pytest.mark.parametrize("name", sorted(OPTIONAL))
@pytest.mark.parametrize("value", [None, "", " "], ids=["missing", "empty", "blank"])
def test_what_a_stack_may_be_without_is_none(name: str, value: str | None) -> None:
    environment = {key: text for key, text in GOOD.items() if key != name} | ({} if value is None else {name: value})

    settings = IntakeSettings.from_environment(environment)

    assert {
        "KINESIS_EFO_STREAM_NAME": settings.efo_stream_name,
        "CALLBACK_TEST_RECEIVER": settings.callback_test_receiver,
    }[name] is None


@pytest.mark.parametrize("name", sorted(set(GOOD) - OPTIONAL))
def test_any_other_variable_that_is_not_set_names_itself_and_the_cure(name: str) -> None:
    with pytest.raises(SettingsError, match=f"the variable {name} is not set: set it to .*, as infra.yaml does"):
        IntakeSettings.from_environment({**GOOD, name: ""})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RESULT_TTL_DAYS", "0"),
        ("SQS_FIFO", "True"),
        ("SQS_FIFO", "1"),
        ("SNS_PENDING_S", "0"),
        ("KINESIS_PENDING_S", "1.5"),
        ("SQS_PENDING_S", "31536001"),
        ("CALLBACK_PORTS", "https"),
        ("CALLBACK_PORTS", "443,0"),
        ("CALLBACK_TEST_RECEIVER", "receiver.test"),
        ("CALLBACK_TEST_RECEIVER", "receiver.test=localhost:443"),
    ],
)
def test_a_wrong_variable_names_itself(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"the variable {name} is "):
        IntakeSettings.from_environment({**GOOD, name: value})
