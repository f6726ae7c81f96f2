"""The search for cycles is off while a simulation runs; there must be none, and it must be on again after."""

import gc

import pytest

from simulator.engine import uncollected
from simulator.scenario import Burst, Downstream, Function, MappingSettings, Scenario
from simulator.simulation import simulate


def test_it_is_on_again_after_an_error_as_well():
    def fail():
        assert not gc.isenabled()
        raise KeyError

    with pytest.raises(KeyError), uncollected():
        fail()
    assert gc.isenabled()


def test_who_has_it_off_keeps_it_off():
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.parametrize("buffer", ["sns", "sqs", "sqs-fifo", "kinesis", "kinesis-efo"])
def test_the_machines_make_no_cycles(buffer):
    """What lies in one would stay in memory to the end of the run."""
    scenario = Scenario(
        buffer=buffer,
        arrivals=Burst(1_000),
        until_s=60,
        mapping=MappingSettings(shards=4),
        function=Function(error_rate=0.2),
        downstream=Downstream(rate_per_s=100),
    )
    found = []
    gc.collect()
    gc.freeze()
    try:
        simulate(scenario, progress=lambda _: found.append(gc.collect()))
    finally:
        gc.unfreeze()
    # To set up the compiled downstream makes some; after the first second there are none.
    assert len(found) > 2
    assert sum(found[1:]) == 0
