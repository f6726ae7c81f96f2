"""How many requests a second the load generator sends on time, beside what a user would pick instead, in one run.

    .venv/bin/python -m benchmarks.generator

All POST the same bytes to the same server, which answers at once. wrk shows what the server takes, Locust's own
FastHttpUser what a closed model reaches on one core. Forebay's load test then gets rate upon rate until its own check
calls the run not valid: on one core, and from two processes. At last it gets twice what it can.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import click

from benchmarks import wrk
from benchmarks.cpu_meter import CpuMeter
from benchmarks.fast_server import fast_server
from loadtest._image import prepare
from loadtest._workload import read
from pipeline.run import RunError, RunFolder, read_rows

_ROOT: Final = Path(__file__).parents[1]
_GENERATOR_CORE: Final = 0
_SERVER_CORE: Final = 1
_USERS: Final = 32
# A start has its own costs: connections are opened, and code runs for the first time.
_SETTLING_S: Final = 1.0
# A rate that fails once may have met another's work on the same cores; one that fails twice is too high.
_TRIES: Final = 2

_WORKLOAD: Final = """\
name: generator
why: As many requests a second as there can be.
seed: 3
route: /orders
rate: [[0, {rate}], [{seconds}, {rate}]]
cut_off_s: 30
images:
  - {{photo: coffee.jpg, width: 64}}
