import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.backlog import Run
from delivery.event_table import EventTable


def numbers(*each):
    return np.array(each, np.int64)


def test_events_are_numbered_as_they_are_accepted_and_keep_their_ids():
    table = EventTable()
    table.add(Run(range(10, 40, 10), 1, 5.0))
    table.add(Run([77], 1, 6.0))
    assert table.take_arrived(6.0) == range(4)
    assert table.records(numbers(3, 0, 2)) == [77, 10, 30]


def test_events_still_to_arrive_are_handed_out_when_they_have():
    table = EventTable()
    table.add(Run([1, 2, 3, 4], 1, [1.0, 2.0, 2.0, 5.0]))
    assert (table.next_at, table.take_arrived(0.9)) == (1.0, range(0))
    assert table.take_arrived(1.0) == range(1)
    assert table.take_arrived(4.0) == range(1, 3)
    assert table.next_at == 5.0
    assert table.take_arrived(5.0) == range(3, 4)
    assert table.next_at == math.inf


def test_what_happened_to_an_event_is_counted():
    table = EventTable()
    table.add(Run(range(5), 1, 0.0))
    assert [table.add_error(3), table.add_error(3)] == [1, 2]
    assert table.add_throttle(numbers(1, 3)).tolist() == [1, 1]
    assert table.add_throttle(numbers(3)).tolist() == [2]
    assert table.errors(numbers(0, 3)).tolist() == [0, 2]
    assert table.throttles(numbers(0, 1, 3)).tolist() == [0, 1, 2]


def test_an_event_that_arrives_before_the_last_is_refused():
    table = EventTable()
    table.add(Run([1], 1, 5.0))
    with pytest.raises(ValueError, match="come after"):
        table.add(Run([2], 1, 4.9))


@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 100)), max_size=60))
def test_rows_are_used_again_and_no_event_is_mixed_up(steps):
    table, alive, total = EventTable(), {}, 0
    for arriving, percent_ending in steps:
        table.add(Run(range(total, total + arriving), 1, float(total)))
        alive.update((number, 0) for number in table.take_arrived(float(total)))
        total += arriving
        ending = list(alive)[: len(alive) * percent_ending // 100]
        table.end_all(numbers(*ending[::2]))
        for number in ending[1::2]:
            table.end(number)
        for number in ending:
            del alive[number]
        for number in list(alive)[:3]:
            alive[number] += 1
            assert table.add_error(number) == alive[number]
    left = numbers(*alive)
    assert table.records(left) == list(alive)
    assert table.errors(left).tolist() == list(alive.values())


def test_the_table_is_no_longer_than_the_queues_memory():
    table = EventTable()
    for batch in range(1_000):
        table.add(Run(range(100), 1, float(batch)))
        for number in table.take_arrived(float(batch)):
            table.end(number)
    assert len(table._records) < 5_000
