"""`simulate`: from a scenario to what it shows."""

import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from delivery.protocol import Offer
from simulator import arrivals
from simulator.compiled.kinesis import CompiledKinesis, ShardRecords
from simulator.compiled.play import Taken
from simulator.compiled.sns import CompiledSns
from simulator.compiled.sqs import CompiledSqs
from simulator.duration import Fixed
from simulator.engine import Observed, drive, uncollected
from simulator.handler import Calling, Handled, Processed, Steady, handler_of, is_steady
from simulator.result import Floats, Result, Second
from simulator.scenario import Hot, RecordedKeys, Scenario, Uniform, Zipf
from simulator.seconds import each_second
from simulator.world import build, door_of_stream

_NOBODY: Callable[[float], None] = lambda _: None  # noqa: E731 (a default that does nothing)
_STREAMS = ("kinesis", "kinesis-efo")
# From so many messages on they are played by compiled code, where it knows their case; from so many, if it has to be
# compiled first, which takes some 10 s. Of what takes a function as long each time, and so takes us less, ten times as
# many.
_MANY = 50_000
_MANY_ANEW = 500_000
_STEADY_COUNTS = 0.1
Twin = type[CompiledSqs] | type[CompiledSns] | type[CompiledKinesis]
_TWINS: tuple[Twin, ...] = (CompiledSqs, CompiledSns, CompiledKinesis)


def simulate(scenario: Scenario, progress: Callable[[float], None] = _NOBODY) -> Result:
    """Run a scenario on the virtual clock. The same scenario, the same result.

    `progress` is told now and then what share of the work is done, 0 to 1.

    Raises:
        ValueError: a setting AWS refuses too; the text says which and what it takes.
        UnknownQuotaError: `quotas` names none of the table.
    """
    world = build(scenario)
    sent_at = arrivals.times(scenario.arrivals, _dice(scenario, "arrivals"))
    order, in_at = _in_transit(scenario, sent_at)
    records = len(sent_at)
    offer = _offer(scenario, in_at)
    twin = _twin(scenario, records)
    # A stream alone tells which shard took what; its mapping hears of it only if it has to play.
    shards = ShardRecords(scenario.mapping.shards or 0) if twin is CompiledKinesis else None
    door = world.offer if shards is None else door_of_stream(scenario, shards)
    refused = door(0.0, offer) if records else {}
    accepted = records - len(refused)
    admitted = np.ones(records, np.bool_)
    admitted[list(refused)] = False

    def tick(seen: Observed) -> None:
        progress(min(1.0, (seen.done + len(seen.gone)) / max(1, accepted)))

    def function() -> Steady | Calling:
        return handler_of(scenario, records, offer.groups, _dice(scenario, "function"))

    handled: Handled | None = None
    seen = None
    if twin is not None and accepted:
        taken = Taken(np.flatnonzero(admitted), in_at[admitted]) if shards is None else shards.taken()
        handled = played = twin(scenario, taken, function())
        seen = played.drive(tick)
    if handled is None or seen is None:
        if shards is not None:
            world.offer(0.0, offer)
        handler = handled = function()
        with uncollected():
            seen = drive(
                world.machine, world.environments, handler, until=scenario.until_s, tick=tick, pollers=world.pollers
            )
    refusals = {record: str(refusal) for record, refusal in refused.items()}
    return _result(scenario, handled, seen, sent_at, order, np.where(admitted, in_at, np.nan), refusals)


def _twin(scenario: Scenario, records: int) -> Twin | None:
    """The compiled twin that plays a scenario of so many records, if one does."""
    counted = records * (_STEADY_COUNTS if is_steady(scenario) else 1)
    if counted < _MANY:
        return None
    twin = next((twin for twin in _TWINS if twin.knows(scenario)), None)
    return None if twin is None or (counted < _MANY_ANEW and not twin.is_compiled()) else twin


def _dice(scenario: Scenario, what: str) -> np.random.Generator:
    """A stream of random numbers of its own for each use, so that one more draw here leaves the others as they are."""
    return np.random.default_rng([scenario.seed, zlib.crc32(what.encode())])


