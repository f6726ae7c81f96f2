"""A made-up run's folder that looks like a real one: four buffers, one seeded spike over a downstream of 50/s.

By hand: `python tests/reports/sample_run.py FOLDER`, then `forebay report FOLDER`.
"""

import heapq
import itertools
import json
import math
import random
import sys
from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.run import (
    DEAD_LETTER_COLUMNS,
    OBSERVATION_COLUMNS,
    REQUEST_COLUMNS,
    RESULT_COLUMNS,
    RowWriter,
    RunFolder,
)

START_MS = 1_795_500_000_000.0
RATE = [[0, 12], [8, 12], [8, 110], [26, 110], [26, 12], [40, 12]]
LATE_P99_MS = {"sns": 2.1, "sqs": 3.9, "kinesis": 2.6, "kinesis-efo": 2.4}
GROUPS = 40
LARGEST_INLINE = 110_000
IMAGES = {"chelsea.jpg": 36_000, "coffee.jpg": 52_000, "rocket.jpg": 118_000, "not-an-image.jpg": 900}


@dataclass
class Sent:
    """One request and what became of it; times in seconds from the buffer's first arrival."""

    sequence: int
    intended: float
    sent: float
    responded: float
    image: str
    status: int = 202
    accepted: float = 0.0
    received: float | None = None
    recognised: float | None = None
    stored: float | None = None
    init_ms: float = 0.0
    batch_size: int = 1
    attempts: int = 1
    deliveries: int = 1
    environment: int = 0
    dead: str | None = None


@dataclass
class Served:
    """A buffer's turn, as its target saw it: (second, throttles so far), cold starts, busy spans."""

    throttles: list[float] = field(default_factory=list)
    cold_starts: list[float] = field(default_factory=list)
    busy: list[tuple[float, float]] = field(default_factory=list)


def write_run(
    path: Path, *, seed: int = 7, scale: float = 1.0, cut_off: str | None = None, repeat: int = 0, slower: float = 1.0
) -> RunFolder:
    """Write a run of about 2,240 requests a buffer, times `scale`. The buffer `cut_off` does not drain.

    Of one seed each `repeat` has the same arrivals, and its own luck with them. Recognition takes `slower` times as
    long.
    """
    path.mkdir(parents=True, exist_ok=True)
    folder = RunFolder(path)
    arrivals = _arrivals(random.Random(seed), scale)
    images = random.Random(seed).choices(list(IMAGES), [50, 30, 19.5, 0.5], k=len(arrivals))
    turns = []
    began = START_MS
    with (
        RowWriter(folder.requests(0), REQUEST_COLUMNS) as first,
        RowWriter(folder.requests(1), REQUEST_COLUMNS) as second,
        RowWriter(folder.results, RESULT_COLUMNS) as results,
        RowWriter(folder.dead_letters, DEAD_LETTER_COLUMNS) as letters,
        RowWriter(folder.observations, OBSERVATION_COLUMNS) as observations,
    ):
        for buffer, serve in SERVES:
            random_ = random.Random(f"{seed} {buffer} {repeat}" if repeat else f"{seed} {buffer}")
            requests = [
                _send(random_, sequence, at, image)
                for sequence, (at, image) in enumerate(zip(arrivals, images, strict=True))
            ]
            if buffer in STREAMS:
                _refuse_over(requests, per_s=95 * scale)
            taken = [request for request in requests if request.status == 202]
            served = serve(random_, taken, scale)
            for request in taken:
                _slow(request, slower)
            _spoil(random_, buffer, requests, taken)
            end = arrivals[-1] + 12 if buffer == cut_off else max(_ended(request) for request in taken) + 1
            for request in requests:
                _write_request((first, second)[request.sequence % 2], buffer, began, request)
                _write_result(results, buffer, began, request, end)
                if request.dead and request.status == 202:
                    letters.write(buffer, request.sequence, f"{buffer}-{request.sequence}", request.dead)
            _observe(observations, buffer, began, requests, served, end)
            turns.append(
                {
                    "buffer": buffer,
                    "started_at": began - 500,
                    "ended_at": began + end * 1000,
                    "drained": buffer != cut_off,
                    "cut_off": buffer == cut_off,
                    "scheduled": len(requests),
                    "dropped": 0,
                    "lateness_ms": {"p50": 0.4, "p99": LATE_P99_MS[buffer], "max": 8.0, "n": len(requests)},
                }
            )
            began += math.ceil(end + 5) * 1000
    folder.describe(_description(seed, turns, began) | ({"id": path.name} if repeat else {}))
    return folder


def _slow(request: Sent, slower: float) -> None:
    if request.received is not None and request.recognised is not None and request.stored is not None:
        longer = (request.recognised - request.received) * (slower - 1)
        request.recognised += longer
        request.stored += longer


def _ended(request: Sent) -> float:
    return request.accepted + 20 if request.dead else request.stored or 0


