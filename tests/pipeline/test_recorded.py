from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.recorded import RecordingError, read


@pytest.fixture
def csv_of(tmp_path):
    def write(text, name="r.csv"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def parquet_of(tmp_path):
    def write(values, kind=None):
        path = tmp_path / "r.parquet"
        pq.write_table(pa.table({"id": list(range(len(values))), "at": pa.array(values, kind)}), path)
        return path

    return write


@pytest.mark.parametrize(
    ("text", "unit", "times"),
    [
        ("id,at\n1,0\n2,0.25\n3,4\n", "s", [0, 0.25, 4]),
        ("at\n4\n1.5\n1\n", "s", [0, 0.5, 3]),  # any order, any start
        ("at\n1700000000000\n1700000000250\n", "ms", [0, 0.25]),
        ("at,x\n2026-11-26T10:00:00+01:00,1\n2026-11-26T09:00:02.5Z,2\n", "s", [0, 2.5]),  # zones are heeded
        ("at\n2026-11-26 10:00:00\n2026-11-26 10:00:01\n", "s", [0, 1]),
        ('\ufeffat\n"1"\n1\n', "s", [0, 0]),  # as spreadsheets write it; two at once stay two
    ],
)
def test_a_csv_column_becomes_the_gaps_between_arrivals(csv_of, text, unit, times):
    recorded = read(csv_of(text), "at", unit)

    assert list(recorded.times) == pytest.approx(times)
    assert recorded.total == len(times)
    assert recorded.duration == pytest.approx(times[-1])


@pytest.mark.parametrize("scale", ["s", "ms", "us", "ns"])
def test_a_parquet_column_of_timestamps_is_read_by_its_own_unit(parquet_of, scale):
    start = datetime(2026, 11, 26, 10, tzinfo=UTC)
    path = parquet_of([start + timedelta(seconds=3), start], pa.timestamp(scale, "UTC"))

    assert list(read(path, "at").times) == pytest.approx([0, 3])


def test_a_parquet_column_of_numbers_is_read_by_the_unit_given(parquet_of):
    assert list(read(parquet_of([1_500, 1_000]), "at", "ms").times) == pytest.approx([0, 0.5])


@pytest.mark.parametrize(
    ("text", "name", "says"),
    [
        ("at\n1\nnoon\n", "r.csv", r"r\.csv:3: 'noon' is neither a number nor a date"),
        ("at\n1\n\n2,3\nnan\n", "r.csv", r"r\.csv:5: 'nan' is no time"),
        ("at\n1\n,\n", "r.csv", r"r\.csv:3: '' is neither"),
        ("when\n1\n", "r.csv", "no column 'at'; it has 'when'$"),
        (" at ,x\n1,2\n", "r.csv", "it has ' at ', 'x'$"),  # a blank is to be seen
        ("at;x\n1;2\n", "r.csv", "it has 'at;x'; columns are parted by commas"),
        ("1.5\n2\n", "r.csv", r"no line of column names: it begins with 1\.5"),
        ("2026-11-26T10:00:00Z,2\n", "r.csv", "no line of column names"),
        ("", "r.csv", "is empty, without even a line of column names"),
        ("at\n1700000000000\n1700000005000\n", "r.csv", r"begins 1\.7e\+12 s after 1970: .* say unit: ms"),
        ("at\n", "r.csv", "holds no arrival"),
        ("at\n1\n", "r.txt", "neither .csv nor .parquet"),
        ("at\n1\n", "r.parquet", "is no Parquet file"),
    ],
)
def test_what_is_no_recording_is_refused_with_its_line(csv_of, text, name, says):
    with pytest.raises(RecordingError, match=says):
        read(csv_of(text, name), "at")


def test_times_finer_than_milliseconds_are_refused_and_the_latest_of_dates_is_not(csv_of):
    with pytest.raises(RecordingError, match="in a finer unit than ms"):
        read(csv_of("at\n1700000000000000\n"), "at", "ms")

    assert read(csv_of("at\n9999-12-31T23:59:59Z\n"), "at").total == 1


def test_nulls_truths_and_missing_files_are_refused(parquet_of, tmp_path):
    with pytest.raises(RecordingError, match="row 2: None is neither"):
        read(parquet_of([1.0, None]), "at")
    with pytest.raises(RecordingError, match="row 1: True is neither"):
        read(parquet_of([True]), "at")
    with pytest.raises(RecordingError, match="cannot be read"):
        read(tmp_path / "none.csv", "at")
