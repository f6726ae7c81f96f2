"""The benchmark: one run, from the workload to its folder. The same load by each of its ways in turn."""

import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from gevent.event import Event

from loadtest._clients import client_of, told_again_so_far
from loadtest._image import LARGEST_IN_A_MESSAGE, LARGEST_INLINE_BASE64, prepare
from loadtest._monitoring import collect
from loadtest._observation import Observation
from loadtest._run_folders import new_folder, point_latest_to
from loadtest._run_record import RunRecord, TurnRecord
from loadtest._schedule import draw
from loadtest._target import BufferState, TargetError, upload
from loadtest._target_clock import target_clock
from loadtest._turn import Turn
from loadtest._validity import examine
from loadtest._warm_up import warm_up
from loadtest._websocket_pool import WebSocketPool
from pipeline.run import DEAD_LETTER_COLUMNS, OBSERVED_COLUMNS, RESULT_COLUMNS, RowWriter
from pipeline.workload_file import WorkloadError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from loadtest._generator import Generator
    from loadtest._image import LoadImage
    from loadtest._observation import Observer
    from loadtest._schedule import Schedule
    from loadtest._target import Target
    from loadtest._way import Way
    from loadtest._worker_pool import WorkerPool
    from loadtest._workload import Workload
    from producers.client import Client

_OBSERVE_S: Final = 1.0
# The results' index follows the table after a moment; only a drained buffer is known to have more to show.
_RESULT_READS: Final = 6
# No two clocks of one run are further apart.
_CLOCKS_APART: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _Load:
    """What is sent in a turn."""

    schedule: "Schedule"
    images: "tuple[LoadImage, ...]"

    @classmethod
    def of(cls, workload: "Workload") -> "_Load":
        """Draw and prepare it: the same of the same workload."""
        return cls(
            draw(
                workload.rate,
                workload.seed,
                [choice.weight for choice in workload.images],
                None if workload.groups is None else workload.groups.weights,
            ),
            tuple(prepare(choice, _largest_inline(workload)) for choice in workload.images),
        )


