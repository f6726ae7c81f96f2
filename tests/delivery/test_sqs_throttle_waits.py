from itertools import pairwise
from random import Random

import pytest
from virtual_driver import drive

from delivery.environments import Account, Environments
from delivery.protocol import Offer, Ok, Throttled
from delivery.quotas import Quotas
from delivery.sqs_fifo_mapping import SqsFifoMapping
from delivery.sqs_fifo_queue import SqsFifoQueue
from delivery.sqs_mapping import SqsMapping
from delivery.sqs_queue import SqsQueue


class Quarter(Random):
    """Always draws a quarter: a wait is 7/8 of its whole length."""

    def random(self):
        return 0.25


@pytest.mark.parametrize(("queue", "mapping"), [(SqsQueue, SqsMapping), (SqsFifoQueue, SqsFifoMapping)])
def test_a_held_batch_is_tried_after_1_s_and_then_twice_as_long_each_time_up_to_30(queue, mapping):
    quotas = Quotas()
    machine = mapping(
        queue(quotas=quotas, visibility_timeout_s=43_200.0),
        capacity=Environments(Account(quotas), quotas),
        random=Quarter(),
        quotas=quotas,
    )
    outcomes = iter([Throttled()] * 8 + [Ok()])
    run = drive(machine, [(0.0, Offer([1], 100, groups=[1]))], lambda _: (0.0, next(outcomes)))
    waits = [after.start - before.start for before, after in pairwise(run.started)]
    assert waits == pytest.approx([7 / 8 * wait for wait in (1, 2, 4, 8, 16, 30, 30, 30)])
    assert {invocation.attempt for invocation in run.started} == {1}, "all of it is one receive"
    assert run.facts.done == [1]
