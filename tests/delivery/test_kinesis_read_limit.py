import pytest

from delivery.kinesis_read_limit import ReadLimit
from delivery.quotas import Quotas

MIB = 1 << 20


def test_a_shard_takes_5_calls_a_second_of_all_readers_together():
    limit = ReadLimit(Quotas())
    calls = [(tick / 100, reader) for tick in range(1_000) for reader in range(3)]
    let_in = [at for at, reader in calls if limit.call(at, reader) == at]
    assert len(let_in) == pytest.approx(5 + 10 * 5, abs=1)


@pytest.mark.parametrize(
    ("size", "seconds", "why"),
    [
        (10 * MIB, 5.0, "10 MiB: further calls fail for 5 s"),
        (4 * MIB, 2.0, "any answer over 2 MiB is paid for at the shard's rate"),
        (2 * MIB, 0.0, "what a second allows"),
        (1_000, 0.0, "a few bytes"),
    ],
)
def test_after_a_large_answer_calls_fail_until_its_bytes_have_passed(size, seconds, why):
    limit = ReadLimit(Quotas())
    assert limit.call(100.0, 0) == 100.0
    limit.charge(100.0, size)
    assert limit.call(100.0, 1) == pytest.approx(100.0 + seconds), why


def test_readers_that_all_want_all_have_2_mib_a_second_and_each_its_share():
    limit = ReadLimit(Quotas())
    read, again = [0, 0, 0], [0.0, 0.0, 0.0]
    while (at := min(again)) < 300:
        for reader in range(3):
            if again[reader] <= at:
                again[reader] = limit.call(at, reader)
                if again[reader] == at:
                    limit.charge(at, MIB)
                    read[reader] += MIB
                    again[reader] = at + 0.5
    assert sum(read) / 300 == pytest.approx(2 * MIB, rel=0.02)
    assert min(read) > 0.9 * max(read)


def test_a_reader_that_was_refused_and_never_came_back_holds_up_nobody():
    limit = ReadLimit(Quotas())
    limit.call(0.0, 0)
    limit.charge(0.0, 4 * MIB)
    assert limit.call(1.0, 1) == pytest.approx(2.0)
    assert limit.call(10.0, 0) == 10.0
