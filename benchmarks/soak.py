"""Half an hour at a steady rate with a small fault rate: does anything grow, and are the sums still exact?

    python -m benchmarks.soak                  30 minutes
    python -m benchmarks.soak --minutes 3      a check of the check

Requests go through SNS, SQS and Kinesis in turn. One try in a hundred fails, and of one request in five hundred the
handler is killed at work. Every result is read and then deleted, as the table's own time to live does in the end, and a
stream keeps its records for five minutes and not a day: what is left to grow is what should not. Memory, open files and
processes are sampled every few seconds. A line is fitted through the means of twelve parts of the second half of the
time: what was higher once, and stayed there, is no growth. Something grows if it rises for certain, and over that half
perhaps by more than its limit: by the two ends of the rise's 95 % interval.

It ends with 1 if something grows, or if an accepted request is neither completed, failed nor among the dead letters.
"""

import itertools
import json
import random
import sys
import threading
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
import psutil
import requests

from benchmarks.embedded import embedded
from loadtest._authentication import Showing
from loadtest._image import prepare
from loadtest._workload import PHOTOS, ImageChoice
from pipeline.aws_environment import client
from pipeline.dead_letters import drain_sns, drain_sqs, read_kinesis
from pipeline.image_mark import marked
from pipeline.request import Buffer, Measurement
from pipeline.results_table import ResultsTable
from producers.api_error import ApiError
from producers.http import ApiClient

_BUFFERS: Final[tuple[Buffer, ...]] = ("sns", "sqs", "kinesis")
_OPTIONS: Final = (
    *("--faults", "--account-concurrency", "24", "--rekognition-rate", "100", "--rekognition-median-ms", "50"),
    *("--parameter", "FunctionTimeout=3", "--parameter", "SqsVisibilityTimeout=18"),
    *("--parameter", "SnsReservedConcurrency=4", "--parameter", "SqsMaximumConcurrency=3"),
    *("--quota", "account_unreserved_min=5", "--quota", "async_first_retry_s=2", "--quota", "async_second_retry_s=4"),
    *("--quota", "kinesis_retention_s=300"),
)
_FAIL: Final = 0.01
_KILL: Final = 0.002
_SAMPLE_S: Final = 5.0
_READ_S: Final = 2.0
# Longer than five visibility timeouts: after it a message is done or given up.
_DRAIN_S: Final = 120.0
_WARM: Final = 0.5
_PARTS: Final = 12
# Student's t, two-sided 95 %, for _PARTS - 2 degrees of freedom.
_T: Final = 2.228
# By how much each may rise over the second half. An allocator that keeps its arenas, and what is remembered of the last
# 256 pictures, are no leaks: 24 MB. Connections, which are files, come and go with the load.
_LIMITS: Final = {"memory MB": 24.0, "files": 8.0, "processes": 1.0}


@dataclass
class Samples:
    """What was sampled: seconds since the start, and for each thing that is watched its values."""

    at: list[float] = field(default_factory=list)
    values: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))

    def take(self, root: psutil.Process, servers: dict[str, int], began: float) -> None:
        """Look at the whole tree of processes once."""
        self.at.append(time.monotonic() - began)
        handlers: list[tuple[float, float]] = []
        tree = [root, *root.children(recursive=True)]
        for process in tree:
            try:
                seen = process.memory_info().rss / 2**20, float(process.num_fds())
            except psutil.NoSuchProcess:
                continue
            name = "embedded AWS" if process.pid == root.pid else _name(process.pid, servers)
            if name is None:
                handlers.append(seen)
            else:
                self.values[name, "memory MB"].append(seen[0])
                self.values[name, "files"].append(seen[1])
        # Those of handlers come and go: of all that are there the largest, and how many there are.
        self.values["largest handler", "memory MB"].append(max((memory for memory, _ in handlers), default=0.0))
        self.values["largest handler", "files"].append(max((files for _, files in handlers), default=0.0))
        self.values["all", "processes"].append(float(len(tree)))


