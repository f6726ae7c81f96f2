from random import Random

import pytest
from virtual_driver import always, drive

from delivery.environments import Account, Environments
from delivery.kinesis_fan_out_mapping import KinesisFanOutMapping
from delivery.kinesis_mapping import KinesisMapping
from delivery.kinesis_stream import KinesisStream
from delivery.protocol import Offer
from delivery.quotas import Quotas


@pytest.mark.parametrize("kind", [KinesisMapping, KinesisFanOutMapping])
@pytest.mark.parametrize(
    ("event_bytes", "holds", "why"),
    [
        (9_120, 10, "300 bytes are 400 in base64, and 512 stand beside them"),
        (9_119, 9, "a byte too few for the tenth"),
    ],
)
def test_a_small_record_takes_more_of_an_event_beside_its_data_than_by_it(kind, event_bytes, holds, why):
    quotas = Quotas.with_overrides({"event_bytes": event_bytes})
    machine = kind(
        KinesisStream(1, quotas),
        capacity=Environments(Account(quotas), quotas),
        random=Random(1),
        quotas=quotas,
        batch_size=1_000,
    )
    run = drive(machine, [(0.0, Offer(range(90), 300, [0] * 90))], always(0.1))
    assert max(len(batch) for batch in run.batches()) == holds, why
    assert run.facts.done == list(range(90))