"""


class GeneratorError(Exception):
    """A part of the measurement failed; the text says which, and with what last words."""


@dataclass(frozen=True, slots=True)
class Rung:
    """What one rate came to. `answered_s` is per second, `cpu_us` the CPU time of a request in microseconds."""

    rate: int
    offered: int
    answered_s: float
    dropped: int
    p50: float
    p99: float
    cpu_us: float
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Driven:
    """What a load generator without a schedule reached, and with what CPU time a request."""

    per_second: float
    cpu_us: float


class Bench:
    """Drives one server; files go to `folder`. Each turn sends for `seconds`."""

    def __init__(self, url: str, folder: Path, seconds: int) -> None:
        self._url = url
        self._folder = folder
        self._seconds = seconds
        image = prepare(read(self._workload(1)).images[0])
        self._body = image.head + b'"20261126T000000Z-generator.route","sequence":0,"intended_at":1790000000000.000}}'

    def wrk(self) -> Driven:
        """wrk on one core: what the server takes."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        measured = wrk.post(
            f"{self._url}/orders", self._body.decode(), seconds=self._seconds, connections=_USERS, core=_GENERATOR_CORE
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if measured.failed:
            raise GeneratorError(f"{measured.failed} of wrk's requests failed")
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Driven(measured.per_second, 1e6 * used / measured.requests)

    def closed(self) -> Driven:
        """Locust's FastHttpUser on one core, each user as quick as it can."""
        written, body = self._folder / "closed.json", self._folder / "body"
        body.write_bytes(self._body)
        meter = self._locust(
            "-f", "benchmarks/closed_user.py", "--headless", "--host", self._url, "-u", str(_USERS), "-r", str(_USERS),
            "-t", f"{self._seconds}s", "--each", "1000000", "--body-from", str(body), "--written-to", str(written),
            cores={_GENERATOR_CORE}, accepted=(0,),
        )  # fmt: skip
        ends = sorted(start + ms / 1_000 for start, ms in json.loads(written.read_text(encoding="utf-8")))
        start, end = ends[0] + _SETTLING_S, ends[-1]
        within = sum(start <= each < end for each in ends)
        return Driven(within / (end - start), 1e6 * meter.between(start, end) / within)

    def open(self, rate: int, processes: int) -> Rung:
        """Forebay's load test at one rate; one process has one core, more have all of them."""
        several = () if processes == 1 else ("--processes", str(processes))
        before = self._posted()
        meter = self._locust(
            "-f", "loadtest", "--headless", "--host", self._url, "--workload", str(self._workload(rate)),
            "--no-report", "--runs", str(self._folder / "runs"), *several,
            cores={_GENERATOR_CORE} if processes == 1 else None, accepted=(0, 1),
        )  # fmt: skip
        folder = RunFolder(self._folder / "latest")
        described = folder.described()
        if not described["buffers"]:
            raise GeneratorError(f"nothing was sent: {described['invalid_because']}")
        rows = [row for path in folder.all_requests() for row in read_rows(path) if row["sent_at"] is not None]
        answered = [row for row in rows if row["status"]]
        posted = self._posted() - before
        if not len(answered) <= posted <= len(rows):
            raise GeneratorError(
                f"the server answered {posted:,} requests; of {len(rows):,} on record {len(answered):,} were answered"
            )
        return self._rung(rate, described, answered, meter)

    def _rung(self, rate: int, described: dict[str, Any], answered: list[dict[str, Any]], meter: CpuMeter) -> Rung:
        turn = described["buffers"][0]
        start, end = turn["started_at"] / 1_000 + _SETTLING_S, turn["started_at"] / 1_000 + self._seconds
        within = sum(start <= row["responded_at"] / 1_000 < end for row in answered)
        if not within:
            raise GeneratorError(f"at {rate:,}/s nothing was answered: {described['invalid_because']}")
        lateness = turn["lateness_ms"]
        return Rung(
            rate, turn["offered"], within / (end - start), turn["dropped"], lateness["p50"], lateness["p99"],
            1e6 * meter.between(start, end) / within, tuple(described["invalid_because"]),
        )  # fmt: skip

    def _posted(self) -> int:
        with urllib.request.urlopen(self._url, timeout=10) as answer:
            return int(json.load(answer)["posted"])

    def _workload(self, rate: int) -> Path:
        path = self._folder / f"{rate}.yaml"
        path.write_text(_WORKLOAD.format(rate=rate, seconds=self._seconds), encoding="utf-8")
        return path

    def _locust(self, *arguments: str, cores: set[int] | None, accepted: tuple[int, ...]) -> CpuMeter:
        process = subprocess.Popen(
            [sys.executable, "-m", "locust", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=_ROOT,
            preexec_fn=None if cores is None else lambda: os.sched_setaffinity(0, cores),
        )
        try:
            with CpuMeter(process.pid) as meter:
                said = process.communicate()[0]
        finally:
            process.kill()
        if process.returncode not in accepted:
            raise GeneratorError(f"locust ended with {process.returncode}:\n{said[-2_000:]}")
        return meter


def climb(measure: Callable[[int], Rung], first: int, step: int) -> Iterator[Rung]:
    """Rate upon rate until one is not valid however often it is tried; that one is the last."""
    rate = first
    while True:
        for _ in range(_TRIES):
            rung = measure(rate)
            if not rung.faults:
                break
        yield rung
        if rung.faults:
            return
        rate += step


def highest_valid(rungs: Sequence[Rung]) -> Rung | None:
    """The last rung but the one that was too high; None if the first was."""
    valid = [rung for rung in rungs if not rung.faults]
    return valid[-1] if valid else None


_HEAD: Final = (
    f"{'requests/s wanted':>18}{'answered/s':>12}{'dropped':>10}{'late p50':>11}{'late p99':>11}{'CPU us/req':>12}"
)


def line(rung: Rung) -> str:
    """A rung as a line under `_HEAD`; of a fault as much as says which it is."""
    faults = "; ".join(fault.partition(":")[0].partition(",")[0] for fault in rung.faults)
    return (
        f"{rung.rate:>18,}{rung.answered_s:>12,.0f}{rung.dropped:>10,}{rung.p50:>8.1f} ms{rung.p99:>8.1f} ms"
        f"{rung.cpu_us:>12,.0f}  {'NOT VALID: ' + faults if faults else 'valid'}"
    )


@click.command()
@click.option("--seconds", default=8, show_default=True, help="How long each turn sends.")
@click.option("--first", default=1_000, show_default=True, help="The first rate, in requests a second.")
@click.option("--step", default=1_000, show_default=True, help="From one rate to the next.")
@click.option("--processes", default=2, show_default=True, help="How many of ours together, after one alone.")
def main(seconds: int, first: int, step: int, processes: int) -> None:
    """Measure all of them in turn and print what each reached. Takes some minutes, two cores and wrk.

    The server has a core, and a generator on one core has the other. Two processes of ours have both cores, which they
    share with the server and with Locust's master: with more cores they would reach more.
    """
    cores = os.cpu_count() or 1
    if cores < 2:
        raise click.ClickException(f"this takes two cores, one to serve and one to drive; there is {cores}")
    load = os.getloadavg()[0]
    click.echo(f"load average {load:.1f}" + (": the figures are of a busy machine" if load > 1 else ""))
    try:
        with fast_server(_SERVER_CORE) as url, tempfile.TemporaryDirectory() as folder:
            _measure(Bench(url, Path(folder), seconds), first, step, processes)
    except (GeneratorError, RunError, wrk.WrkError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _measure(bench: Bench, first: int, step: int, processes: int) -> None:
    summary: list[tuple[str, float, float, str]] = []
    for name, drive in (("wrk (what the server takes)", bench.wrk), ("Locust's FastHttpUser (closed)", bench.closed)):
        click.echo(f"{name} ...")
        reached = drive()
        summary.append((name, reached.per_second, reached.cpu_us, ""))
    for number in (1, processes):
        name = "one process, one core" if number == 1 else f"{number} processes"
        click.echo(f"\nForebay's load test, {name}\n{_HEAD}")
        rungs = []
        for rung in climb(partial(bench.open, processes=number), first, step):
            rungs.append(rung)
            click.echo(line(rung))
        best = highest_valid(rungs)
        limit = first if best is None else best.rate
        click.echo(f"{line(bench.open(2 * limit, number))} (twice {limit:,})")
        if best is not None:
            summary.append((f"Forebay, {name} (open)", best.rate, best.cpu_us, f"{best.p99:.1f} ms"))
    click.echo(f"\n{'':<38}{'requests/s':>10}{'CPU us/req':>12}{'late p99':>11}")
    for name, per_second, cpu_us, late in summary:
        click.echo(f"{name:<38}{per_second:>10,.0f}{cpu_us:>12,.0f}{late:>11}")


if __name__ == "__main__":
    main()
