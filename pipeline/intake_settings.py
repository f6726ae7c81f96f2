"""The settings of a function that takes requests: where to put them, and which callback URLs are none."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pipeline.callback_settings import callback_ports, callback_test_receiver
from pipeline.settings import SettingsError, text_setting, whole_setting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.callback_url import TestReceiver
    from pipeline.request import Buffer

# Kinesis keeps a record for 365 days at the most, longer than the other two.
_LONGEST_PENDING_S: Final = 365 * 86_400


@dataclass(frozen=True, slots=True)
class IntakeSettings:
    """What an intake needs to know. `pending_s` is the longest that each buffer may hold a request.

    `efo_stream_name` is None in a stack without enhanced fan-out.
    """

    results_table: str
    result_ttl_days: int
    image_bucket: str
    topic_arn: str
    queue_url: str
    fifo: bool
    stream_name: str
    efo_stream_name: str | None
    pending_s: "Mapping[Buffer, int]"
    callback_ports: frozenset[int]
    callback_test_receiver: "TestReceiver | None"

    @classmethod
    def from_environment(cls, environment: "Mapping[str, str]") -> "IntakeSettings":
        """Read the variables that infra.yaml gives the request handler.

        Raises:
            SettingsError: one is missing or wrong.
        """
        kinesis_s = _pending_s(environment, "KINESIS_PENDING_S")
        return cls(
            results_table=text_setting(environment, "RESULTS_TABLE", "the name of the results table"),
            result_ttl_days=whole_setting(environment, "RESULT_TTL_DAYS", "a whole number of days", 1, 3_650),
            image_bucket=text_setting(environment, "IMAGE_BUCKET", "the name of the image bucket"),
            topic_arn=text_setting(environment, "TOPIC_ARN", "the ARN of the topic"),
            queue_url=text_setting(environment, "QUEUE_URL", "the URL of the queue"),
            fifo=_flag(environment, "SQS_FIFO"),
            stream_name=text_setting(environment, "STREAM_NAME", "the name of the polled stream"),
            efo_stream_name=environment.get("KINESIS_EFO_STREAM_NAME", "").strip() or None,
            pending_s={
                "sns": _pending_s(environment, "SNS_PENDING_S"),
                "sqs": _pending_s(environment, "SQS_PENDING_S"),
                "kinesis": kinesis_s,
                "kinesis-efo": kinesis_s,
            },
            callback_ports=callback_ports(environment),
            callback_test_receiver=callback_test_receiver(environment),
        )


def _pending_s(environment: "Mapping[str, str]", name: str) -> int:
    return whole_setting(environment, name, "a whole number of seconds", 1, _LONGEST_PENDING_S)


def _flag(environment: "Mapping[str, str]", name: str) -> bool:
    text = text_setting(environment, name, "true or false")
    if text not in ("true", "false"):
        raise SettingsError(f"the variable {name} is {text[:80]!r}: set it to true or false")
    return text == "true"
