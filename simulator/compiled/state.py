"""What compiled code works on: tables, one for what there is one of, and one for each of what there is many of.

A field is named as in the machine that it is of. What there is not is NaN, or NOBODY.
"""

from typing import Any, NamedTuple

import numpy as np

NOBODY = -1

# The function, its environments, and the driver.
_FUNCTION = [
    ("until", "f8"), ("batch_size", "i8"), ("concurrency", "i8"), ("idle_s", "f8"), ("growth_rate", "f8"),
    ("growth_burst", "f8"), ("growth_grace", "f8"), ("timeout_s", "f8"), ("partial", "i8"), ("poisons", "i8"),
    ("steady", "i8"), ("strands", "i8"), ("record_s", "f8"),
    ("growth_level", "f8"), ("growth_at", "f8"), ("idle", "i8"), ("idle_first", "i8"), ("running", "i8"),
    ("cold_starts", "i8"), ("throttled", "i8"),
    ("unused", "i8"), ("unused_slots", "i8"), ("ending", "i8"), ("colds", "i8"), ("befores", "i8"),
    ("chances", "i8"),
    ("invocations", "i8"), ("busy_s", "f8"), ("processed", "i8"), ("orders", "i8"),
    ("phase", "i8"), ("now", "f8"), ("at", "f8"), ("next_second", "f8"), ("seconds", "i8"), ("polls", "i8"),
    ("ended", "i8"), ("starting", "i8"), ("begun", "i8"), ("events", "i8"), ("peak", "i8"),
]  # fmt: skip
# What every buffer's messages come to.
_BUFFER = [("arrivals", "i8"), ("fresh", "i8"), ("received", "i8"), ("done", "i8"), ("gone", "i8")]
_THROTTLES = [("throttle_first_s", "f8"), ("throttle_max_s", "f8"), ("throttle_jitter", "f8")]

# An SQS mapping without a window, and its queue.
SQS = np.dtype(
    [
        *_FUNCTION, *_BUFFER, *_THROTTLES,
        ("fitting", "i8"), ("in_flight_max", "i8"), ("max_receives", "f8"), ("retention_s", "f8"),
        ("visibility_timeout_s", "f8"), ("first", "i8"), ("last", "i8"), ("first_hidden", "i8"), ("returned", "i8"),
        ("in_flight", "i8"),
        ("most", "f8"), ("least", "f8"), ("begin_with", "f8"), ("asleep", "f8"), ("step_s", "f8"), ("reset_s", "f8"),
        ("sleep_s", "f8"), ("failure_cost", "f8"), ("level", "f8"), ("growing_from", "f8"), ("saturated", "i8"),
        ("gained", "i8"), ("credit_s", "f8"), ("grows_at", "f8"), ("worked", "i8"), ("idle_since", "f8"),
        ("idle_levels", "i8"),
        ("waiting", "i8"), ("free", "i8"), ("polled_at", "f8"),
    ]
)  # fmt: skip
# A message of a queue. Those received stand in one list, in the order in which their visibility timeouts end.
MESSAGE = np.dtype([("arrived_at", "f8"), ("until", "f8"), ("next", "i8"), ("previous", "i8"), ("receives", "i8")])

# Lambda's asynchronous invocation, one event an invocation.
EVENTS = np.dtype(
    [
        *_FUNCTION, *_BUFFER, *_THROTTLES,
        ("seed", "u8"), ("in_advance", "i8"), ("most_retries", "i8"), ("age_s", "f8"), ("first_retry_s", "f8"),
        ("second_retry_s", "f8"), ("least_retry_s", "f8"), ("least_wait_s", "f8"),
        ("refused", "i8"), ("draw_at", "f8"), ("asleep", "i8"), ("next_slot", "i8"), ("last_slot", "i8"),
    ]
)  # fmt: skip
# An event, and the next one that sleeps in the same slot of time.
EVENT_ROW = np.dtype([("arrived_at", "f8"), ("next", "i8"), ("throttles", "i8"), ("errors", "i8")])
REFUSED = np.dtype([("event", "i8"), ("at", "f8")])

# A polled mapping of a stream, one lane a shard.
STREAM = np.dtype(
    [
        *_FUNCTION, *_BUFFER, *_THROTTLES,
        ("retry_first_s", "f8"), ("retry_max_s", "f8"), ("most_retries", "f8"), ("bisect", "i8"), ("window_s", "f8"),
        ("poll_interval_s", "f8"), ("read_records", "i8"), ("record_bytes", "i8"), ("read_bytes_per_s", "f8"),
        ("read_spacing_s", "f8"), ("event_record_bytes", "i8"), ("event_bytes", "i8"), ("fitting", "i8"),
        ("too_old_at", "f8"), ("at_work", "f8"), ("first_throttled", "i8"), ("last_throttled", "i8"),
    ]
)  # fmt: skip
# Of a shard's records, which end before `stop`, those from `unread` on were not read, and those from `waiting` on wait.
SHARD = np.dtype(
    [
        ("stop", "i8"), ("unread", "i8"), ("waiting", "i8"), ("readable_at", "f8"), ("phase", "f8"), ("busy", "i8"),
        ("window_from", "f8"), ("again", "i8"), ("throttled", "i8"), ("before", "i8"), ("behind", "i8"),
    ]
)  # fmt: skip
# Records that are sent together.
PIECE = np.dtype([("first", "i8"), ("count", "i8"), ("retries", "i8"), ("throttles", "i8")])

# An invocation, or what a poller holds of it when it does not run.
BATCH = np.dtype(
    [
        ("count", "i8"), ("until", "f8"), ("throttles", "i8"), ("cold", "i8"), ("began_at", "f8"), ("started_at", "f8"),
        ("stopped", "i8"),
    ]
)  # fmt: skip
# Every time a message was processed; what was given up, and why.
PROCESSED = np.dtype([("message", "i8"), ("began_at", "f8"), ("stored_at", "f8")])
GONE = np.dtype([("message", "i8"), ("why", "i8")])
# How everything stood at the end of a second; sums since the beginning.
SUMS = ("received", "throttled", "cold_starts", "done", "gone")
SECOND = np.dtype([(name, "i8") for name in ("running", "pollers", *SUMS)])


class Work(NamedTuple):
    """The function's invocations. `held` are the messages of each batch, `ready` the batches to begin."""

    batches: Any
    held: Any
    unused: Any
    unused_slots: Any
    batch_of_slot: Any
    ready: Any
    ends: Any
    finished: Any
    idle_since: Any
    colds: Any
    befores: Any
    chances: Any
    poisoned: Any
    processed: Any
    gone: Any
    seconds: Any


class Calls(NamedTuple):
    """The tables of a `delivery.downstream.Downstream`, in its order."""

    services: Any
    batches: Any
    strands: Any
    calls: Any
    ends: Any
    poisoned: Any
    answered: Any
    numbers: Any
    begins: Any
    ended: Any


class QueueRows(NamedTuple):
    """The messages of a queue, and the turns of throttled batches."""

    messages: Any
    turns: Any


class EventRows(NamedTuple):
    """The events of a function, those that were refused, and those that sleep: the first of each slot of a ring."""

    events: Any
    refused: Any
    slots: Any
    woken: Any


class ShardRows(NamedTuple):
    """The records of a stream, shard by shard; the batch that each lane sends or has sent, and those it sends again."""

    arrived_at: Any
    shards: Any
    next: Any
    again: Any
    reads: Any
    turns: Any
    due: Any
    ready: Any
