"""An SQS event source mapping of a FIFO queue."""

from dataclasses import replace
from random import Random

from delivery.pollers import Pollers
from delivery.protocol import Capacity
from delivery.quotas import Quotas
from delivery.sqs_fifo_queue import SqsFifoQueue
from delivery.sqs_provisioned import ProvisionedPollers
from delivery.sqs_source_mapping import Batch, SqsSourceMapping


class SqsFifoMapping(SqsSourceMapping):
    """Pollers that receive a FIFO queue's messages and invoke the function; keeps `delivery.protocol.Delivery`.

    At most one batch of a group is in flight, so that as many run as there are active groups, up to the maximum
    concurrency: there is no ramp, and a failure takes no poller away. It stops its group until the visibility timeout
    is over, and no other. A batch is what one receive brings; it may hold several groups. There is no window.

    A function that reports failed messages has to stop at the first one of a group and report the others of it, too;
    those it does not report are deleted.

    Args:
        queue: the queue it polls; `offer` is the queue's. Its facts are drained through the mapping.
        capacity: the function's concurrency.
        random: draws the back-off jitter.
        quotas: pollers, event size, back-off.
        batch_size: most messages of one invocation, 1 to 10.
        maximum_concurrency: MaximumConcurrency, 2 to 1,000; pollers stop receiving there.
        provisioned: the pollers of provisioned mode, which excludes a maximum concurrency. They do ramp.
        report_batch_item_failures: whether the function's list of failed messages is heeded.
        function_timeout_s: the function's timeout; AWS refuses one above the queue's visibility timeout.

    Raises:
        ValueError: a setting AWS refuses too.
    """

    def __init__(
        self,
        queue: SqsFifoQueue,
        *,
        capacity: Capacity,
        random: Random,
        quotas: Quotas,
        batch_size: int = 10,
        maximum_concurrency: int | None = None,
        provisioned: ProvisionedPollers | None = None,
        report_batch_item_failures: bool = False,
        function_timeout_s: float = 3.0,
    ) -> None:
        if not 1 <= batch_size <= quotas.sqs_fifo_batch_max:
            raise ValueError(
                f"a batch size of {batch_size}; a FIFO queue's mapping takes 1 to {quotas.sqs_fifo_batch_max}"
            )
        all_at_once = replace(quotas, sqs_pollers_start=quotas.sqs_pollers_max, sqs_pollers_min=quotas.sqs_pollers_max)
        super().__init__(
            queue,
            capacity=capacity,
            random=random,
            quotas=quotas,
            pollers=Pollers(all_at_once, maximum_concurrency, provisioned),
            provisioned=provisioned,
            batch_size=batch_size,
            maximum_concurrency=maximum_concurrency,
            report_batch_item_failures=report_batch_item_failures,
            function_timeout_s=function_timeout_s,
        )
        self._fifo = queue
        self._provisioned = provisioned is not None

    def pollers(self) -> int:
        """How many batches could be held: as many as there are active groups, up to the maximum concurrency.

        In provisioned mode how many pollers there are, each for up to 10 batches.
        """
        return super().pollers() if self._provisioned else min(super().pollers(), self._fifo.active_groups())

    def _receive(self, now: float, ready: list[Batch]) -> None:
        self._receive_at_once(now, ready)
