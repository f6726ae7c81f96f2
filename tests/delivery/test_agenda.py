import math

from hypothesis import given
from hypothesis import strategies as st

from delivery.agenda import Agenda


def test_keys_come_when_they_are_due_the_earliest_first():
    agenda = Agenda()
    for key, at in ((1, 3.0), (2, 1.0), (3, 2.0), (4, 1.0)):
        agenda.set(key, at)
    assert agenda.next_at() == 1.0
    assert agenda.due(2.5) == [2, 4, 3]
    assert agenda.due(2.5) == []


def test_the_last_time_set_counts():
    agenda = Agenda()
    agenda.set(1, 1.0)
    agenda.set(1, 5.0)
    assert agenda.due(4.0) == []
    agenda.set(1, 4.5)
    assert agenda.next_at() == 4.5


def test_a_cleared_key_never_comes():
    agenda = Agenda()
    agenda.set(1, 1.0)
    agenda.clear(1)
    agenda.clear(2)
    assert agenda.next_at() == math.inf


@given(st.lists(st.tuples(st.sampled_from("scd"), st.integers(0, 5), st.integers(0, 20))))
def test_it_does_as_a_dict_would(steps):
    agenda, plain = Agenda(), {}
    for what, key, at in steps:
        if what == "s":
            agenda.set(key, at)
            plain.pop(key, None)
            plain[key] = at
        elif what == "c":
            agenda.clear(key)
            plain.pop(key, None)
        else:
            expected = sorted((k for k in plain if plain[k] <= at), key=plain.__getitem__)
            assert agenda.due(at) == expected
            plain = {k: v for k, v in plain.items() if k not in expected}
        assert agenda.next_at() == min(plain.values(), default=math.inf)
