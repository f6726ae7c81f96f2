"""The parameters to paste are infra.yaml's own, within its ranges."""

import shlex
from pathlib import Path

import pytest
import yaml

from local.template import load
from pipeline.deployment import deploy
from simulator.planner import grid, template
from simulator.planner.candidate import Candidate
from simulator.scenario import MappingSettings, Provisioned

PARAMETERS = load(Path(__file__).parents[3] / "infra.yaml").document["Parameters"]


def refusal(name, value):
    """Why CloudFormation refuses a value; None if it does not."""
    known = PARAMETERS.get(name)
    if known is None:
        return f"there is no parameter {name}"
    if "AllowedValues" in known and value not in [str(allowed) for allowed in known["AllowedValues"]]:
        return f"{name}={value} is none of {known['AllowedValues']}"
    if known["Type"] == "Number" and not known.get("MinValue", 0) <= float(value) <= known.get("MaxValue", 1e9):
        return f"{name}={value} is outside {known.get('MinValue')} to {known.get('MaxValue')}"
    return None


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("spike_per_s", [20.0, 1_000.0, 20_000.0])
def test_every_candidate_can_be_deployed(question, spike_per_s, ordered):
    asked = question(spike_per_s=spike_per_s, ordered=ordered, api=True)
    for candidate in grid.everything(asked):
        refused = {name: refusal(name, value) for name, value in template.parameters(asked, candidate).items()}
        assert not any(refused.values()), (candidate, refused)


def test_a_queue_is_described_with_its_knobs(question):
    pollers = Candidate(
        "sqs", MappingSettings(batch_size=10, provisioned=Provisioned(3, 6), visibility_timeout_s=180.0)
    )
    found = template.parameters(question(api=False), pollers)
    assert (found["SqsMinimumPollers"], found["SqsMaximumPollers"], found["SqsFifo"]) == ("3", "6", "false")
    assert "SqsMaximumConcurrency" not in found
    assert not any(name.startswith(("Kinesis", "Sns")) for name in found)


def test_the_two_forms_say_the_same_and_the_command_is_one_that_there_is():
    found = {"SqsBatchSize": "10", "SqsFifo": "false"}
    forebay, name, *pasted = shlex.split(template.as_command(found))
    assert (forebay, name) == ("forebay", deploy.name)
    given = deploy.make_context(name, pasted).params
    assert given["name"] == "forebay"
    assert given["parameters"] == ("SqsBatchSize=10", "SqsFifo=false")
    assert yaml.safe_load(template.as_yaml(found)) == found


def test_what_no_parameter_sets_is_said(question):
    fifo = Candidate("sqs-fifo", MappingSettings(batch_size=10, maximum_concurrency=10, high_throughput=True))
    asked = question(quotas={"api_requests_per_s": 20_000})
    needs = " ".join(template.beyond(asked, fifo))
    assert "FifoThroughputLimit" in needs
    assert "ThrottleRate" in needs
    assert not template.beyond(question(), Candidate("sns", MappingSettings()))
