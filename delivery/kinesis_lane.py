"""One lane of a Kinesis event source mapping: a shard, or the part of it whose partition keys hash alike.

A lane runs one invocation at a time, so that records of a partition key keep their order. What failed goes first:
nothing behind it is sent before it is done or given up.
"""

from dataclasses import dataclass, field

from delivery.backlog import Backlog, Run


@dataclass(slots=True)
class Batch:
    """Records that are sent together. `retries` were spent on errors, `throttles` in a row for want of concurrency."""

    records: Run
    retries: int = 0
    throttles: int = 0


@dataclass(slots=True)
class Lane:
    """What a lane holds. `again` is a stack: the batch to send next is its last.

    `window_from` is when the batching window opens at the earliest: the end of the invocation before.
    """

    number: int
    shard: int
    waiting: Backlog = field(default_factory=Backlog)
    again: list[Batch] = field(default_factory=list)
    busy: bool = False
    window_from: float = 0.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """What becomes of a batch that failed. `most` retries, None for as many as it takes."""

    most: int | None
    bisect: bool

    def after(self, batch: Batch, checkpoint: int) -> "list[Batch] | None":
        """The batches that take its place, the first to send first; None if its retries are used up.

        `checkpoint` is the index of its lowest failed record; those before it are done and are not sent again. A
        split costs no retry: with `bisect`, at the checkpoint if that moved, else in the middle.
        """
        rest = batch.records.part(checkpoint, len(batch.records))
        if self.bisect and checkpoint > 0:
            return [Batch(rest, batch.retries)]
        if self.bisect and len(rest) > 1:
            middle = len(rest) // 2
            return [Batch(rest.part(0, middle), batch.retries), Batch(rest.part(middle, len(rest)), batch.retries)]
        if self.most is not None and batch.retries >= self.most:
            return None
        return [Batch(rest, batch.retries + 1)]
