"""A trial: one fault at one rate, through several buffers at the same time, each with a load of its own.

Each buffer's function has concurrency of its own, so that what strikes one takes nothing from the others but time of
the machine; and what strikes them all, strikes all at the same moment. The buffers' trial without a fault, which each
is compared with, is run in the same way.
"""

import json
import os
import signal
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import psutil
import requests

from loadtest._faults._cell import Asked, Cell
from loadtest._faults._plan import Plan, document, draw
from loadtest._faults._sending import Parcel, Sending
from loadtest._faults._witness import Witness, changes_of
from loadtest._schedule import draw as draw_schedule
from loadtest._target import BufferState, TargetError
from pipeline.image_mark import marked
from pipeline.request import StoredImage
from pipeline.run import DEAD_LETTER_COLUMNS, OBSERVATION_COLUMNS, REQUEST_COLUMNS, RESULT_COLUMNS, RowWriter
from producers.api_error import ApiError, NoResultError
from producers.http import ApiClient

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from loadtest._embedded_target import EmbeddedTarget
    from loadtest._faults._matrix import Cause
    from loadtest._image import LoadImage
    from pipeline.request import Buffer
    from pipeline.run import RunFolder

# From the plan's being in force to the first request.
_LEAD_S: Final = 1.0
_OBSERVE_S: Final = 0.5
_CALLBACKS_S: Final = 20.0
_CONTROL_S: Final = 30.0
# How long an embedded AWS that lives may not tell its state.
_PATIENCE_S: Final = 60.0
_ORPHANS_S: Final = 5.0
_CLOCKS_APART: Final = timedelta(minutes=1)
# Each buffer's environments are warm when a trial begins, so that none pays for what the one before has killed.
_WARMING: Final = 3
_WARM_S: Final = 180.0
_RESULT_READS: Final = 6
_CONNECTIONS: Final = 32