@dataclass(frozen=True)
class Rise:
    """How much something rises over the second half by the fitted line, and the half-width of its 95 % interval."""

    first: float
    rise: float
    noise: float

    @classmethod
    def of(cls, at: list[float], values: list[float]) -> "Rise":
        """Fit a line through the means of parts of the time; parts, since neighbouring samples are alike."""
        count = min(len(at), len(values))
        warm = int(count * _WARM)
        times = [float(np.mean(part)) for part in np.array_split(np.asarray(at[warm:count]), _PARTS)]
        means = [float(np.mean(part)) for part in np.array_split(np.asarray(values[warm:count]), _PARTS)]
        x, y = np.asarray(times), np.asarray(means)
        spread = float(((x - x.mean()) ** 2).sum())
        slope = float(((x - x.mean()) * (y - y.mean())).sum()) / spread
        left = y - y.mean() - slope * (x - x.mean())
        error = float(np.sqrt((left**2).sum() / (_PARTS - 2) / spread))
        span = float(at[count - 1] - at[warm])
        return cls(means[0], slope * span, _T * error * span)

    def above(self, limit: float) -> bool:
        """Whether it rises for certain, and perhaps by more than a limit."""
        return self.rise - self.noise > 0 and self.rise + self.noise > limit


class Load:
    """Sends at a steady rate, reads every result and deletes it."""

    def __init__(self, ready: dict[str, Any], rate: float, seconds: float) -> None:
        self.run_id = f"soak-{int(time.time())}"
        self.accepted: dict[str, int] = {}
        self.ended: dict[str, str] = {}
        self.again: Counter[str] = Counter()
        self.refused = 0
        url = ready["outputs"]["ApiUrl"]
        shown = Showing.of_embedded(ready["outputs"], ready["environment"]).to(url)
        self._api = ApiClient(url, authentication=shown, connections=32)
        self._image = prepare(ImageChoice(PHOTOS / "chelsea.jpg", 1.0, 200)).data
        self._rate = rate
        self._numbers = range(round(rate * seconds))
        rng = random.Random(7)
        self.failing = {number for number in self._numbers if rng.random() < _FAIL}
        self.killing = {number for number in self._numbers if rng.random() < _KILL}
        self._dynamodb = client(ready["environment"], "dynamodb")
        self._table = ready["outputs"]["ResultsTable"]

    def plan(self) -> list[dict[str, Any]]:
        """The faults, as the embedded AWS takes them."""
        return [
            {
                "edge": "rekognition",
                "effect": "answer",
                "status": 400,
                "code": "AccessDeniedException",
                "requests": {self.run_id: {str(number): 1 for number in self.failing}},
            },
            {
                "edge": "function",
                "effect": "kill",
                "after_ms": 20,
                "requests": {self.run_id: {str(number): 1 for number in self.killing}},
            },
        ]

    def send(self) -> None:
        """Send all of it, each at its time."""
        began = time.monotonic()
        with ThreadPoolExecutor(32) as pool:
            for number, buffer in zip(self._numbers, itertools.cycle(_BUFFERS), strict=False):
                time.sleep(max(0.0, began + number / self._rate - time.monotonic()))
                pool.submit(self._send, number, buffer)

    def read(self) -> None:
        """Read the results there are, and delete those that are whole."""
        for stored in ResultsTable(self._dynamodb, self._table).read_run(self.run_id):
            if stored.stored_at is None:
                continue
            request_id = stored.result.request_id
            self.again[request_id] += 1
            self.ended[request_id] = stored.result.status.value
            self._dynamodb.delete_item(TableName=self._table, Key={"request_id": {"S": request_id}})

    def _send(self, number: int, buffer: Buffer) -> None:
        bad = number in self.failing or number in self.killing
        image = marked(self._image, f"{self.run_id}/{number}") if bad else self._image
        try:
            ticket = self._api.accept(buffer, image, Measurement(self.run_id, number, time.time() * 1_000))
        except ApiError:
            self.refused += 1
            return
        self.accepted[ticket.request_id] = number


def dead_letters(ready: dict[str, Any], run_id: str, since: datetime) -> set[str]:
    """The ids of the requests that were given up."""
    outputs = ready["outputs"]
    sqs = client(ready["environment"], "sqs")
    letters = [
        *drain_sqs(sqs, outputs["SqsDeadLetterQueueUrl"], run_id),
        *drain_sns(sqs, outputs["SnsFailureQueueUrl"], run_id),
        *read_kinesis(client(ready["environment"], "s3"), outputs["KinesisFailureBucket"], run_id, since),
    ]
    return {letter.request_id for letter in letters if letter.request_id is not None}


def backlog(ready: dict[str, Any]) -> int:
    """Requests that are in a buffer, or in the hands of its function."""
    return sum(int(_state(ready)["buffers"][buffer]["backlog"]) for buffer in _BUFFERS)


