"""Fuzz for as long as you like: `python -m tests.fuzz --minutes 10`.

Targets take turns with seeds that go up, so that a run that finds something can be begun there again. A failure is told
with its smallest input, and the others go on; the exit code is 1 then.
"""

import resource
import sys
import time
import traceback

import click

from tests.fuzz.runner import TARGETS, feed, resident_mib
from tests.fuzz.served import SERVED
from tests.fuzz.target import Target

# An example that asks for more at once fails there, and not the machine.
_MOST_MEMORY_MIB = 2_048
# What caches and allocators may take after the first rounds.
_MOST_GROWTH_MIB = 150
_SETTLED_AFTER = 3


@click.command()
@click.option("--minutes", type=float, default=10.0, show_default=True)
@click.option("--seed", "first", type=int, default=0, show_default=True, help="The first round's; one more each round.")
@click.option("--examples", type=int, default=200, show_default=True, help="Of each target, each round.")
@click.option("--target", "only", multiple=True, help="Only this one; may be given again. Without it, all.")
def main(minutes: float, first: int, examples: int, only: tuple[str, ...]) -> None:
    """Feed every target until the time is up."""
    chosen = [target for target in TARGETS if not only or target.name in only]
    if not chosen:
        raise click.UsageError(f"there is no such target: choose of {', '.join(target.name for target in TARGETS)}")
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (_MOST_MEMORY_MIB << 20, hard))
    try:
        sys.exit(_run(chosen, minutes, first, examples))
    finally:
        SERVED.close()


def _run(chosen: list[Target], minutes: float, first: int, examples: int) -> int:
    until = time.monotonic() + minutes * 60
    failed: dict[str, int] = {}
    fed, at, settled = 0, first, 0.0
    while time.monotonic() < until:
        for target in chosen:
            if target.name in failed or time.monotonic() >= until:
                continue
            try:
                feed(target, examples=examples, from_seed=at)
            except Exception:  # noqa: BLE001 (whatever it is, it is what is looked for)
                failed[target.name] = at
                click.echo(f"\n{target.name}, seed {at}:\n{traceback.format_exc()}", err=True)
            fed += examples
        at += 1
        resident = resident_mib()
        if at - first == _SETTLED_AFTER:
            settled = resident
        click.echo(f"round {at - first}: {fed:,} examples, {len(failed)} failed, {resident:.0f} MiB", err=True)
    grown = resident_mib() - settled if settled else 0.0
    click.echo(f"{fed:,} examples of {len(chosen)} targets, seeds {first} to {at - 1}; memory grew by {grown:.0f} MiB")
    for name, seed in failed.items():
        again = f"python -m tests.fuzz --target {name!r} --seed {seed} --examples {examples}"
        click.echo(f"FAILED {name}; again: {again}")
    if grown > _MOST_GROWTH_MIB:
        click.echo(f"FAILED: more than {_MOST_GROWTH_MIB} MiB")
    return 1 if failed or grown > _MOST_GROWTH_MIB else 0


if __name__ == "__main__":
    main()
