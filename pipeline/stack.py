"""The stack: what infra.yaml gives to those who use it, by the names of its outputs."""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class StackError(Exception):
    """A stack that is not there, or is not one of ours; the text says which and what to do."""


@dataclass(frozen=True, slots=True)
class Stack:
    """The outputs of infra.yaml. URLs are whole; `api_url` ends before `/v1`, without a slash."""

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

    @classmethod
    def from_outputs(cls, outputs: "Mapping[str, str]") -> "Stack":
        """Read CloudFormation outputs, named as the fields in CamelCase (`ApiUrl`, `SqsDeadLetterQueueUrl`).

        Raises:
            StackError: an output is missing.
        """
        names = {field.name: _output_name(field.name) for field in fields(cls)}
        missing = [name for name in names.values() if name not in outputs]
        if missing:
            raise StackError(f"the stack has no output {', '.join(missing)}: was it made from this infra.yaml?")
        return cls(**{field: outputs[name] for field, name in names.items()})


def _output_name(field: str) -> str:
    return "".join(word.capitalize() for word in field.split("_"))
