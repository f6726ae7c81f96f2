from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.run import RowWriter, RunError, RunFolder, read_rows

COLUMNS = ("at", "name", "count")
values = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=20)
)
rows = st.lists(st.tuples(values, values, values), max_size=20)


@given(rows)
def test_rows_written_are_read_back_in_their_order(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[object, ...]]
) -> None:
    path = tmp_path_factory.mktemp("run") / "x.rows"
    with RowWriter(path, COLUMNS) as writer:
        for row in rows:
            writer.write(*row)

    assert list(read_rows(path)) == [dict(zip(COLUMNS, row, strict=True)) for row in rows]


@given(rows, st.data())
def test_a_file_cut_anywhere_is_read_up_to_there(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[object, ...]],
    data: st.DataObject,
) -> None:
    path = tmp_path_factory.mktemp("run") / "x.rows"
    ends = []
    with RowWriter(path, COLUMNS) as writer:
        for row in rows:
            writer.write(*row)
            writer.flush()
            ends.append(path.stat().st_size)
    cut = data.draw(st.integers(0, path.stat().st_size))
    path.write_bytes(path.read_bytes()[:cut])

    assert len(list(read_rows(path))) == sum(end <= cut for end in ends)


def test_a_writer_opened_again_goes_on_without_a_second_header(tmp_path: Path) -> None:
    path = tmp_path / "x.rows"
    for count in (1, 2):
        with RowWriter(path, COLUMNS) as writer:
            writer.write(1.5, "a", count)

    assert [row["count"] for row in read_rows(path)] == [1, 2]


def test_a_row_of_the_wrong_length_is_refused_before_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "x.rows"
    with RowWriter(path, COLUMNS) as writer, pytest.raises(ValueError, match="2 values for the 3 columns"):
        writer.write(1, 2)

    assert list(read_rows(path)) == []


def test_no_file_has_no_rows(tmp_path: Path) -> None:
    assert list(read_rows(tmp_path / "none.rows")) == []


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"\x93\x01\x02\x03\xc1", id="a byte that msgpack does not know"),
        pytest.param(b"\x92\x01\x02", id="a row that is too short"),
        pytest.param(b"\x07", id="a number instead of a row"),
        pytest.param(b"\x93\x01\x02\xa1\xff", id="a text that is no UTF-8"),
    ],
)
def test_a_damaged_file_is_an_error_that_names_the_file_and_the_place(tmp_path: Path, garbage: bytes) -> None:
    path = tmp_path / "x.rows"
    RowWriter(path, COLUMNS).close()
    with path.open("ab") as file:
        file.write(garbage)

    with pytest.raises(RunError, match=r"x\.rows is damaged near byte \d+: .*; delete the run"):
        list(read_rows(path))


def test_the_description_is_read_as_it_was_written_and_replaced_whole(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.describe({"id": "r1", "valid": False, "workload": {"name": "ä"}})
    folder.describe({"id": "r1", "valid": True})

    assert folder.described() == {"id": "r1", "valid": True}
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "holds no run: it has no run.json"),
        ("{", "run.json is not JSON"),
        ("[]", "run.json is not a JSON object"),
    ],
    ids=["missing", "cut off", "no object"],
)
def test_a_folder_without_a_readable_description_says_so(tmp_path: Path, text: str | None, problem: str) -> None:
    folder = RunFolder(tmp_path)
    if text is not None:
        folder.description.write_text(text)

    with pytest.raises(RunError, match=problem):
        folder.described()


def test_every_workers_requests_are_found(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for worker in (0, 1, 10):
        RowWriter(folder.requests(worker), COLUMNS).close()
    RowWriter(folder.results, COLUMNS).close()

    assert set(folder.all_requests()) == {folder.requests(0), folder.requests(1), folder.requests(10)}
