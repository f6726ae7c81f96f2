"""How many messages a second the simulator plays, beside a SimPy model of the same case.

    python -m benchmarks.simulator                        1 M messages a case, each case ours and SimPy's in turn
    python -m benchmarks.simulator --scaling              ours from 10 k to 10 M: what a message costs as they grow

Runs on one core and counts that core's time. Large simulations are played by compiled code (simulator/compiled), which
is kept on disk; to compile it, the first time, does not count. Bursts have AWS's default batches (SQS 10, Kinesis 100,
SNS always 1). Spikes are 2,000/s over a downstream that takes 50/s, whose throttles the SDK retries five times inside
the handler.
"""

import math
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import click

from benchmarks.simpy_model import Model
from simulator.compiled.kinesis import CompiledKinesis
from simulator.compiled.sns import CompiledSns
from simulator.compiled.sqs import CompiledSqs
from simulator.duration import Fixed
from simulator.scenario import Burst, Downstream, Function, MappingSettings, Rate, Scenario, Uniform
from simulator.simulation import simulate

_SPIKE_PER_S: Final = 2_000
_FOREVER_S: Final = 1e9
_SPREAD: Final = Uniform(1_000_000)


@dataclass(frozen=True, slots=True)
class Case:
    """A case at any size. `target` is what issue and docs ask for, messages a second."""

    name: str
    scenario: Callable[[int], Scenario]
    target: float


def _burst(buffer: str, messages: int, batch: int, record_ms: float) -> Scenario:
    return Scenario(
        buffer=buffer,  # type: ignore[arg-type]
        arrivals=Burst(messages),
        until_s=_FOREVER_S,
        payload_bytes=200,
        partition_keys=_SPREAD,
        # A shard takes 1,000 records in its burst second; a tenth more, so that few records are refused by chance.
        mapping=MappingSettings(batch_size=batch, shards=max(1, math.ceil(messages / 900))),
        function=Function(cold_start_ms=Fixed(300), per_record_ms=Fixed(record_ms)),
        # A publish quota of 30,000/s would refuse most of such a burst at the door.
        quotas={"sns_messages_per_s": 1e9},
    )


def _spike(buffer: str, messages: int, batch: int) -> Scenario:
    seconds = messages / _SPIKE_PER_S
    return Scenario(
        buffer=buffer,  # type: ignore[arg-type]
        arrivals=Rate(((0, _SPIKE_PER_S), (seconds, _SPIKE_PER_S))),
        until_s=_FOREVER_S,
        payload_bytes=200,
        partition_keys=_SPREAD,
        mapping=MappingSettings(batch_size=batch, shards=4),
        function=Function(cold_start_ms=Fixed(300), per_record_ms=Fixed(50)),
        downstream=Downstream(rate_per_s=50, sdk_attempts=5),
    )


CASES: Final = (
    Case("sqs burst", lambda n: _burst("sqs", n, 10, 5), 1_000_000),
    Case("kinesis burst", lambda n: _burst("kinesis", n, 100, 0.5), 1_200_000),
    Case("sns burst", lambda n: _burst("sns", n, 1, 50), 150_000),
    Case("sqs spike", lambda n: _spike("sqs", n, 10), 60_000),
    Case("kinesis spike", lambda n: _spike("kinesis", n, 100), 400_000),
    Case("sns spike", lambda n: _spike("sns", n, 1), 25_000),
)


@click.command()
@click.option("--messages", default=1_000_000, show_default=True, help="Messages a case.")
@click.option("--rounds", default=3, show_default=True, help="Turns of ours for each of SimPy's; the median counts.")
@click.option("--case", "wanted", multiple=True, help="Only the cases whose name holds this; may be given again.")
@click.option("--scaling", is_flag=True, help="Ours alone, from 10 k to 10 M messages.")
@click.option("--no-simpy", is_flag=True, help="Ours alone.")
def main(messages: int, rounds: int, wanted: tuple[str, ...], *, scaling: bool, no_simpy: bool) -> None:
    """Measure each case and print a table."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cases = [case for case in CASES if not wanted or any(part.lower() in case.name for part in wanted)]
    if not cases:
        raise click.BadParameter(f"no case is named so; there are {', '.join(case.name for case in CASES)}")
    for buffer, twin in (("sqs", CompiledSqs), ("sns", CompiledSns), ("kinesis", CompiledKinesis)):
        if not twin.is_compiled():
            click.echo(f"compiling what plays {buffer}", err=True)
            simulate(_spike(buffer, 500_000, 1))
    _ours(_spike("sqs", 1_000, 10))
    if scaling:
        _scale(cases)
        return
    click.echo(
        f"{'':14} {'messages/s':>11} {'events/s':>11} {'target':>10}   {'SimPy':>9} {'ratio':>6}   outcomes, ours first"
    )
    for case in cases:
        turns = [_ours(case.scenario(messages)) for _ in range(rounds)]
        seconds = statistics.median(turn[0] for turn in turns)
        _, events, found = turns[0]
        line = f"{case.name:14} {messages / seconds:11,.0f} {events / seconds:11,.0f} {case.target:10,.0f}"
        if no_simpy:
            click.echo(f"{line}   {found}")
            continue
        start = time.process_time()
        theirs = Model(case.scenario(messages)).run()
        took = time.process_time() - start
        click.echo(
            f"{line}   {messages / took:9,.0f} {took / seconds:5.1f}x   {found}; completed {theirs.completed:,}, "
            f"dead-lettered {theirs.dead_lettered:,}, rejected {theirs.rejected:,}, last end {theirs.last_end_s:,.0f} s"
        )


def _scale(cases: list[Case]) -> None:
    sizes = (10_000, 100_000, 1_000_000, 10_000_000)
    click.echo(f"{'us a message':14} " + " ".join(f"{size:>11,}" for size in sizes))
    for case in cases:
        costs = [_ours(case.scenario(size))[0] / size * 1e6 for size in sizes]
        click.echo(f"{case.name:14} " + " ".join(f"{cost:11.2f}" for cost in costs))


def _ours(scenario: Scenario) -> tuple[float, int, str]:
    """Seconds of the core, events, and what came of it. Drawing the arrivals is part of it, as it is of SimPy's."""
    start = time.process_time()
    result = simulate(scenario)
    seconds = time.process_time() - start
    found = (
        f"completed {result.completed:,}, dead-lettered {result.dead_lettered:,}, rejected {result.rejected:,}, "
        f"last end {0 if result.drain_s is None else result.drain_s + result.arrived_at[-1]:,.0f} s"
    )
    return seconds, result.events, found


if __name__ == "__main__":
    main()