class Trial:
    """Runs what is asked on a target that is open. `stopped` says whether somebody wants it to end."""

    def __init__(
        self,
        asked: Asked,
        target: "EmbeddedTarget",
        folder: "RunFolder",
        run_id: str,
        seed: int,
        image: "LoadImage",
        callback_every: int,
        *,
        stopped: "Callable[[], bool]",
        tell: "Callable[[str], None]",
    ) -> None:
        self._asked = asked
        self._target = target
        self._folder = folder
        self._image = image
        self._callback_every = callback_every
        self._stopped = stopped
        self._tell = tell
        self._schedule = draw_schedule(asked.fault.load.rate, seed, [1.0])
        self._seed = f"{seed} {asked.fault.name} {asked.rate}"
        self._runs = {buffer: f"{run_id}.{asked.fault.name}.{buffer}" for buffer in asked.buffers}
        if asked.rate is not None:
            self._runs = {buffer: f"{run_id}.{asked.fault.name}-{asked.rate:g}.{buffer}" for buffer in asked.buffers}
        self._plan = draw(asked.fault.cause, asked.rate, len(self._schedule), self._seed) if asked.fault.cause else None
        self._before: dict[Buffer, BufferState] = {}
        self._http = requests.Session()
        self._http.trust_env = False

    def run(self) -> list[Cell]:
        """Run it: the cells of all its buffers, with their rows in the folder.

        Raises:
            TargetError: the embedded AWS does not answer, though no fault has killed it.
        """
        asked = self._asked
        url = self._target.api_url
        client = ApiClient(url, authentication=self._target.showing.to(url), connections=_CONNECTIONS)
        self._warm_up(client)
        self._before = {buffer: self._target.state(buffer, "") for buffer in asked.buffers}
        starts_at = time.time() + _LEAD_S
        faults = (
            []
            if asked.fault.cause is None or self._plan is None
            else document(asked.fault.cause, self._plan, self._runs, starts_at, self._seed)
        )
        self._put_faults(faults)
        cells = {buffer: self._new_cell(buffer, starts_at) for buffer in asked.buffers}
        witness = Witness(client)
        with (
            RowWriter(self._folder.requests(0), REQUEST_COLUMNS) as rows,
            RowWriter(self._folder.observations, OBSERVATION_COLUMNS) as observations,
        ):
            sendings = {
                buffer: Sending(
                    asked.cell(buffer),
                    buffer,
                    self._runs[buffer],
                    self._schedule,
                    partial(self._parcel, buffer),
                    client,
                    rows,
                    partial(witness.watch, asked.cell(buffer)),
                )
                for buffer in asked.buffers
            }
            witness.start()
            alive = True
            try:
                for sending in sendings.values():
                    sending.start(starts_at)
                alive = self._watch(cells, sendings, observations, starts_at)
            finally:
                for sending in sendings.values():
                    sending.stop()
                if alive:
                    self._wait_for_callbacks(cells, witness)
                witness.finish(last_look=alive)
        if alive:
            self._note_strikes(cells, faults)
            self._put_faults([])
        for cell in cells.values():
            self._collect(cell, sendings[cell.buffer].accepted, witness, alive=alive)
        return list(cells.values())

    def _warm_up(self, client: ApiClient) -> None:
        tickets = []
        try:
            for buffer in self._asked.buffers:
                tickets += [client.accept(buffer, self._image.data) for _ in range(_WARMING)]
            if self._asked.fault.stored_images:
                client.upload(_key(self._image), self._image.data)
            for ticket in tickets:
                client.wait(ticket.request_id, _WARM_S)
        except (ApiError, NoResultError) as error:
            raise TargetError(f"nothing is recognised before the fault {self._asked.title}: {error}") from None

    def _parcel(self, buffer: "Buffer", number: int) -> Parcel:
        image: bytes | StoredImage = self._image.data
        name = self._image.name
        if self._asked.fault.stored_images:
            image = StoredImage(bucket="", key=_key(self._image))
        elif self._plan is not None and number in self._plan.bad:
            # By this mark Rekognition's edge knows whose image it is shown.
            image, name = marked(self._image.data, f"{self._runs[buffer]}/{number}"), f"{name}-marked"
        called_back = self._callback_every and number % self._callback_every == 0
        receiver = self._target.callback_receiver
        return Parcel(image, name, receiver.url if called_back and receiver is not None else None)

    def _new_cell(self, buffer: "Buffer", starts_at: float) -> Cell:
        cause = self._asked.fault.cause
        cell = Cell(self._asked, buffer, self._plan or Plan({}), len(self._schedule), starts_at * 1_000)
        if cause is not None and cause.requests is None:
            cell.fault_from = (starts_at + cause.from_s) * 1_000
            cell.fault_until = (starts_at + cause.from_s + (cause.for_s or 0.0)) * 1_000
        return cell

    def _watch(
        self,
        cells: "Mapping[Buffer, Cell]",
        sendings: "Mapping[Buffer, Sending]",
        observations: RowWriter,
        starts_at: float,
    ) -> bool:
        """Observe until all has ended, the time is up or somebody wants it to end; whether the embedded AWS lives."""
        asked = self._asked
        cause = asked.fault.cause
        acts_at = starts_at + cause.from_s if cause is not None and cause.edge in ("code", "process") else None
        cut_off_at = starts_at + asked.fault.load.rate.duration + asked.fault.load.cut_off_s
        told_at = 0.0
        while True:
            time.sleep(_OBSERVE_S)
            now = time.time()
            if acts_at is not None and now >= acts_at and cause is not None:
                acts_at = None
                if not self._act(cause, cells):
                    return False
            states = self._states()
            for buffer, state in states.items():
                cell, sending = cells[buffer], sendings[buffer]
                observations.write(*_observed(asked.cell(buffer), sending, state))
                over = sending.done and not state.backlog and (state.ended or 0) >= sending.accepted
                if over and cell.ended_at is None and acts_at is None:
                    cell.drained, cell.ended_at = True, now * 1_000
            if now >= told_at:
                told_at = now + (2.0 if self._plan is None else 1.0)
                self._tell(_progress(states, sendings))
            if all(cell.ended_at is not None for cell in cells.values()):
                return True
            if self._stopped() or now >= cut_off_at:
                for cell in cells.values():
                    cell.ended_at = cell.ended_at or now * 1_000
                return True

    def _states(self) -> "dict[Buffer, BufferState]":
        """How it stands with each buffer. A machine that is busy with a fault may take its time to say so."""
        until = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return {buffer: self._target.state(buffer, "").since(before) for buffer, before in self._before.items()}
            except TargetError:
                if time.monotonic() >= until or not psutil.pid_exists(self._target.pid):
                    raise
                time.sleep(_OBSERVE_S)

    def _act(self, cause: "Cause", cells: "Mapping[Buffer, Cell]") -> bool:
        """Do what is done once; whether the embedded AWS lives on."""
        if cause.edge == "code":
            for buffer in cells:
                self._deploy(buffer)
                cells[buffer].struck += 1
            return True
        if cause.process != "embedded":
            answer = self._http.get(f"{self._target.control_url}/state", timeout=_CONTROL_S).json()
            os.kill(answer["processes"][cause.process], signal.SIGKILL)
            for cell in cells.values():
                cell.struck += 1
            return True
        embedded = psutil.Process(self._target.pid)
        children = embedded.children(recursive=True)
        embedded.kill()
        _, alive = psutil.wait_procs(children, timeout=_ORPHANS_S)
        now = time.time() * 1_000
        for cell in cells.values():
            cell.orphans, cell.ended_at = len(alive), now
            cell.struck += 1
        return False

    def _deploy(self, buffer: "Buffer") -> None:
        """As a deployment does it: UpdateFunctionCode (Lambda API)."""
        name = self._target.outputs[f"{_camel(buffer)}FunctionName"]
        url = self._target.endpoints["lambda"]
        answer = self._http.put(
            f"{url}/2015-03-31/functions/{name}/code",
            data=json.dumps({"S3Bucket": "local", "S3Key": "local"}),
            timeout=_CONTROL_S,
        )
        answer.raise_for_status()

    def _put_faults(self, faults: "list[dict[str, Any]]") -> None:
        try:
            answer = self._http.put(
                f"{self._target.control_url}/faults", data=json.dumps({"faults": faults}), timeout=_CONTROL_S
            )
        except requests.RequestException as error:
            raise TargetError(f"the embedded AWS cannot be told of faults: {error}") from None
        if answer.status_code != requests.codes.ok:
            raise TargetError(f"the embedded AWS does not take the plan of {self._asked.title}: {answer.text[:300]}")

    def _note_strikes(self, cells: "Mapping[Buffer, Cell]", faults: "list[dict[str, Any]]") -> None:
        told = self._http.get(f"{self._target.control_url}/faults", timeout=_CONTROL_S).json()["faults"]
        for fault, done in zip(faults, told, strict=True):
            for buffer, cell in cells.items():
                if "requests" in fault and self._runs[buffer] not in fault["requests"]:
                    continue
                if (
                    "requests" not in fault
                    and fault["edge"] in ("sns", "sqs", "kinesis")
                    and (fault["edge"] != buffer.partition("-")[0])
                ):
                    continue
                cell.struck += done["struck"]
                if "requests" in fault and done["struck"]:
                    first, last = done["first_at"] * 1_000, done["last_at"] * 1_000
                    cell.fault_from = min(first, cell.fault_from or first)
                    cell.fault_until = max(last, cell.fault_until or last)

    def _wait_for_callbacks(self, cells: "Mapping[Buffer, Cell]", witness: Witness) -> None:
        """Give those that were promised a callback, and whose result was seen, a moment to be called."""
        receiver = self._target.callback_receiver
        if receiver is None or not self._callback_every:
            return
        until = time.monotonic() + _CALLBACKS_S
        while time.monotonic() < until and not self._stopped():
            waits = [
                sight
                for cell in cells.values()
                for sight in witness.sights(self._asked.cell(cell.buffer))
                if sight.number % self._callback_every == 0
                and sight.answer is not None
                and not receiver.acknowledged(sight.request_id)
            ]
            if not waits:
                return
            time.sleep(_OBSERVE_S)

    def _collect(self, cell: Cell, accepted: int, witness: Witness, *, alive: bool) -> None:
        """What became of a cell's requests, and what its clients could see."""
        name = self._asked.cell(cell.buffer)
        sights = list(witness.sights(name))
        cell.changes = changes_of(sights)
        receiver = self._target.callback_receiver
        if receiver is not None and self._callback_every:
            for sight in sights:
                if sight.number % self._callback_every:
                    continue
                calls = receiver.acknowledged(sight.request_id)
                cell.called_back += bool(calls)
                cell.untold += sight.answer is not None and not calls
                if len(calls) > 1:
                    what = f"{len(calls)} callbacks were acknowledged"
                    cell.changes.append({"request_id": sight.request_id, "sequence": sight.number, "what": what})
        with RowWriter(self._folder.results, RESULT_COLUMNS) as results:
            if not alive:
                # What its clients have read is all there is.
                for sight in sights:
                    if sight.answer is not None:
                        results.write(*_seen(name, sight.number, sight.request_id, sight.answer.status.value))
                return
            with RowWriter(self._folder.dead_letters, DEAD_LETTER_COLUMNS) as dead_letters:
                since = datetime.fromtimestamp(cell.started_at / 1_000, UTC) - _CLOCKS_APART
                dead = 0
                for row in self._target.dead_letters(cell.buffer, self._runs[cell.buffer], since):
                    dead_letters.write(name, *row[1:])
                    dead += 1
            seen: set[object] = set()
            for _ in range(_RESULT_READS):
                for row in self._target.results(name, self._runs[cell.buffer]):
                    if row[2] not in seen:
                        seen.add(row[2])
                        results.write(*row)
                if not cell.drained or len(seen) + dead >= accepted:
                    break
                time.sleep(_OBSERVE_S)


