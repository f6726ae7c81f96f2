"""The stack: what infra.yaml gives to those who use it, by the names of its outputs."""

from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

from pipeline.request import BUFFERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_cloudformation import CloudFormationClient

    from pipeline.request import Buffer

_UNUSABLE = frozenset({"DELETE_COMPLETE", "ROLLBACK_COMPLETE"})


class StackError(Exception):
    """A stack that is not there, or is not one of ours; the text says which and what to do."""


@dataclass(frozen=True, slots=True)
class Stack:
    """The outputs of infra.yaml. URLs are whole; `api_url` ends before `/v1`, without a slash.

    What belongs to `kinesis-efo` is None in a stack without enhanced fan-out (KinesisFanOut false). `authentication` is
    what callers have to show (pipeline/authentication.py); a stack that does not say asks nobody.
    """

    api_url: str
    stream_name: str
    queue_url: str
    topic_arn: str
    results_table: str
    results_by_run_index: str
    image_bucket: str
    sqs_dead_letter_queue_url: str
    sns_failure_queue_url: str
    kinesis_failure_bucket: str
    sns_function_name: str
    sqs_function_name: str
    kinesis_function_name: str
    web_socket_url: str
    sync_function_name: str
    request_handler_function_name: str
    callback_function_name: str
    push_function_name: str
    web_socket_function_name: str
    callback_queue_url: str
    callback_dead_letter_queue_url: str
    push_queue_url: str
    push_dead_letter_queue_url: str
    callback_secret_arn: str
    connections_table: str
    watchers_table: str
    callbacks_table: str
    kinesis_efo_stream_name: str | None = None
    kinesis_efo_consumer_arn: str | None = None
    kinesis_efo_failure_bucket: str | None = None
    kinesis_efo_function_name: str | None = None
    authentication: str = "NONE"
    api_key_id: str | None = None

    @classmethod
    def from_outputs(cls, outputs: "Mapping[str, str]") -> "Stack":
        """Read CloudFormation outputs, named as the fields in CamelCase (`ApiUrl`, `SqsDeadLetterQueueUrl`).

        Raises:
            StackError: an output is missing.
        """
        names = {field.name: output_name(field.name) for field in fields(cls)}
        optional = {field.name for field in fields(cls) if field.default is not MISSING}
        missing = [name for field, name in names.items() if name not in outputs and field not in optional]
        if missing:
            raise StackError(f"the stack has no output {', '.join(missing)}: was it made from this infra.yaml?")
        return cls(**{field: outputs[name] for field, name in names.items() if name in outputs})

    @property
    def buffers(self) -> "tuple[Buffer, ...]":
        """The buffers it has."""
        return tuple(buffer for buffer in BUFFERS if buffer != "kinesis-efo" or self.kinesis_efo_stream_name)


def describe(client: "CloudFormationClient", name: str) -> Stack:
    """The stack of that name, in the client's account and Region.

    Raises:
        StackError: it is not there, not finished, not one of ours, or AWS cannot be asked.
    """
    region = client.meta.region_name
    try:
        stack = client.describe_stacks(StackName=name)["Stacks"][0]
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise StackError(f"no AWS credentials: {error}; set AWS_PROFILE or the AWS_ variables") from None
    except ClientError as error:
        message = error.response["Error"].get("Message", "")
        # What CloudFormation says of a stack that is not there is a ValidationError like any other.
        if "does not exist" in message:
            raise StackError(
                f"there is no stack {name} in {region}: deploy it, or name another one, or another Region by "
                "AWS_DEFAULT_REGION"
            ) from None
        raise StackError(
            f"CloudFormation did not describe the stack {name} in {region}: {message or error}; "
            "check the credentials and the right to cloudformation:DescribeStacks"
        ) from None
    except BotoCoreError as error:
        raise StackError(f"CloudFormation in {region} cannot be reached: {error}") from None
    status = stack["StackStatus"]
    if not status.endswith("_COMPLETE") or status in _UNUSABLE:
        raise StackError(f"the stack {name} in {region} is {status}: wait until it is complete, or deploy it anew")
    return Stack.from_outputs({output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())})


def output_name(field: str) -> str:
    """What infra.yaml calls the output that a field of `Stack` is read from."""
    return "".join(word.capitalize() for word in field.split("_"))
