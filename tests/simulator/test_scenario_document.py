"""What a report says was simulated can be simulated again."""

from dataclasses import fields, replace

import pytest
import yaml

from simulator.duration import Fixed, Lognormal, RecordedTimes, Transit
from simulator.scenario import (
    BUFFERS,
    Burst,
    Downstream,
    Function,
    Hot,
    MappingSettings,
    Provisioned,
    Rate,
    RecordedKeys,
    Scenario,
    Zipf,
)
from simulator.scenario_document import SETTINGS, arrivals, document
from simulator.scenario_file import SCENARIOS, read


@pytest.mark.parametrize(
    "scenario",
    [
        *(read(path) for path in sorted(SCENARIOS.glob("*.yaml"))),
        *(Scenario(buffer=buffer) for buffer in BUFFERS),
        Scenario(
            arrivals=Rate(((0.0, 1.0), (5.0, 9.5)), poisson=False), transit_ms=Transit(5.0, rare=0.1, rare_ms=3.0)
        ),
        Scenario(buffer="kinesis", partition_keys=Hot(9, 0.25), mapping=MappingSettings(shards=None)),
        Scenario(buffer="sqs-fifo", partition_keys=Zipf(9, 1.1), mapping=MappingSettings(max_receive_count=None)),
        Scenario(mapping=MappingSettings(provisioned=Provisioned(2, 9)), downstream=Downstream(9.0, None)),
        Scenario(function=Function(invocation_ms=Lognormal(5.0, 40.0))),
        Scenario(transit_ms=Fixed(4.0), api=True, quotas={"sqs_pollers_max": 7, "account_concurrency": 9}),
    ],
    ids=lambda scenario: f"{scenario.name}-{scenario.buffer}",
)
def test_a_document_read_again_is_the_same_scenario(scenario, tmp_path):
    path = tmp_path / "again.yaml"
    path.write_text(yaml.safe_dump(document(scenario), sort_keys=False), encoding="utf-8")

    again = read(path)

    assert again.arrivals == scenario.arrivals
    # A setting that does nothing for the buffer is not told, and has its default again.
    told = {name: getattr(scenario.mapping, name) for name in SETTINGS[scenario.buffer]}
    assert again.mapping == MappingSettings(**told)
    for name in ("name", "seed", "until_s", "buffer", "payload_bytes", "function", "api", "transit_ms", "quotas"):
        assert getattr(again, name) == getattr(scenario, name)


def test_every_setting_is_one_of_some_buffer():
    assert {name for names in SETTINGS.values() for name in names} == {entry.name for entry in fields(MappingSettings)}
    assert list(SETTINGS) == list(BUFFERS)


def test_what_does_nothing_is_not_told():
    told = document(Scenario(buffer="sns"))

    assert "partition_keys" not in told
    assert "downstream" not in told
    assert "batch_size" not in told["mapping"]
    assert document(replace(Scenario(), downstream=Downstream(50.0)))["downstream"]["rate_per_s"] == 50.0


def test_of_recorded_keys_and_times_the_number_is_told():
    function = Function(per_record_ms=RecordedTimes((1.0, 2.0)))
    told = document(Scenario(buffer="kinesis", partition_keys=RecordedKeys((1, 2, 2)), function=function))

    assert told["partition_keys"] == {"recorded": 3}
    assert told["function"]["per_record_ms"] == {"recorded": 2}


def test_arrivals_are_told_by_their_kind():
    assert arrivals(Burst(5)) == {"burst": 5}
