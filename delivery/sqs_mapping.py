"""An SQS event source mapping of a standard queue."""

from random import Random

from delivery.pollers import Pollers
from delivery.protocol import Capacity
from delivery.quotas import Quotas
from delivery.sqs_provisioned import ProvisionedPollers
from delivery.sqs_queue import SqsQueue
from delivery.sqs_source_mapping import Batch, SqsSourceMapping


class SqsMapping(SqsSourceMapping):
    """Pollers that receive messages and invoke the function; keeps `delivery.protocol.Delivery`.

    Each poller holds one batch, a provisioned one up to 10. Without a window it invokes with what a receive brings.
    With one it gathers: a message goes to any poller that waits, one that is gathering or one that is free.

    Args:
        queue: the queue it polls; `offer` is the queue's. Its facts are drained through the mapping.
        capacity: the function's concurrency.
        random: decides which waiting poller a message goes to, and the back-off jitter.
        quotas: pollers, event size, back-off.
        batch_size: most messages of one invocation, 1 to 10,000; above 10 a window is needed.
        batching_window_s: how long a poller gathers a batch, 0 to 300. Under low traffic it may wait up to 20 s.
        maximum_concurrency: MaximumConcurrency, 2 to 1,000; pollers stop receiving there.
        provisioned: the pollers of provisioned mode, which excludes a maximum concurrency.
        report_batch_item_failures: whether the function's list of failed messages is heeded.
        function_timeout_s: the function's timeout; AWS refuses one above the queue's visibility timeout.

    Raises:
        ValueError: a setting AWS refuses too.
    """

    def __init__(
        self,
        queue: SqsQueue,
        *,
        capacity: Capacity,
        random: Random,
        quotas: Quotas,
        batch_size: int = 10,
        batching_window_s: float = 0.0,
        maximum_concurrency: int | None = None,
        provisioned: ProvisionedPollers | None = None,
        report_batch_item_failures: bool = False,
        function_timeout_s: float = 3.0,
    ) -> None:
        if not 1 <= batch_size <= 10_000:
            raise ValueError(f"a batch size of {batch_size}; a queue's mapping takes 1 to 10,000")
        if not 0 <= batching_window_s <= 300:
            raise ValueError(f"a batching window of {batching_window_s} s; a mapping takes 0 to 300")
        if batch_size > quotas.sqs_receive_messages and batching_window_s < 1:
            raise ValueError(f"a batch size of {batch_size} needs a batching window of 1 s or more")
        super().__init__(
            queue,
            capacity=capacity,
            random=random,
            quotas=quotas,
            pollers=Pollers(quotas, maximum_concurrency, provisioned),
            provisioned=provisioned,
            batch_size=batch_size,
            maximum_concurrency=maximum_concurrency,
            report_batch_item_failures=report_batch_item_failures,
            function_timeout_s=function_timeout_s,
        )
        self._standard = queue
        self._window_s = batching_window_s
        self._gather_s = max(batching_window_s, quotas.sqs_low_traffic_wait_s)
        self._random = random
        self._gathering: list[Batch] = []

    def _receive(self, now: float, ready: list[Batch]) -> None:
        if self._window_s > 0:
            self._gather(now, ready)
        else:
            self._receive_at_once(now, ready)

    def _gather(self, now: float, ready: list[Batch]) -> None:
        """Give each message to a poller that waits, until its batch is full or its time is up."""
        free = self._pollers.count(now) - self._invoker.running - len(self._waiting) - len(ready)
        while self._queue.has_visible(now) and not self._standard.full(now) and self._throughput_left(now):
            seats = len(self._gathering) + max(free, 0)
            if seats == 0:
                break
            seat = self._random.randrange(seats)
            seated = seat < len(self._gathering)
            batch = self._gathering.pop(seat) if seated else Batch(now)
            room = self._batch_size - batch.count
            lease = self._queue.receive(now, room, most_bytes=self._event_bytes - batch.bytes)
            if lease is not None:
                batch.add(lease)
                self._spend(now, lease)
            elif batch.count == 0:
                # What was visible had been received too often, and is given up.
                break
            free -= not seated
            if lease is None or batch.count == self._batch_size or now >= batch.opened_at + self._window_s:
                if seated:
                    del self._waiting[batch.number]
                    self._turns.clear(batch.number)
                ready.append(batch)
                continue
            if not seated:
                self._waiting[batch.number] = batch
                # Never past its visibility timeout: it would receive its own messages again.
                self._turns.set(batch.number, min(now + self._gather_s, batch.until()))
            self._gathering.append(batch)

    def _whose_turn_has_come(self, now: float) -> list[Batch]:
        ready = super()._whose_turn_has_come(now)
        for batch in ready:
            if batch.throttles == 0:
                self._gathering.remove(batch)
        return ready

    def _seats(self) -> int:
        # One that gathers can receive, too.
        return max(self._free, 0) + len(self._gathering)
