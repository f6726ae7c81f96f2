"""A file is cut where rows begin; and where it was cut elsewhere, that is found out by whoever reads up to there."""

from pathlib import Path

import msgpack
import pytest

from pipeline.run import REQUEST_COLUMNS, RESULT_COLUMNS, RowWriter
from reports import rows
from reports.rows_file import RowsFile


def request(sequence: int, image: str = "cat.jpg", size: int = 5_000) -> tuple[object, ...]:
    return ("sqs", sequence, 1e12, 1e12 + 0.5, 1e12 + 9, 202, f"r{sequence}", None, image, size, None)


def write(path: Path, *written: tuple[object, ...]) -> list[int]:
    """Write a file, and tell where each row begins."""
    begins = []
    path.write_bytes(msgpack.packb(REQUEST_COLUMNS))
    with path.open("ab") as file:
        for row in written:
            begins.append(file.tell())
            file.write(msgpack.packb(row))
    return begins


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "requests-0.rows"


@pytest.mark.parametrize("size", [1, 50, 100, 1_000, 5_000])
def test_parts_follow_one_another_and_begin_where_rows_do(path: Path, size: int) -> None:
    begins = write(path, *(request(number) for number in range(50)))
    parts = RowsFile.of(path).parts(size)
    assert [begin for begin, _ in parts] == [begins[0], *(end for _, end in parts[:-1])]
    assert parts[-1][1] == path.stat().st_size
    assert {begin for begin, _ in parts} <= set(begins)
    assert len(parts) > 1 or size == 5_000


def test_rows_with_a_header_of_three_bytes_are_cut_too(tmp_path: Path) -> None:
    path = tmp_path / "results.rows"
    with RowWriter(path, RESULT_COLUMNS) as writer:
        for number in range(50):
            writer.write("sqs", number, *[None] * (len(RESULT_COLUMNS) - 2))
    assert len(RowsFile.of(path).parts(200)) > 3


@pytest.mark.parametrize(
    ("why", "content"),
    [
        ("nothing behind its columns", msgpack.packb(REQUEST_COLUMNS)),
        ("columns that break off", msgpack.packb(REQUEST_COLUMNS)[:-2]),
        ("nothing", b""),
        ("rubbish, of which nothing begins a row", msgpack.packb(REQUEST_COLUMNS) + b"\xc1" * 500),
        ("a row that is longer than what is looked at", msgpack.packb(REQUEST_COLUMNS) + b"\xdb\x00\x30\x00\x00"),
    ],
)
def test_what_cannot_be_cut_is_one_part(path: Path, why: str, content: bytes) -> None:
    path.write_bytes(content)
    file = RowsFile.of(path)
    assert file.parts(100) == [(file.begin, len(content))], why


@pytest.mark.parametrize("large", [0, 1 << 60], ids=["compiled", "by the library"])
def test_a_text_that_looks_like_rows_is_cut_and_read_all_the_same(
    path: Path, monkeypatch: pytest.MonkeyPatch, large: int
) -> None:
    """Whoever sends such an image could otherwise have requests counted that nobody made."""
    trap = b"".join(msgpack.packb(request(900 + number)) for number in range(40))
    image = b"\xda" + len(trap).to_bytes(2, "big") + trap
    trapped = msgpack.packb(request(2)).replace(msgpack.packb("cat.jpg"), image)
    path.write_bytes(
        b"".join((msgpack.packb(REQUEST_COLUMNS), msgpack.packb(request(1)), trapped, msgpack.packb(request(3))))
    )
    monkeypatch.setattr(rows, "_PART", 400)
    monkeypatch.setattr(rows, "_LARGE", large)
    begins = [begin for begin, _ in RowsFile.of(path).parts(400)]
    assert len(begins) > 3, "the trap catches whoever only looks"
    table = rows.load(rows.REQUESTS, [path]).table
    assert table["sequence"].to_pylist() == [1, 2, 3]


@pytest.mark.parametrize("part", [100, 1 << 60])
def test_an_error_and_an_end_name_the_row_of_the_file_and_not_of_the_part(
    path: Path, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    monkeypatch.setattr(rows, "_PART", part)
    write(path, *(request(number) for number in range(30)))
    with path.open("ab") as file:
        file.write(msgpack.packb(request(30))[:-4])
    loaded = rows.load(rows.REQUESTS, [path])
    assert loaded.cut_short == ("requests-0.rows breaks off after row 30",)
    assert len(loaded.table) == 30
    write(path, *(request(number) for number in range(30)), request(30, size="large"))  # type: ignore[arg-type]
    with pytest.raises(rows.RunError, match="in rows 1 to 31"):
        rows.load(rows.REQUESTS, [path])


@pytest.mark.parametrize("large", [0, 1 << 60], ids=["compiled", "by the library"])
def test_each_part_is_a_chunk_and_all_have_one_numbering_of_texts_and_one_width_of_numbers(
    path: Path, monkeypatch: pytest.MonkeyPatch, large: int
) -> None:
    written = [request(number, f"image {number % 200}", 10 ** (number // 50)) for number in range(400)]
    write(path, *written)
    monkeypatch.setattr(rows, "_PART", 400)
    monkeypatch.setattr(rows, "_LARGE", large)
    table = rows.load(rows.REQUESTS, [path]).table
    assert table["image"].num_chunks == len(RowsFile.of(path).parts(400)) > 10
    assert table["image"].to_pylist() == [row[8] for row in written]
    assert len({tuple(chunk.dictionary.to_pylist()) for chunk in table["image"].chunks}) == 1
    assert table["bytes"].to_pylist() == [row[9] for row in written]
