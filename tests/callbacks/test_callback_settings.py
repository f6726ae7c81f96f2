from ipaddress import ip_address

import pytest

from pipeline.callback_settings import CallbackSettings
from pipeline.callback_url import TestReceiver
from pipeline.settings import SettingsError

VARIABLES = {
    "RESULTS_TABLE": "results",
    "CALLBACKS_TABLE": "callbacks",
    "CALLBACK_QUEUE_URL": "https://sqs/1",
    "CALLBACK_DEAD_LETTER_QUEUE_URL": "https://sqs/2",
    "CALLBACK_SECRET_ARN": "arn:secret",
    "CALLBACK_PORTS": "443,8443",
    "CALLBACK_MAXIMUM_ATTEMPTS": "8",
    "CALLBACK_FIRST_RETRY_S": "5",
    "CALLBACK_TIMEOUT_S": "10",
    "CALLBACK_TEST_RECEIVER": "",
    "CALLBACK_TEST_CERTIFICATE": "",
}


def test_the_settings_are_read_from_the_functions_variables() -> None:
    assert CallbackSettings.from_environment(VARIABLES) == CallbackSettings(
        results_table="results",
        callbacks_table="callbacks",
        queue_url="https://sqs/1",
        dead_letter_queue_url="https://sqs/2",
        secret_arn="arn:secret",
        ports=frozenset({443, 8443}),
        maximum_attempts=8,
        first_retry_s=5,
        timeout_s=10,
        test_receiver=None,
        test_certificate="",
    )


def test_a_test_receiver_is_there_only_if_it_is_named() -> None:
    named = CallbackSettings.from_environment(VARIABLES | {"CALLBACK_TEST_RECEIVER": "receiver.test=127.0.0.1:8443"})
    assert named.test_receiver == TestReceiver("receiver.test", ip_address("127.0.0.1"), 8443)
    absent = {name: value for name, value in VARIABLES.items() if "TEST" not in name}
    assert CallbackSettings.from_environment(absent).test_receiver is None


@pytest.mark.parametrize(
    ("name", "wrong", "said"),
    [
        *((name, "", name) for name in VARIABLES if "TEST" not in name),
        ("CALLBACK_PORTS", "https", "443,8443"),
        ("CALLBACK_MAXIMUM_ATTEMPTS", "0", "from 1 to 100"),
        ("CALLBACK_FIRST_RETRY_S", "-1", "from 0 to 900"),
        ("CALLBACK_FIRST_RETRY_S", "1.5", "whole number"),
        ("CALLBACK_TIMEOUT_S", "0", "from 1 to 600"),
        ("CALLBACK_TEST_RECEIVER", "127.0.0.1", "receiver.test=127.0.0.1:8443"),
    ],
)
def test_what_is_missing_or_wrong_is_named_with_its_cure(name: str, wrong: str, said: str) -> None:
    with pytest.raises(SettingsError, match=name) as caught:
        CallbackSettings.from_environment(VARIABLES | {name: wrong})
    assert said in str(caught.value)