def _description(seed: int, turns: list[dict[str, object]], ended_at: float) -> dict[str, object]:
    return {
        "format": 1,
        "id": "sample",
        "target": "local",
        "started_at": START_MS - 1500,
        "ended_at": ended_at,
        "seed": seed,
        "workload": {
            "name": "spike",
            "why": "nine times the usual traffic for 18 seconds",
            "seed": seed,
            "buffers": list(LATE_P99_MS),
            "rate": RATE,
            "cut_off_s": 120,
        },
        "images": {
            name: {"bytes": size, "record_bytes": 4 * size // 3 + 300, "uploaded": False}
            if size < LARGEST_INLINE
            else {"bytes": size, "record_bytes": 340, "uploaded": True}
            for name, size in IMAGES.items()
        },
        "buffers": turns,
        "generator": {
            "lateness_ms": {"p50": 0.4, "p99": 3.9, "max": 8.0, "n": 8960},
            "dropped": 0,
            "lost_rows": 0,
            "workers": 2,
        },
        "options": {
            "template": "infra.yaml",
            "account_concurrency": 40,
            "rekognition_rate": 50.0,
            "rekognition_median_ms": 300.0,
            "rekognition_model": "local-efficientnet-lite0",
            "parameters": {"FunctionMemory": 1024, "SqsBatchSize": 10, "KinesisShardCount": 2, "KinesisFanOut": "true"},
            "quotas": {"kinesis_shard_records_per_s": 1000.0, "rekognition_detect_labels_per_s": 50.0},
        },
        "stack": {"ApiUrl": "http://127.0.0.1:40123/prod"},
        "versions": {"forebay": "0.1.0", "python": "3.11.2"},
        "valid": True,
        "invalid_because": [],
        "uncollected": False,
    }


def _arrivals(random_: random.Random, scale: float) -> list[float]:
    arrivals = []
    for (start, low), (end, high) in itertools.pairwise(RATE):
        at = float(start)
        while low and end > start:
            rate = (low + (high - low) * (at - start) / (end - start)) * scale
            at += random_.expovariate(rate)
            if at >= end:
                break
            arrivals.append(at)
    return arrivals


def _send(random_: random.Random, sequence: int, at: float, image: str) -> Sent:
    sent = at + random_.lognormvariate(math.log(0.0004), 0.7)
    accepted = sent + random_.lognormvariate(math.log(0.004), 0.4)
    responded = accepted + random_.lognormvariate(math.log(0.007), 0.5)
    return Sent(sequence=sequence, intended=at, sent=sent, accepted=accepted, responded=responded, image=image)


def _refuse_over(requests: list[Sent], per_s: float) -> None:
    tokens, last = per_s, 0.0
    for request in requests:
        tokens = min(per_s, tokens + (request.accepted - last) * per_s)
        last = request.accepted
        if tokens < 1:
            request.status = 429
        else:
            tokens -= 1


def _push(random_: random.Random, requests: list[Sent], scale: float) -> Served:
    """One message an invocation, throttled over 25 at once, tried again after 1, 2, 4 ... seconds."""
    served = Served()
    free = [(0.0, number) for number in range(math.ceil(25 * scale))]
    used: set[int] = set()
    waiting = [(request.accepted + 0.05, 0, request.sequence, request) for request in requests]
    heapq.heapify(waiting)
    while waiting:
        at, attempt, sequence, request = heapq.heappop(waiting)
        if free[0][0] > at:
            served.throttles.append(at)
            pause = min(2.0**attempt, 30.0) * random_.uniform(0.5, 1.5)
            heapq.heappush(waiting, (at + pause, attempt + 1, sequence, request))
            continue
        _, number = heapq.heappop(free)
        end = _work(random_, served, used, [request], at, number)
        heapq.heappush(free, (end, number))
    return served


def _queue(random_: random.Random, requests: list[Sent], scale: float) -> Served:
    """Pollers that ramp up from two to five, ten messages a batch."""
    opens = {number: 0.0 if number < 2 else 8.0 + number for number in range(math.ceil(5 * scale))}
    return _pull(random_, requests, opens)


def _shards(random_: random.Random, requests: list[Sent], scale: float) -> Served:
    """Two shards, two lanes each, all there from the start."""
    return _pull(random_, requests, dict.fromkeys(range(math.ceil(4 * scale)), 0.0))


def _pushed_shards(random_: random.Random, requests: list[Sent], scale: float) -> Served:
    """The same lanes, but nobody has to come and look."""
    return _pull(random_, requests, dict.fromkeys(range(math.ceil(4 * scale)), 0.0), longest_wait=0.07)


def _pull(
    random_: random.Random, requests: list[Sent], opens: dict[int, float], *, longest_wait: float = 0.4
) -> Served:
    served = Served()
    used: set[int] = set()
    free = [(at, number) for number, at in opens.items()]
    heapq.heapify(free)
    queue = sorted(requests, key=lambda request: request.accepted)
    while queue:
        at, number = heapq.heappop(free)
        at = max(at, queue[0].accepted + random_.uniform(0.02, longest_wait))
        batch = [request for request in queue[:10] if request.accepted <= at]
        queue = queue[len(batch) :]
        heapq.heappush(free, (_work(random_, served, used, batch, at, number), number))
    return served


def _work(
    random_: random.Random, served: Served, used: set[int], batch: list[Sent], at: float, environment: int
) -> float:
    init = 0.0
    if environment not in used:
        used.add(environment)
        served.cold_starts.append(at)
        init = random_.lognormvariate(math.log(0.35), 0.2)
    end = at + init
    for request in batch:
        request.received = at + init
        request.init_ms = init * 1000
        request.batch_size = len(batch)
        request.environment = environment
        request.attempts = 1 + (random_.random() < 0.05)
        request.recognised = request.received + random_.lognormvariate(math.log(0.42), 0.35) * request.attempts
        request.stored = request.recognised + random_.lognormvariate(math.log(0.006), 0.4)
        end = max(end, request.stored)
    served.busy.append((at, end))
    return end + 0.001


def _spoil(random_: random.Random, buffer: str, requests: list[Sent], taken: list[Sent]) -> None:
    """Give the run what real ones have: duplicates, answers that never came, dead letters, results without a stamp."""
    for request in random_.sample(taken, 6):
        request.deliveries = 2
    unanswered = random_.sample(taken, 3)
    for request in unanswered:
        request.status = 0
    # One of those without an answer never reached the buffer.
    unanswered[0].received = unanswered[0].recognised = unanswered[0].stored = None
    rest = [request for request in taken if request.status == 202]
    unstamped, *dead = random_.sample(rest, 4 if buffer == "sqs" else 1)
    if buffer in STREAMS:
        unstamped.stored = None
    for request in dead:
        request.received = request.recognised = request.stored = None
        request.dead = "MaxReceiveCountExceeded"
    assert len(requests) >= len(taken)


def _write_request(rows: RowWriter, buffer: str, began: float, request: Sent) -> None:
    answered = request.status != 0
    rows.write(
        buffer,
        request.sequence,
        began + request.intended * 1000,
        began + request.sent * 1000,
        began + request.responded * 1000 if answered else began + request.sent * 1000 + 30_000,
        request.status,
        f"{buffer}-{request.sequence}" if request.status == 202 else None,
        None if answered else "timed out",
        request.image,
        IMAGES[request.image],
        f"g{request.sequence % GROUPS}",
    )


def _write_result(rows: RowWriter, buffer: str, began: float, request: Sent, end: float) -> None:
    if request.status not in (0, 202) or request.received is None or (request.stored or 0) > end:
        return
    bad = request.image == "not-an-image.jpg"
    assert request.recognised is not None
    rows.write(
        buffer,
        request.sequence,
        f"{buffer}-{request.sequence}",
        "FAILED" if bad else "SUCCEEDED",
        "InvalidImageFormat: the bytes are no image" if bad else None,
        began + request.intended * 1000,
        began + request.accepted * 1000,
        began + request.received * 1000,
        began + request.recognised * 1000,
        None if request.stored is None else began + request.stored * 1000,
        request.init_ms,
        request.batch_size,
        request.attempts,
        request.deliveries,
        f"env-{request.environment}",
        [] if bad else [["Cat", 97.5]],
    )


def _observe(rows: RowWriter, buffer: str, began: float, requests: list[Sent], served: Served, end: float) -> None:
    taken = sorted((request for request in requests if request.status == 202), key=lambda request: request.accepted)
    starts, stops = (sorted(moments) for moments in zip(*served.busy, strict=True))
    throttles, cold_starts = sorted(served.throttles), sorted(served.cold_starts)
    sent = sorted(request.sent for request in requests)
    accepts = [request.accepted for request in taken]
    stored = sorted(request.stored for request in taken if request.stored)
    letters = sorted(_ended(request) for request in taken if request.dead is not None)
    unseen = [request.accepted for request in taken if request.stored is None and not request.dead]
    for second in range(math.ceil(end) + 1):
        accepted, completed, dead = (bisect_right(moments, second) for moments in (accepts, stored, letters))
        backlog = accepted - completed - dead - bisect_right(unseen, second)
        busy = bisect_right(starts, second) - bisect_right(stops, second)
        oldest = next((request.accepted for request in taken if second < (request.stored or 0)), math.inf)
        rows.write(
            buffer,
            began + second * 1000,
            bisect_right(sent, second),
            accepted,
            completed,
            dead,
            max(backlog, 0),
            busy,
            busy,
            bisect_right(throttles, second),
            bisect_right(cold_starts, second),
            second - oldest if oldest <= second else None,
        )


STREAMS = ("kinesis", "kinesis-efo")
SERVES = (("sns", _push), ("sqs", _queue), ("kinesis", _shards), ("kinesis-efo", _pushed_shards))


if __name__ == "__main__":
    written = write_run(Path(sys.argv[1]), scale=float(sys.argv[2]) if len(sys.argv) > 2 else 1.0)
    sys.stdout.write(json.dumps({"folder": str(written.path)}) + "\n")