def _in_transit(scenario: Scenario, sent_at: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
    """When each record is in the buffer, ascending, and which one it is: they may overtake each other on the way."""
    if isinstance(scenario.transit_ms, Fixed):
        return np.arange(len(sent_at)), sent_at + scenario.transit_ms.mean_s
    in_at = sent_at + scenario.transit_ms.seconds(_dice(scenario, "transit"), len(sent_at))
    order = np.argsort(in_at, kind="stable")
    return order, in_at[order]


def partition_keys(scenario: Scenario, records: int) -> npt.NDArray[np.int64]:
    """The partition key of each of so many records, as a number, in the order in which they reach the buffer."""
    return arrivals.keys(scenario.partition_keys, records, _dice(scenario, "keys"))


def _offer(scenario: Scenario, in_at: Floats) -> Offer:
    keys = partition_keys(scenario, len(in_at))
    at_once = not in_at.any()
    offer = Offer(
        range(len(in_at)),
        scenario.payload_bytes,
        times=None if at_once else arrivals.as_array(in_at),
        groups=keys.tolist() if scenario.buffer == "sqs-fifo" else None,
    )
    if scenario.buffer not in _STREAMS:
        return offer
    if isinstance(scenario.partition_keys, RecordedKeys):
        return replace(offer, hash_keys=scenario.partition_keys.hash_keys)
    return replace(offer, key_bits=_key_bits(scenario, scenario.partition_keys, keys))


def _key_bits(
    scenario: Scenario, partition_keys: Uniform | Zipf | Hot, keys: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint64]:
    """MD5 lays a key anywhere in the 128 bits; to draw the place has the same effect."""
    places = _dice(scenario, "hash keys").integers(0, 1 << 64, partition_keys.keys, dtype=np.uint64)
    drawn: npt.NDArray[np.uint64] = places[keys]
    return drawn


def _result(
    scenario: Scenario,
    handler: Handled,
    seen: Observed,
    sent_at: Floats,
    order: npt.NDArray[np.int64],
    in_at: Floats,
    refusals: dict[int, str],
) -> Result:
    records = len(sent_at)
    processed = _within(handler.processed(), scenario.until_s)
    deliveries = np.bincount(processed.records, minlength=records)
    stored_at, began_at, ended_at = (np.full(records, np.nan) for _ in range(3))
    if deliveries.max(initial=0) > 1:
        # Of what was processed more than once, the first time counts: it is written last.
        processed = _picked(processed, np.argsort(-processed.stored_at, kind="stable"))
    stored_at[processed.records] = processed.stored_at
    began_at[processed.records] = processed.began_at
    stored = deliveries > 0
    dead = expired = 0
    given_up: dict[int, tuple[str, bool]] = {}
    for record, at, end, is_dead in seen.gone:
        # A record with both a result and a dead letter has the outcome of its result, as in a measured run.
        if not stored[record]:
            ended_at[record] = at
            given_up[record] = (str(end), is_dead)
            dead += is_dead
            expired += not is_dead
    completed = int(stored.sum())
    accepted = int((~np.isnan(in_at)).sum())
    drained = seen.pending == 0
    unfinished = 0 if drained else accepted - completed - dead - expired
    last_end = max(processed.stored_at.max(initial=0.0), max((at for _, at, _, _ in seen.gone), default=0.0))
    calls, throttled_calls = handler.calls
    return Result(
        scenario=scenario,
        rejected_because=dict(sorted(Counter(refusals.values()).items())),
        given_up_because=dict(sorted(Counter(reason for reason, _ in given_up.values()).items())),
        offered=records,
        rejected=records - accepted,
        completed=completed,
        failed=0,
        dead_lettered=dead,
        expired=expired,
        unfinished=unfinished,
        lost=accepted - completed - dead - expired - unfinished,
        duplicates=len(processed.records) - completed,
        drain_s=float(last_end - sent_at[-1]) if drained and accepted else None,
        cold_starts=seen.cold_starts,
        throttles=seen.throttles,
        received=seen.received,
        invocations=handler.invocations,
        busy_s=handler.busy_s,
        downstream_calls=calls,
        downstream_throttles=throttled_calls,
        peak_concurrency=seen.peak_concurrency,
        events=seen.events + calls,
        series=_series(seen, sent_at, in_at, stored_at, ended_at),
        arrived_at=sent_at[order],
        accepted_at=in_at,
        started_at=began_at,
        stored_at=stored_at,
        ended_at=ended_at,
        deliveries=deliveries,
        refusals=refusals,
        given_up=given_up,
    )


def _within(processed: Processed, until_s: float) -> Processed:
    """What was stored by then; nobody sees what comes after the end."""
    within = processed.stored_at <= until_s
    return processed if within.all() else _picked(processed, np.flatnonzero(within))


def _picked(processed: Processed, places: npt.NDArray[np.int64]) -> Processed:
    return Processed(processed.records[places], processed.began_at[places], processed.stored_at[places])


def _series(seen: Observed, sent_at: Floats, in_at: Floats, stored_at: Floats, ended_at: Floats) -> tuple[Second, ...]:
    """Second by second, up to the last event."""
    seconds = len(seen.concurrency)
    if not len(sent_at):
        return ()
    offered, completed, accepted, gone = (
        each_second(values, seconds + 1) for values in (sent_at, stored_at, in_at, ended_at)
    )
    backlog = np.cumsum(accepted) - np.cumsum(completed + gone)
    return tuple(
        Second(
            t=second,
            offered=int(offered[second]),
            completed=int(completed[second]),
            backlog=int(backlog[second]),
            concurrency=seen.concurrency[second] if second < seconds else 0,
            pollers=(seen.pollers[second] if second < seconds else seen.pollers[-1]) if seen.pollers else None,
            throttles=seen.met[second][0],
            cold_starts=seen.met[second][1],
        )
        for second in range(seconds + 1)
    )
