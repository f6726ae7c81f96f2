"""A polled Kinesis event source mapping."""

from collections.abc import Mapping
from random import Random

from delivery.kinesis_stream import KinesisStream
from delivery.protocol import Capacity, Facts, Invocation, Offer, Outcome, Refusal
from delivery.quotas import Quotas


class KinesisMapping:
    """Reads a stream's shards and invokes the function; keeps `delivery.protocol.Delivery`.

    Args:
        stream: the stream it reads; `offer` is the stream's.
        capacity: the function's concurrency.
        random: draws each shard's poll phase and the back-off jitter.
        quotas: poll interval, read limits, event size, retention, back-off.
        batch_size: most records of one invocation, 1 to 10,000.
        batching_window_s: how long to gather a batch, 0 to 300; opens when records wait and the lane is free.
        parallelization_factor: lanes per shard, 1 to 10; a partition key keeps to its lane, so its order is kept.
        bisect: BisectBatchOnFunctionError; splits a failed batch without using up a retry.
        maximum_retry_attempts: retries after errors, 0 to 10,000; None until the records expire (AWS's -1).
        maximum_record_age_s: records older than this are given up; None for never (AWS's -1).
        report_batch_item_failures: whether the function's list of failed records is heeded.
        function_timeout_s: the function's timeout.
        on_failure: whether there is a destination; without one, records given up are lost (`Facts.expired`).
    """

    def __init__(
        self,
        stream: KinesisStream,
        *,
        capacity: Capacity,
        random: Random,
        quotas: Quotas,
        batch_size: int = 100,
        batching_window_s: float = 0.0,
        parallelization_factor: int = 1,
        bisect: bool = False,
        maximum_retry_attempts: int | None = None,
        maximum_record_age_s: float | None = None,
        report_batch_item_failures: bool = False,
        function_timeout_s: float = 3.0,
        on_failure: bool = True,
    ) -> None:
        raise NotImplementedError

    def offer(self, now: float, offer: Offer) -> Mapping[int, Refusal]:
        """Put records into the stream."""
        raise NotImplementedError

    def poll(self, now: float) -> list[Invocation]:
        """The invocations to start now; each holds a slot until it is settled."""
        raise NotImplementedError

    def settle(self, now: float, invocation: Invocation, outcome: Outcome) -> None:
        """Say how an invocation ended. The slot is released."""
        raise NotImplementedError

    def wake_at(self) -> float:
        """When `poll` could next yield something by time alone."""
        raise NotImplementedError

    def pending(self) -> int:
        """Records accepted and not yet ended."""
        raise NotImplementedError

    def in_flight(self) -> int:
        """Records in the hands of the function."""
        raise NotImplementedError

    def running(self) -> int:
        """Invocations started and not yet settled."""
        raise NotImplementedError

    def oldest_age_s(self, now: float) -> float:
        """Seconds since the oldest pending record arrived."""
        raise NotImplementedError

    def drain(self) -> Facts:
        """The facts since the last call."""
        raise NotImplementedError
