"""The words for a terminal say what is true of a result, and nothing that is not."""

import re

import pytest

from simulator.duration import Fixed
from simulator.scenario import Burst, Function, MappingSettings, Rate, Scenario
from simulator.simulation import simulate
from simulator.summary import summary


def words(*scenarios):
    return " ".join(summary([simulate(scenario) for scenario in scenarios]).split())


STEADY = Rate(((0.0, 10.0), (10.0, 10.0)), poisson=False)


@pytest.mark.parametrize(
    ("scenario", "says", "says_not"),
    [
        (
            Scenario(arrivals=STEADY),
            ["100 records were sent, and all were taken in. All were done, the last"],
            ["turned away", "Given up", "throttled for", "no end yet", "LOST"],
        ),
        (
            Scenario(arrivals=Burst(1)),
            ["1 record was sent, and all were taken in. All were done"],
            ["Half were done"],  # one sample is no median
        ),
        (
            Scenario(buffer="kinesis", arrivals=Burst(3_000), mapping=MappingSettings(shards=1, batch_size=100)),
            ["turned away (ProvisionedThroughputExceededException). Those taken in were done"],
            ["All were done"],
        ),
        (
            Scenario(
                buffer="sns",
                arrivals=Burst(50),
                mapping=MappingSettings(maximum_retry_attempts=0, on_failure=False),
                function=Function(poison_rate=1.0),
            ),
            ["0 of them were done", "Given up were 50 gone without a trace (RetriesExhausted)."],
            ["kept aside"],
        ),
        (
            Scenario(
                buffer="sns",
                arrivals=Burst(50),
                mapping=MappingSettings(maximum_retry_attempts=0),
                function=Function(poison_rate=1.0),
            ),
            ["Given up were 50 kept aside (RetriesExhausted)."],
            ["without a trace"],
        ),
        (
            Scenario(until_s=2.0, arrivals=Burst(100), function=Function(per_record_ms=Fixed(900))),
            ["had no end yet at second 2."],
            ["the last", "drained after 0"],
        ),
        (
            Scenario(buffer="sns", arrivals=Burst(100), function=Function(reserved_concurrency=5)),
            ["invocations were throttled for want of a free environment."],
            [],
        ),
    ],
)
def test_the_words_are_those_of_the_result(scenario, says, says_not):
    said = words(scenario)

    for text in says:
        assert text in said
    for text in says_not:
        assert text not in said


def test_a_column_a_result_and_each_row_the_same_number_of_cells():
    results = [simulate(Scenario(name=name, arrivals=STEADY)) for name in ("one", "other")]

    lines = summary(results).splitlines()
    table = [line for line in lines if re.match(r"(offered|lost|throttles|US\$)", line)]

    assert len(table) == 5
    assert {len(line) for line in table} == {len(table[0])}
    assert "SQS, one: " in summary(results)
    assert "SQS, other: " in summary(results)
