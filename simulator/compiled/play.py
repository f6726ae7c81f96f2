"""A simulation played by compiled code: what it is given, what it is brought on the way, and what is told of it."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from delivery.downstream import Downstream, Service
from delivery.downstream_loop import EVENT
from delivery.protocol import End
from delivery.quotas import Quotas
from delivery.token_bucket import GRACE_S
from simulator.compiled import function
from simulator.compiled.kept import is_kept
from simulator.compiled.state import BATCH, GONE, PROCESSED, SECOND, SUMS, Calls, Work
from simulator.engine import Observed
from simulator.handler import Calling, Processed, Steady
from simulator.scenario import Scenario

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]
_BLOCK = 4_096
# Virtual seconds after which it is said how far it has come.
_SECONDS = 64


@dataclass(frozen=True, slots=True)
class Taken:
    """The records that a buffer has taken: their numbers in the scenario, and when each arrives, ascending.

    Of a stream, both are so shard by shard, one of which has so many of them, `counts`.
    """

    ids: Numbers
    arrived_at: Floats
    counts: Sequence[int] = ()


class Play(ABC):
    """One simulation of a scenario that it `knows`, with records that it has `taken`.

    Args:
        scenario: what is simulated.
        taken: the records, one at least.
        handler: the function, which has not begun anything: what it draws is drawn from its dice.
        state: the kind of table of how everything stands.
        batches: how many invocations, running or held, there may be at once.
        batch_size: how many messages each may have.
    """

    ends: ClassVar[tuple[End, ...]]
    """Why a message is given up, by number."""
    has_pollers: ClassVar[bool]
    draws_for: ClassVar[str]
    """What `simulator.world` seeds the machine's random numbers with, beside the scenario's seed."""
    loop: ClassVar[Any]
    """The compiled code."""

    def __init__(
        self,
        scenario: Scenario,
        taken: Taken,
        handler: Steady | Calling,
        state: "np.dtype[Any]",
        batches: int,
        batch_size: int,
    ) -> None:
        records = self._records = taken.ids
        self._handler = handler
        self._random = Random(f"{scenario.seed} {self.draws_for}")
        self._on_failure = True
        self._states = np.zeros(1, state)
        self._state: Any = self._states[0]
        slots = np.arange(batches - 1, -1, -1)
        poisoned = np.zeros(0, np.bool_)
        if isinstance(handler, Calling):
            self._downstream = handler.downstream
            self._downstream.reserve(batches, batch_size)
            if handler.poisoned is not None:
                poisoned = handler.poisoned[records]
        else:
            self._downstream = Downstream(Service(), strands=1, dice=np.random.default_rng(0))
        self._calls = Calls(*self._downstream.tables)
        self._work = Work(
            batches=np.zeros(batches, BATCH),
            held=np.zeros((batches, batch_size), np.int64),
            unused=slots,
            unused_slots=slots.copy(),
            batch_of_slot=np.zeros(batches, np.int64),
            ready=np.zeros(batches, np.int64),
            ends=np.zeros(batches, EVENT),
            finished=np.zeros(batches, EVENT),
            idle_since=np.zeros(batches),
            # Random numbers are brought when they are wanted, in the order in which the handler would draw them.
            colds=np.zeros(0),
            befores=np.zeros(0),
            chances=np.zeros(0),
            poisoned=poisoned,
            processed=np.zeros(len(records) + batches * batch_size, PROCESSED),
            gone=np.zeros(len(records), GONE),
            seconds=np.zeros(_SECONDS, SECOND),
        )
        quotas = Quotas.with_overrides(scenario.quotas)
        reserved, growth = scenario.function.reserved_concurrency, quotas.environments_per_10_s
        self._set(
            until=scenario.until_s,
            batch_size=batch_size,
            concurrency=quotas.account_concurrency if reserved is None else reserved,
            idle_s=quotas.environment_idle_s,
            growth_rate=growth / 10,
            growth_burst=growth,
            growth_grace=growth / 10 * GRACE_S,
            growth_level=growth,
            timeout_s=scenario.function.timeout_s,
            partial=scenario.mapping.partial_failures,
            poisons=len(poisoned) > 0,
            steady=isinstance(handler, Steady),
            strands=scenario.function.in_batch_concurrency,
            record_s=handler.record_s if isinstance(handler, Steady) else 0.0,
            unused=batches,
            unused_slots=batches,
            next_second=1.0,
            arrivals=len(records),
        )

    @staticmethod
    @abstractmethod
    def knows(scenario: Scenario) -> bool:
        """Whether it can play a scenario."""

    @classmethod
    def is_compiled(cls) -> bool:
        """Whether its loop was compiled before, and need not be again."""
        return is_kept(cls.loop)

    def drive(self, tick: Callable[[Observed], None]) -> Observed | None:
        """Play it to its end; None if something happened that it does not know. `tick` as `simulator.engine.drive`."""
        seen, state = Observed(), self._state
        while (why := self._play(self._work, self._calls)) != function.OVER:
            if why == function.UNKNOWN:
                return None
            self._tell_seconds(seen, tick)
            self._bring(why)
        self._tell_seconds(seen, tick)
        until = float(state["until"])
        self._tell(seen, min(float(state["next_second"]), until), *(int(state[name]) for name in SUMS))
        seen.now, seen.events, seen.peak_concurrency = float(state["now"]), int(state["events"]), int(state["peak"])
        seen.pending = len(self._records) - seen.done - len(seen.gone)
        if not math.isinf(until) and seen.pending:
            seen.now = until
        return seen

    @property
    def invocations(self) -> int:
        """Invocations so far."""
        return int(self._state["invocations"])

    @property
    def busy_s(self) -> float:
        """How long they took together, seconds."""
        return float(self._state["busy_s"])

    @property
    def calls(self) -> tuple[int, int]:
        """Calls to the downstream so far, and how many of them were throttled."""
        return self._handler.calls

    def processed(self) -> Processed:
        """What has been processed so far."""
        rows = self._work.processed[: self._state["processed"]]
        return Processed(self._records[rows["message"]], rows["began_at"].copy(), rows["stored_at"].copy())

    @abstractmethod
    def _play(self, work: Work, calls: Calls) -> int:
        """Go on until it is over, or something is wanted; says which."""

    def _set(self, **fields: float) -> None:
        for name, value in fields.items():
            self._state[name] = value

    def _bring(self, why: int) -> None:
        """See to it that there is what was wanted."""
        if why == function.NUMBERS:
            self._downstream.draw()
        elif why == function.COLDS:
            self._work = self._work._replace(colds=_drawn(self._handler.cold_s))
            self._set(colds=0)
        elif why == function.BEFORES:
            self._work = self._work._replace(befores=_drawn(self._handler.before_s))
            self._set(befores=0)
        elif why == function.CHANCES:
            # Each invocation wants one at the most to begin, and one when it has ended.
            drawn = [self._random.random() for _ in range(_BLOCK + 2 * len(self._work.batches))]
            left = self._work.chances[self._state["chances"] :]
            self._work = self._work._replace(chances=np.concatenate((left, drawn)))
            self._set(chances=0)
        elif why == function.ROOM:
            more = np.zeros(len(self._work.processed), PROCESSED)
            self._work = self._work._replace(processed=np.concatenate((self._work.processed, more)))

    def _tell_seconds(self, seen: Observed, tick: Callable[[Observed], None]) -> None:
        seconds = self._work.seconds[: self._state["seconds"]].tolist()
        self._set(seconds=0)
        for running, pollers, *sums in seconds:
            seen.now += 1.0
            seen.concurrency.append(running)
            if self.has_pollers:
                seen.pollers.append(pollers)
            self._tell(seen, seen.now, *sums)
            tick(seen)

    def _tell(
        self, seen: Observed, at: float, received: int, throttled: int, cold_starts: int, done: int, gone: int
    ) -> None:
        seen.received, seen.throttles, seen.cold_starts, seen.done = received, throttled, cold_starts, done
        for message, why in self._work.gone[len(seen.gone) : gone].tolist():
            seen.gone.append((int(self._records[message]), at, self.ends[why], self._on_failure))
        seen.met.append((throttled, cold_starts))


def _drawn(times: Iterator[float]) -> Floats:
    return np.fromiter(islice(times, _BLOCK), np.float64, _BLOCK)
