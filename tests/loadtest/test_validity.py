import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest._validity import Generated, Lateness, examine, lateness_of
from pipeline.run import REQUEST_COLUMNS, RowWriter, RunFolder

GOOD = Lateness(0.5, 2.0, 3.0, 100)


@given(st.lists(st.floats(-1e3, 1e6), min_size=1, max_size=300))
def test_lateness_quantiles_are_values_that_occurred_and_in_order(late):
    lateness = lateness_of(late)
    occurred = {round(each, 3) for each in late}

    assert {lateness.p50, lateness.p99, lateness.max} <= occurred
    assert lateness.p50 <= lateness.p99 <= lateness.max == round(max(late), 3)
    assert lateness.n == len(late)


def test_the_p99_of_a_hundred_is_the_last_but_one():
    assert lateness_of(range(1, 101)) == Lateness(50, 99, 100, 100)


def test_without_a_request_there_is_no_lateness():
    assert lateness_of([]) == Lateness(None, None, None, 0)


@pytest.mark.parametrize(
    ("generated", "fault"),
    [
        (Generated(GOOD, 0, 0), None),
        (Generated(Lateness(None, None, None, 0), 0, 0), None),  # nothing was sent, so nothing was late
        (Generated(Lateness(0.5, 10.0, 99.0, 100), 0, 0), None),  # at the limit; a maximum alone is no fault
        (Generated(Lateness(0.5, 10.1, 99.0, 100), 0, 0), "10.1 ms or more after"),
        (Generated(GOOD, 1, 0), "1 arrivals were never sent"),
        (Generated(GOOD, 0, 2), "2 requests are missing"),
    ],
)
def test_a_run_counts_unless_its_generator_was_late_or_lost_something(generated, fault):
    faults = generated.faults()

    assert (len(faults) == 1 and fault in faults[0]) if fault else faults == []


def test_rows_of_all_workers_are_examined_against_what_came_due(tmp_path):
    folder = RunFolder(tmp_path)
    for worker, sequences in ((0, (0, 2)), (1, (1,))):
        with RowWriter(folder.requests(worker), REQUEST_COLUMNS) as rows:
            for sequence in sequences:
                rows.write("sqs", sequence, 1_000.0, 1_002.0 + sequence, 1_010.0, 202, "r", None, "i", 1)
    with RowWriter(folder.requests(1), REQUEST_COLUMNS) as rows:
        rows.write("sns", 0, 1_000.0, None, None, 0, None, "dropped: 5 requests were in flight", "i", 1)
        rows.write("sns", 1, 1_000.0, None, None, 0, None, "stopped before it was sent", "i", 1)

    assert examine(folder, {"sqs": 4, "sns": 2}) == Generated(Lateness(3.0, 4.0, 4.0, 3), dropped=1, lost_rows=1)


def test_a_row_cut_off_in_the_middle_is_a_lost_one(tmp_path):
    folder = RunFolder(tmp_path)
    with RowWriter(folder.requests(0), REQUEST_COLUMNS) as rows:
        for sequence in range(3):
            rows.write("sqs", sequence, 1_000.0, 1_001.0, 1_010.0, 202, "r", None, "i", 1)
    whole = folder.requests(0).read_bytes()
    folder.requests(0).write_bytes(whole[:-3])

    assert examine(folder, {"sqs": 3}).lost_rows == 1