class Benchmark:
    """One run. `runs` is the folder of all runs; what happens is told to `observers`."""

    def __init__(
        self,
        workload: "Workload",
        target: "Target",
        generator: "Generator | WorkerPool",
        runs: "Path",
        observers: "Sequence[Observer]",
    ) -> None:
        self._workload = workload
        self._target = target
        self._generator = generator
        self._observers = observers
        self._stopping = Event()
        # By pattern and door: how often a client asks makes no other function run.
        self._warm: set[tuple[str, str]] = set()
        self._sent = Event()
        started = time.time()
        self.folder = new_folder(runs, f"{datetime.fromtimestamp(started, UTC):%Y%m%dT%H%M%SZ}-{workload.name}")
        self._record = RunRecord(self.folder.path.name, started * 1_000, workload, target)

    @property
    def faults(self) -> tuple[str, ...]:
        """Why the run does not count; empty if it does. Known once `run` has returned."""
        return tuple(self._record.faults)

    def stop(self) -> None:
        """Break the run off; `run` then reads what there is and returns soon."""
        self._stopping.set()

    def wait_until_sent(self) -> None:
        """Return once nothing more is to come from what sends."""
        self._sent.wait()

    def run(self) -> None:
        """Run, and describe the run in its folder however it ends."""
        for observer in self._observers:
            observer.began(self._record.id, self._workload)
        self._describe()
        try:
            try:
                self._turns()
            finally:
                self._record.stopped = self._stopping.is_set()
            self._monitor()
        except (TargetError, WorkloadError) as error:
            self._record.faults.append(str(error))
        except OSError as error:
            self._record.faults.append(f"the run's files could not be written: {error}")
        except BaseException as error:
            self._record.faults.append(f"the load test failed: {error!r}")
            raise
        finally:
            self._generator.close()
            self._sent.set()
            self._finish()

    def _turns(self) -> None:
        workload = self._workload
        self._phase("getting the target ready")
        self._target.open(workload)
        # Drawn once for all that share it.
        own = {id(each): each for each in map(workload.of, workload.ways)}
        drawn = {key: _Load.of(each) for key, each in own.items()}
        loads = {way: drawn[id(workload.of(way))] for way in workload.ways}
        images = tuple({image.name: image for load in loads.values() for image in load.images}.values())
        self._record.images = {image.name: image.to_json() for image in images}
        upload(self._target, images)
        self._generator.open(self.folder, clients_wait=workload.has_patterns)
        # Times of one clock need no comparing: those of a route are all of the one process that sends.
        if self._generator.described["workers"] > 1 or self._target.kind == "aws":
            self._record.target_clock_ms = self._target_clock_ms()
        with RowWriter(self.folder.observations, OBSERVED_COLUMNS) as observations:
            for index, way in enumerate(workload.ways):
                if self._stopping.is_set():
                    break
                if index and not self._record.turns[-1].drained:
                    self._phase("emptying the buffers")
                    if self._target.renew():
                        self._warm.clear()
                        upload(self._target, images)
                self._turn(way, loads[way].schedule, loads[way].images, observations)
                self._describe()

    def _target_clock_ms(self) -> dict[str, float] | None:
        """How far the target's clock is ahead of the run's, at least and at most; None if it does not tell."""
        if self._target.kind == "local":
            return {"at_least": 0.0, "at_most": 0.0}
        ahead = target_clock(self._target.api_url)
        return ahead and {"at_least": round(ahead[0] * 1_000, 1), "at_most": round(ahead[1] * 1_000, 1)}

    def _turn(self, way: "Way", schedule: "Schedule", images: "tuple[LoadImage, ...]", observations: RowWriter) -> None:
        if way.pattern is None:
            self._send(way, schedule, images, observations, None)
            return
        if self._workload.warm_up and (way.pattern, way.door) not in self._warm:
            self._phase(f"warming up {way.name}")
            with client_of(way, self._target, self._workload.warm_up, warming=True) as client:
                warm_up(client, images[0], self._workload.warm_up, way.name)
            self._warm.add((way.pattern, way.door))
        with client_of(way, self._target, len(schedule)) as client:
            told_again = told_again_so_far(client, self._target)
            try:
                self._send(way, schedule, images, observations, client)
            finally:
                if self._record.turns:
                    record = self._record.turns[-1]
                    record.connections = client.opened if isinstance(client, WebSocketPool) else 0
                    record.repeated = told_again_so_far(client, self._target) - told_again

    def _send(
        self,
        way: "Way",
        schedule: "Schedule",
        images: "tuple[LoadImage, ...]",
        observations: RowWriter,
        client: "Client | None",
    ) -> None:
        request_run_id = self._request_run_id(way)
        before = self._target.state(way.buffer, request_run_id)
        starts_at = time.time() + self._generator.lead_s
        record = TurnRecord(way, len(schedule), starts_at * 1_000)
        self._record.turns.append(record)
        self._generator.begin(
            Turn(way, self._target.api_url, request_run_id, schedule, images, starts_at, showing=self._target.showing),
            partial(self._target.accepted, request_run_id),
            client,
            self._workload.of(way).rate.duration + self._workload.of(way).cut_off_s,
        )
        for observer in self._observers:
            observer.turn_began(way.name, starts_at)
        self._phase(f"sending to {way.name}")
        try:
            self._watch(record, before, request_run_id, observations)
        finally:
            self._generator.halt()
            self._generator.flush()
            if way.route is not None and not record.drained:
                # What was sent and broken off since the last second; of a buffer it would not be of one moment.
                self._tell(self._observation(way, BufferState()), observations)
            observations.flush()
            record.ended_at = time.time() * 1_000
            record.offered = self._generator.counts.offered
            record.dropped = self._generator.counts.dropped
            record.known = self._generator.counts.known
            for observer in self._observers:
                observer.turn_ended(way.name, drained=record.drained)
        if self._generator.failure is not None:
            raise TargetError(f"the load generator failed: {self._generator.failure}")
        self._collect(record, request_run_id)

    def _watch(self, record: TurnRecord, before: BufferState, request_run_id: str, observations: RowWriter) -> None:
        """Observe each second until all has ended, the time is up, or the run is broken off."""
        workload = self._workload.of(record.way)
        starts_at = record.started_at / 1_000
        cut_off_at = starts_at + workload.rate.duration + workload.cut_off_s
        sent = False
        tick = 0
        while True:
            # A second that went by while the target was asked is left out, not made up for.
            tick = max(tick + 1, math.ceil((time.time() - starts_at) / _OBSERVE_S))
            if self._stopping.wait(max(0.0, starts_at + tick * _OBSERVE_S - time.time())):
                return
            self._generator.flush()
            state = self._target.state(record.way.buffer, request_run_id).since(before)
            observation = self._observation(record.way, state)
            self._tell(observation, observations)
            if not sent and self._generator.counts.offered == record.scheduled:
                sent = True
                what = f"{record.way.name} to drain" if record.way.route is None else "the last answers"
                self._phase(f"waiting for {what}")
            if self._generator.failure is not None:
                return
            if sent and self._has_drained(record.way, state, observation):
                record.drained = True
                return
            if time.time() >= cut_off_at:
                record.cut_off = True
                return

    def _tell(self, observation: Observation, observations: RowWriter) -> None:
        observations.write(*observation.row())
        for observer in self._observers:
            observer.observed(observation)

    def _has_drained(self, way: "Way", state: BufferState, observation: Observation) -> bool:
        counts = self._generator.counts
        if way.pattern is not None and not counts.in_flight:
            # Whoever knows has no reason to wait, and of a dead letter nobody will ever know.
            given_up = (state.dead_lettered or 0) + (state.expired or 0)
            if counts.known + given_up >= counts.accepted:
                return True
        if self._generator.busy or observation.backlog:
            return False
        # Of what goes through no buffer it may not be known how much has ended; but its clients have their answers.
        return way.buffer is None or (state.ended is not None and state.ended >= counts.accepted)

    def _observation(self, way: "Way", state: BufferState) -> Observation:
        counts = self._generator.counts
        completed, backlog = state.completed, state.backlog
        if way.pattern is not None and way.buffer is None and completed is None:
            completed, backlog = counts.known, counts.in_flight
        if backlog is None and state.ended is not None:
            backlog = max(0, counts.accepted - state.ended)
        return Observation(
            buffer=way.name,
            at=time.time() * 1_000,
            offered=counts.offered,
            accepted=counts.accepted,
            completed=completed,
            dead_lettered=state.dead_lettered,
            backlog=backlog,
            in_flight=state.in_flight,
            concurrency=state.concurrency,
            throttles=state.throttles,
            cold_starts=state.cold_starts,
            oldest_age_s=state.oldest_age_s,
            metrics_age_s=state.metrics_age_s,
            rejected=counts.rejected,
            unanswered=counts.unanswered,
            dropped=counts.dropped,
        )

    def _collect(self, record: TurnRecord, request_run_id: str) -> None:
        way = record.way
        if way.route is not None:
            return
        self._phase(f"reading the results of {way.name}")
        accepted = self._generator.counts.accepted
        since = datetime.fromtimestamp(record.started_at / 1_000, UTC) - _CLOCKS_APART
        seen: set[tuple[object, object]] = set()
        try:
            with RowWriter(self.folder.dead_letters, DEAD_LETTER_COLUMNS) as dead_letters:
                dead = 0
                letters = () if way.buffer is None else self._target.dead_letters(way.buffer, request_run_id, since)
                for row in letters:
                    dead_letters.write(way.name, *row[1:])
                    dead += 1
            with RowWriter(self.folder.results, RESULT_COLUMNS) as results:
                for _ in range(_RESULT_READS):
                    for row in self._target.results(way.name, request_run_id):
                        if row[1:3] not in seen:
                            seen.add((row[1], row[2]))
                            results.write(*row)
                    if not record.drained or len(seen) + dead >= accepted or self._stopping.wait(1.0):
                        break
        except TargetError as error:
            self._record.uncollected = True
            self._record.faults.append(str(error))

    def _monitor(self) -> None:
        if self._target.monitoring is not None and self._record.turns:
            self._record.monitoring = collect(
                self._target.monitoring,
                [
                    (turn.way.name, self._request_run_id(turn.way), (turn.ended_at or turn.started_at) / 1_000)
                    for turn in self._record.turns
                ],
                self.folder.monitoring,
                self._stopping,
                self._phase,
            )

    def _request_run_id(self, way: "Way") -> str:
        return f"{self._record.id}.{way.name}"

    def _finish(self) -> None:
        record = self._record
        record.generated = examine(self.folder, {turn.way.name: turn.offered for turn in record.turns})
        record.faults.extend(record.generated.faults())
        if record.stopped:
            record.faults.append("it was stopped before its end")
        elif len(record.turns) < len(self._workload.ways) and not record.faults:
            record.faults.append("it broke off before its end")
        record.ended_at = time.time() * 1_000
        self._describe()
        point_latest_to(self.folder.path)
        for observer in self._observers:
            observer.ended(self.faults)

    def _phase(self, text: str) -> None:
        for observer in self._observers:
            observer.phase(text)

    def _describe(self) -> None:
        self.folder.describe(self._record.to_json(self._generator.described))


def _largest_inline(workload: "Workload") -> float:
    """How many characters of base64 travel in the request itself; larger images are uploaded first."""
    if workload.route is not None:
        return math.inf
    return LARGEST_IN_A_MESSAGE if workload.has("websocket") else LARGEST_INLINE_BASE64
