"""The processes that run trials: all outcomes in their order, and none left behind."""

import multiprocessing
import signal
from functools import partial
from types import SimpleNamespace

import pytest

from simulator.planner.candidate import Candidate
from simulator.planner.crew import Crew, crew
from simulator.planner.trial import Trial
from simulator.scenario import MappingSettings

SMALL = Candidate("sqs", MappingSettings(batch_size=10, maximum_concurrency=5))


@pytest.fixture
def trials(question):
    asked = question(spike_per_s=100.0, spike_s=10.0, baseline_per_s=0.0)
    return [Trial(asked, SMALL, 1_000.0, seed) for seed in (1, 2, 3)]


def test_processes_give_what_one_gives_in_the_same_order(trials):
    advanced = []
    with crew(1) as alone, crew(2) as two:
        expected = alone.run(trials)
        assert two.run(trials, lambda: advanced.append(1)) == expected
    assert len(advanced) == 3
    assert len({outcome.latency_s for outcome in expected}) == 3
    assert not multiprocessing.active_children()


def test_an_error_on_the_way_ends_them(trials):
    before = multiprocessing.active_children()

    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), crew(2) as two:
        two.run(trials, interrupted)
    assert multiprocessing.active_children() == before


def test_a_process_does_not_hear_ctrl_c_from_its_first_moment_on_and_we_do():
    blocked = partial(signal.pthread_sigmask, signal.SIG_BLOCK)
    ours = blocked(())
    with crew(2, blocked) as two:
        # A process has it from its start: the initializer blocks nothing.
        assert all(signal.SIGINT in theirs for theirs in two.run([()] * 4))
    assert blocked(()) == ours


@pytest.fixture
def heard():
    """Ctrl-C is heard as at a terminal: a process that runs tests for another ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
def test_a_ctrl_c_while_processes_are_started_is_not_lost():
    def pressed(*_):
        signal.raise_signal(signal.SIGINT)
        started.append(1)

    started = []
    with pytest.raises(KeyboardInterrupt):
        Crew(SimpleNamespace(submit=pressed), None).run([None, None])
    assert len(started) == 2
