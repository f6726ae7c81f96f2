"""The settings of the callbacks: which URLs are called, how often and how long each is tried."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pipeline.callback_url import TestReceiver, ports_from_text
from pipeline.settings import SettingsError, text_setting, whole_setting

if TYPE_CHECKING:
    from collections.abc import Mapping

# Fifteen minutes apart, a hundred take a day.
_MOST_ATTEMPTS: Final = 100
# A function has 15 minutes at the most, and its lease outlasts an attempt.
_LONGEST_TIMEOUT_S: Final = 600
LONGEST_RETRY_S: Final = 900


@dataclass(frozen=True, slots=True)
class CallbackSettings:
    """What the callback function needs to know.

    `first_retry_s` is how long the second attempt waits, `timeout_s` the time of one whole attempt. `test_certificate`
    is the PEM that is trusted for the test receiver, and for nothing else; empty for none.
    """

    results_table: str
    callbacks_table: str
    queue_url: str
    dead_letter_queue_url: str
    secret_arn: str
    ports: frozenset[int]
    maximum_attempts: int
    first_retry_s: int
    timeout_s: int
    test_receiver: TestReceiver | None
    test_certificate: str

    @classmethod
    def from_environment(cls, environment: "Mapping[str, str]") -> "CallbackSettings":
        """Read the variables RESULTS_TABLE, CALLBACKS_TABLE and those that begin with CALLBACK_.

        Raises:
            SettingsError: one is missing or wrong.
        """
        return cls(
            results_table=text_setting(environment, "RESULTS_TABLE", "the name of the results table"),
            callbacks_table=text_setting(environment, "CALLBACKS_TABLE", "the name of the callbacks table"),
            queue_url=text_setting(environment, "CALLBACK_QUEUE_URL", "the URL of the callbacks' queue"),
            dead_letter_queue_url=text_setting(
                environment, "CALLBACK_DEAD_LETTER_QUEUE_URL", "the URL of the callbacks' dead-letter queue"
            ),
            secret_arn=text_setting(environment, "CALLBACK_SECRET_ARN", "the ARN of the secret that signs callbacks"),
            ports=callback_ports(environment),
            maximum_attempts=whole_setting(
                environment, "CALLBACK_MAXIMUM_ATTEMPTS", "a whole number", 1, _MOST_ATTEMPTS
            ),
            first_retry_s=whole_setting(
                environment, "CALLBACK_FIRST_RETRY_S", "a whole number of seconds", 0, LONGEST_RETRY_S
            ),
            timeout_s=whole_setting(
                environment, "CALLBACK_TIMEOUT_S", "a whole number of seconds", 1, _LONGEST_TIMEOUT_S
            ),
            test_receiver=callback_test_receiver(environment),
            test_certificate=environment.get("CALLBACK_TEST_CERTIFICATE", "").strip(),
        )


def callback_ports(environment: "Mapping[str, str]") -> frozenset[int]:
    """Read the variable CALLBACK_PORTS.

    Raises:
        SettingsError: it is missing, or no comma list of ports.
    """
    text = text_setting(environment, "CALLBACK_PORTS", "a comma list of ports, such as 443")
    try:
        return ports_from_text(text)
    except ValueError as error:
        raise SettingsError(f"the variable CALLBACK_PORTS is wrong: {error}") from None


def callback_test_receiver(environment: "Mapping[str, str]") -> TestReceiver | None:
    """Read the variable CALLBACK_TEST_RECEIVER; None if it is not set or empty, as it is by default.

    Raises:
        SettingsError: it is not of the form NAME=ADDRESS:PORT.
    """
    try:
        return TestReceiver.from_text(environment.get("CALLBACK_TEST_RECEIVER", ""))
    except ValueError as error:
        raise SettingsError(f"the variable CALLBACK_TEST_RECEIVER is wrong: {error}") from None
