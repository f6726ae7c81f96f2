import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest._validity import Answers, Generated, Lateness, examine, lateness_of
from pipeline.run import REQUEST_COLUMNS, RowWriter, RunFolder

GOOD = Lateness(0.5, 2.0, 3.0, 100)
NONE = Lateness(None, None, None, 0)
AT_LIMIT = Lateness(0.5, 10.0, 99.0, 100)
LATE = Lateness(0.5, 10.1, 99.0, 100)
FEW_LATE = Lateness(0.5, 80.0, 99.0, 99)


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
        (Generated(GOOD, {"sqs": GOOD}, 0, 0), None),
        (Generated(NONE, {"sqs": NONE}, 0, 0), None),  # nothing was sent, so nothing was late
        (Generated(NONE, {}, 0, 0), None),  # no turn began
        (Generated(AT_LIMIT, {"sqs": AT_LIMIT}, 0, 0), None),  # a maximum alone is no fault
        (Generated(LATE, {"sqs": LATE}, 0, 0), "1 % of the requests to sqs left 10.1 ms or more after"),
        (Generated(GOOD, {"sns": GOOD, "sqs": LATE}, 0, 0), "to sqs left 10.1 ms"),  # hidden among all, late by itself
        (Generated(GOOD, {"sqs": GOOD, "sns": FEW_LATE}, 0, 0), None),  # too few to be judged alone
        (Generated(LATE, {"sqs": GOOD, "sns": FEW_LATE}, 0, 0), "1 % of the requests left 10.1 ms"),  # and together
        (Generated(GOOD, {"sqs": GOOD}, 1, 0), "1 arrivals were never sent"),
        (Generated(GOOD, {"sqs": GOOD}, 0, 2), "2 requests are missing"),
    ],
)
def test_a_run_counts_unless_its_generator_was_late_or_lost_something(generated, fault):
    faults = generated.faults()

    assert (len(faults) == 1 and fault in faults[0]) if fault else faults == []


REFUSED_CONNECTION = (0, "ConnectionRefusedError: [Errno 111] Connection refused")


@pytest.mark.parametrize(
    ("answered", "says"),
    [
        ([(202, None), (0, "ConnectionResetError")], []),  # one is enough: whatever happened, there is such a server
        ([(204, None)], []),
        ([], []),  # nothing was sent
        ([(429, "Too Many Requests")] * 2, []),  # what a server says of too much load is a measurement
        ([(503, "busy"), (503, "busy"), (500, "boom")], []),
        ([REFUSED_CONNECTION] * 2, ["none of its 2", "2 ended with: ConnectionRefusedError", "--host", "scheme"]),
        ([(302, "HTTP 302")], ["1 ended with: HTTP 302. ", "Redirects are not followed"]),
        ([(500, "boom 1"), (500, "boom 2"), (404, "gone")], ["none of its 3", "2 ended with: HTTP 500: boom 1. "]),
        ([(404, "gone")], ["this path"]),
        ([(403, "Forbidden")], ["--authentication"]),
        ([(0, "stopped before it was answered")], ["No answer came before the end", "cut_off_s"]),
    ],
)
def test_a_server_that_accepted_nothing_was_not_measured_and_why_is_said(tmp_path, answered, says):
    folder = RunFolder(tmp_path)
    with RowWriter(folder.requests(0), REQUEST_COLUMNS) as rows:
        for sequence, (status, error) in enumerate(answered):
            rows.write("route", sequence, 1_000.0, 1_000.0, 1_010.0, status, None, error, "i", 1, None)

    faults = examine(folder, {"route": len(answered)}).faults()

    assert len(faults) == bool(says)
    assert all(each in faults[0] for each in says)


def test_what_was_dropped_says_nothing_of_the_server(tmp_path):
    folder = RunFolder(tmp_path)
    with RowWriter(folder.requests(0), REQUEST_COLUMNS) as rows:
        rows.write("route", 0, 1_000.0, None, None, 0, None, "dropped: 1 requests were in flight", "i", 1, None)

    (fault,) = examine(folder, {"route": 1}).faults()

    assert "raise --most-in-flight" in fault


def test_rows_of_all_workers_are_examined_against_what_came_due(tmp_path):
    folder = RunFolder(tmp_path)
    for worker, sequences in ((0, (0, 2)), (1, (1,))):
        with RowWriter(folder.requests(worker), REQUEST_COLUMNS) as rows:
            for sequence in sequences:
                rows.write("sqs", sequence, 1_000.0, 1_002.0 + sequence, 1_010.0, 202, "r", None, "i", 1, None)
    with RowWriter(folder.requests(1), REQUEST_COLUMNS) as rows:
        rows.write("sns", 0, 1_000.0, None, None, 0, None, "dropped: 5 requests were in flight", "i", 1, None)
        rows.write("sns", 1, 1_000.0, None, None, 0, None, "stopped before it was sent", "i", 1, None)

    sqs = Lateness(3.0, 4.0, 4.0, 3)
    assert examine(folder, {"sqs": 4, "sns": 2}) == Generated(
        sqs, {"sqs": sqs, "sns": NONE}, dropped=1, lost_rows=1, answers={"sqs": Answers(accepted=3)}
    )


def test_each_buffers_lateness_is_its_own(tmp_path):
    folder = RunFolder(tmp_path)
    with RowWriter(folder.requests(0), REQUEST_COLUMNS) as rows:
        for sequence in range(1_000):
            rows.write("sns", sequence, 1_000.0, 1_001.0, 1_010.0, 202, "r", None, "i", 1, None)
        for sequence in range(100):
            late = 1_050.0 if sequence < 3 else 1_001.0
            rows.write("sqs", sequence, 1_000.0, late, 1_060.0, 202, "r", None, "i", 1, None)

    generated = examine(folder, {"sns": 1_000, "sqs": 100})

    assert generated.lateness.p99 == 1.0
    assert generated.by_buffer["sns"].p99 == 1.0
    assert generated.by_buffer["sqs"].p99 == 50.0
    assert [("to sqs left" in fault) for fault in generated.faults()] == [True]


def test_two_late_buffers_are_two_faults():
    assert len(Generated(LATE, {"sns": LATE, "sqs": GOOD, "kinesis": LATE}, 0, 0).faults()) == 2


def test_a_row_cut_off_in_the_middle_is_a_lost_one(tmp_path):
    folder = RunFolder(tmp_path)
    with RowWriter(folder.requests(0), REQUEST_COLUMNS) as rows:
        for sequence in range(3):
            rows.write("sqs", sequence, 1_000.0, 1_001.0, 1_010.0, 202, "r", None, "i", 1, None)
    whole = folder.requests(0).read_bytes()
    folder.requests(0).write_bytes(whole[:-3])

    assert examine(folder, {"sqs": 3}).lost_rows == 1
