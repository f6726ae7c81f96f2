import pytest

from delivery.sqs_deduplication import Deduplication


@pytest.mark.parametrize(
    ("seconds", "new", "why"),
    [
        (0.0, False, "sent twice in the same moment"),
        (299.9, False, "within five minutes"),
        (300.0, True, "the interval is over"),
    ],
)
def test_an_id_is_remembered_for_the_interval(seconds, new, why):
    known = Deduplication(300.0)
    assert known.is_new(0.0, 1, 7)
    assert known.is_new(seconds, 1, 7) is new, why


def test_a_duplicate_does_not_begin_the_interval_anew():
    known = Deduplication(300.0)
    known.is_new(0.0, 1, 7)
    known.is_new(200.0, 1, 7)
    assert known.is_new(300.0, 1, 7)


def test_an_id_counts_for_the_whole_queue():
    known = Deduplication(300.0)
    known.is_new(0.0, 1, 7)
    assert not known.is_new(1.0, 2, 7)


def test_by_group_the_same_id_in_another_group_is_another():
    known = Deduplication(300.0, by_group=True)
    known.is_new(0.0, 1, 7)
    assert known.is_new(1.0, 2, 7)
    assert not known.is_new(2.0, 1, 7)
