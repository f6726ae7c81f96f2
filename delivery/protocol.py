"""What every kind of delivery has in common: the words, and the protocol its machines keep.

A machine takes the time with every call (`now`, seconds, never going back) and does no IO. Records are known by
whole numbers; their payloads stay with the driver. A driver polls after every offer, every settle, and at
`wake_at()`, starts what it is given, and settles each invocation once:

    refused = machine.offer(now, Offer(ids=range(0, 100), sizes=2_000))
    for invocation in machine.poll(now):
        ...run it, then:  machine.settle(later, invocation, Ok())
    wait until machine.wake_at()
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt


class Refusal(StrEnum):
    """Why a record was not taken in, by the name of AWS's own error.

    A DUPLICATE is no error to who sends it: a FIFO queue answers as if it had taken the message.
    """

    THROUGHPUT_EXCEEDED = "ProvisionedThroughputExceededException"
    THROTTLED = "Throttled"
    TOO_LARGE = "TooLarge"
    DUPLICATE = "Duplicate"
    TOO_MANY_REQUESTS = "Too Many Requests"
    CONCURRENCY = "ConcurrentInvocationLimitExceeded"
    RESERVED_CONCURRENCY = "ReservedFunctionConcurrentInvocationLimitExceeded"
    INVOCATION_RATE = "FunctionInvocationRateLimitExceeded"
    RESERVED_INVOCATION_RATE = "ReservedFunctionInvocationRateLimitExceeded"


class End(StrEnum):
    """Why a record will not be delivered again, other than that it was done."""

    RETRIES_EXHAUSTED = "RetriesExhausted"
    RECORD_AGE = "MaximumRecordAgeExceeded"
    EVENT_AGE = "EventAgeExceeded"
    RECEIVE_COUNT = "MaxReceiveCountExceeded"
    RETENTION = "RetentionExpired"
    TOO_LARGE = "InvokePayloadTooLarge"
    CLIENT_ERROR = "ClientError"
    DELIVERY_POLICY = "DeliveryRetriesExhausted"
    FUNCTION_ERROR = "FunctionError"
    THROTTLED = "TooManyRequestsException"


@dataclass(frozen=True, slots=True)
class Offer:
    """Records put in together.

    `ids` ascend, over all offers to a machine. `sizes` are bytes as the service counts them, one number if all are
    alike. `hash_keys` (Kinesis) lie in 0 to 2**128 - 1; `key_bits` say them in bulk, instead: the upper 64 of their
    128 bits, the others taken as 0. `user_keys` are the hash keys of the user records that each record of a stream
    is an aggregate of, none if it is not one. `groups` are the message groups of a FIFO queue, whole numbers as well.
    `times` are arrivals still to come, ascending, for a driver whose clock is virtual: then arrivals are no events of
    its own.
    """

    ids: Sequence[int]
    sizes: int | Sequence[int]
    hash_keys: Sequence[int] | None = None
    times: Sequence[float] | None = None
    groups: Sequence[int] | None = None
    key_bits: npt.NDArray[np.uint64] | None = None
    user_keys: Sequence[Sequence[int]] | None = None


# Not frozen, though nobody changes one, and neither is an invocation: a frozen class takes five times as long to make,
# a microsecond an invocation.
@dataclass(slots=True, unsafe_hash=True)
class Slot:
    """One execution environment, taken for one invocation. `cold` if it has to be started first."""

    environment: int
    cold: bool


@dataclass(slots=True, unsafe_hash=True)
class Invocation:
    """One call of the function, to be started now.

    `deadline` is when its timeout runs out. `lane` names what it blocks while it runs: for Kinesis
    shard * parallelization factor + sub-lane, elsewhere 0. `attempt` counts from 1 how often these records were sent
    (SQS: the highest receive count among them).
    """

    number: int
    ids: Sequence[int]
    slot: Slot
    start: float
    deadline: float
    lane: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Ok:
    """The function returned, and every record is done."""

    lost: ClassVar[bool] = False


@dataclass(slots=True, unsafe_hash=True)
class PartialFailure:
    """The function returned and named the records that failed (batchItemFailures)."""

    lost: ClassVar[bool] = False
    failed: frozenset[int]


@dataclass(slots=True, unsafe_hash=True)
class Error:
    """The function raised, exited or named a record it was not given. `lost` if its process died of it."""

    lost: bool = False


@dataclass(frozen=True, slots=True)
class Timeout:
    """The function was stopped at its deadline; its environment is lost with it."""

    lost: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Throttled:
    """The invocation was refused after all, by a limit the machine does not hold (HTTP 429 or 5xx)."""

    lost: ClassVar[bool] = False


# Of each it is known whether its environment is `lost`.
Outcome = Ok | PartialFailure | Error | Timeout | Throttled


@dataclass(slots=True)
class Facts:
    """What happened since it was last asked.

    Each record accepted ends once, in one of the first three: `dead` went to the failure destination, `expired` is
    gone without. `received` counts records handed out by the buffer, each time anew; `throttled` counts invocations
    refused for want of concurrency, not records; `cold_starts` counts invocations that had to start an environment;
    `duplicates` counts records sent once more although nothing had failed, which end nothing a second time;
    `dropped` counts user records that were lost inside of records delivered, without a word to anybody (enhanced
    fan-out of aggregates).
    """

    done: Sequence[int] = field(default_factory=list)
    dead: list[tuple[int, End]] = field(default_factory=list)
    expired: list[tuple[int, End]] = field(default_factory=list)
    received: int = 0
    throttled: int = 0
    cold_starts: int = 0
    duplicates: int = 0
    dropped: int = 0


class Capacity(Protocol):
    """A function's concurrency, as a machine draws on it."""

    def acquire_upto(self, now: float, wanted: int) -> list[Slot]:
        """Take as many environments as can be had, `wanted` at most; a short list is a throttle."""

    def release(self, now: float, slot: Slot, *, lost: bool = False) -> None:
        """Give one back; `lost` if its process died with the invocation."""

    def exhausted(self) -> bool:
        """Whether there is nothing to acquire until something is released; time alone brings nothing."""


class Delivery(Protocol):
    """One way from a buffer to a function."""

    def offer(self, now: float, offer: Offer) -> Mapping[int, Refusal]:
        """Take records in. Answers with those refused; all others are accepted, and will end in `drain()`."""

    def poll(self, now: float) -> list[Invocation]:
        """The invocations to start now; each holds a slot until it is settled."""

    def settle(self, now: float, invocation: Invocation, outcome: Outcome) -> None:
        """Say how an invocation ended. The slot is released."""

    def wake_at(self) -> float:
        """When `poll` could next yield something by time alone; infinity if never. May be early, is never late."""

    def starts_at(self, now: float) -> float:
        """Up to when `poll` yields nothing even if invocations are settled from now on, none of them as Throttled.

        A driver whose clock is virtual may settle all that end before then, and poll once. Minus infinity if a settle
        may bring something at once.
        """

    def pending(self) -> int:
        """Records accepted and not yet ended, those in flight among them."""

    def in_flight(self) -> int:
        """Records in the hands of the function right now."""

    def running(self) -> int:
        """Invocations started and not yet settled: the concurrency this delivery uses."""

    def oldest_age_s(self, now: float) -> float:
        """Seconds since the oldest record still pending arrived; 0 if none is."""

    def drain(self) -> Facts:
        """The facts since the last call."""