def _observed(cell: str, sending: Sending, state: BufferState) -> "list[object]":
    values = {
        "buffer": cell,
        "at": time.time() * 1_000,
        "offered": sending.offered,
        "accepted": sending.accepted,
        "completed": state.completed,
        "dead_lettered": (state.dead_lettered or 0) + (state.expired or 0),
        "backlog": state.backlog,
        "in_flight": state.in_flight,
        "concurrency": state.concurrency,
        "throttles": state.throttles,
        "cold_starts": state.cold_starts,
        "oldest_age_s": state.oldest_age_s,
    }
    return [values.get(column) for column in OBSERVATION_COLUMNS]


def _seen(cell: str, number: int, request_id: str, status: str) -> "list[object]":
    values: dict[str, object] = {"buffer": cell, "sequence": number, "request_id": request_id, "status": status}
    return [values.get(column) for column in RESULT_COLUMNS]


def _progress(states: "Mapping[Buffer, BufferState]", sendings: "Mapping[Buffer, Sending]") -> str:
    parts = []
    for buffer, state in states.items():
        dead = f", {state.dead_lettered} dead" if state.dead_lettered else ""
        parts.append(f"{buffer} {state.completed or 0}/{sendings[buffer].accepted}{dead}")
    return "  ".join(parts)


def _key(image: "LoadImage") -> str:
    return f"faults-{image.name}.jpg"


def _camel(buffer: "Buffer") -> str:
    return "".join(word.capitalize() for word in buffer.split("-"))