def soak(ready: dict[str, Any], root: psutil.Process, load: Load, seconds: float) -> Samples:
    """Send it all, and sample meanwhile; then wait until nothing is left."""
    answer = requests.put(f"{ready['control_url']}/faults", json={"faults": load.plan()}, timeout=10)
    answer.raise_for_status()
    samples, began = Samples(), time.monotonic()
    sending = threading.Thread(target=load.send)
    sending.start()
    next_sample = next_read = began
    while sending.is_alive():
        now = time.monotonic()
        if now >= next_sample:
            next_sample += _SAMPLE_S
            samples.take(root, _state(ready)["processes"], began)
            _show(load, samples, seconds)
        if now >= next_read:
            next_read = now + _READ_S
            load.read()
        time.sleep(0.2)
    sending.join()
    until = time.monotonic() + _DRAIN_S
    while backlog(ready) and time.monotonic() < until:
        time.sleep(1.0)
    load.read()
    return samples


def _state(ready: dict[str, Any]) -> dict[str, Any]:
    state: dict[str, Any] = requests.get(f"{ready['control_url']}/state", timeout=10).json()
    return state


def _name(pid: int, servers: dict[str, int]) -> str | None:
    return next((name for name, server in servers.items() if server == pid), None)


def _show(load: Load, samples: Samples, seconds: float) -> None:
    if sys.stderr.isatty():
        memory = samples.values["embedded AWS", "memory MB"][-1]
        line = f"\r\x1b[K{samples.at[-1]:5.0f} of {seconds:.0f} s  accepted {len(load.accepted):,}  "
        click.echo(f"{line}ended {len(load.ended):,}  embedded AWS {memory:.0f} MB", nl=False, err=True)


def _judge(samples: Samples) -> tuple[list[str], list[str]]:
    """A line for each thing that is watched, and what rises above its limit."""
    lines, above = [], []
    for (name, what), values in sorted(samples.values.items()):
        rise = Rise.of(samples.at, values)
        lines.append(
            f"{name:<16} {what:<10} {rise.first:8.1f}  {rise.rise:+8.2f} +- {rise.noise:.2f}  (limit {_LIMITS[what]:g})"
        )
        if rise.above(_LIMITS[what]):
            above.append(f"{name}: {what}")
    return lines, above


@click.command(help=__doc__)
@click.option("--minutes", default=30.0, show_default=True, help="How long requests are sent.")
@click.option("--rate", default=15.0, show_default=True, help="Requests a second, through all buffers together.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the samples there as JSON.")
def main(minutes: float, rate: float, out: Path | None) -> None:
    """Run it, print what rises and the sums, and fail where one is not as it should be."""
    began = datetime.now(UTC)
    with embedded(*_OPTIONS) as ready:
        (root,) = [process for process in psutil.Process().children() if "local" in process.cmdline()]
        load = Load(ready, rate, minutes * 60)
        samples = soak(ready, root, load, minutes * 60)
        struck = requests.get(f"{ready['control_url']}/faults", timeout=10).json()["faults"]
        dead = dead_letters(ready, load.run_id, began)
    lines, above = _judge(samples)
    click.echo("\n                            at first   rises over the second half")
    click.echo("\n".join(lines))
    if out is not None:
        told = {f"{name}, {what}": values for (name, what), values in samples.values.items()}
        out.write_text(json.dumps({"at": samples.at, **told}))
    statuses = Counter(load.ended[request_id] for request_id in load.accepted if request_id in load.ended)
    given_up = sum(request_id in dead and request_id not in load.ended for request_id in load.accepted)
    unaccounted = [each for each in load.accepted if each not in load.ended and each not in dead]
    click.echo(
        f"{len(load.accepted):,} accepted ({load.refused:,} refused) = {statuses['SUCCEEDED']:,} completed + "
        f"{statuses['FAILED']:,} failed + {given_up:,} dead letters + {len(unaccounted):,} lost"
    )
    click.echo(f"faults: {struck[0]['struck']:,} tries failed, {struck[1]['struck']:,} handlers were killed")
    for problem in above:
        click.echo(f"GROWS: {problem}")
    if unaccounted:
        click.echo(f"LOST: {len(unaccounted):,}, such as {unaccounted[0]}")
    sys.exit(bool(above) or bool(unaccounted))


if __name__ == "__main__":
    main()
