"""Which of the template's parameters are said to be a buffer's own."""

from dataclasses import replace
from typing import TYPE_CHECKING

from reports.simulated import kind_of, own_parameters, shared_parameters

if TYPE_CHECKING:
    from reports.findings import Findings

PARAMETERS = {
    "FunctionMemory": 1024,
    "SnsMaximumEventAge": 60,
    "SqsBatchSize": 10,
    "SqsFifo": "false",
    "KinesisShardCount": 2,
    "KinesisReservedConcurrency": 3,
    "KinesisEfoReservedConcurrency": 4,
    "KinesisFanOut": "true",
}


def test_what_is_named_for_kinesis_is_that_of_both_streams_but_where_one_has_its_own(
    sample_findings: "Findings",
) -> None:
    run = replace(sample_findings.run, options={"parameters": PARAMETERS})

    assert own_parameters(run, "sns") == {"MaximumEventAge": 60}
    assert own_parameters(run, "sqs") == {"BatchSize": 10, "Fifo": "false"}
    assert own_parameters(run, "kinesis") == {"ShardCount": 2, "ReservedConcurrency": 3}
    assert own_parameters(run, "kinesis-efo") == {"ShardCount": 2, "ReservedConcurrency": 4}
    assert shared_parameters(run) == {"FunctionMemory": 1024, "KinesisFanOut": "true"}


def test_a_stacks_queue_may_be_a_fifo_one(sample_findings: "Findings") -> None:
    for fifo, kind in (("false", "sqs"), ("true", "sqs-fifo")):
        run = replace(sample_findings.run, options={"parameters": PARAMETERS | {"SqsFifo": fifo}})
        assert kind_of(run, "sqs") == kind
        assert kind_of(run, "kinesis") == "kinesis"


def test_a_buffer_nobody_knows_has_no_parameters_and_takes_none(sample_findings: "Findings") -> None:
    run = replace(sample_findings.run, options={"parameters": PARAMETERS})

    assert own_parameters(run, "-") == own_parameters(run, "fax") == {}
