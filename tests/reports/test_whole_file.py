"""A file is there whole or not at all, whoever breaks off."""

import os
import sys
from threading import Event
from typing import TYPE_CHECKING

import pytest

from reports.whole_file import WholeFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def path(tmp_path: "Path") -> "Path":
    """A file of before, alone in its folder."""
    (tmp_path / "table").write_text("before")
    return tmp_path / "table"


def test_what_was_written_meanwhile_is_put_in_its_place(path: "Path") -> None:
    with WholeFile(path, lambda beside, _wanted: beside.write_text("after")) as file:
        file.put()
    assert [(each.name, each.read_text()) for each in path.parent.iterdir()] == [("table", "after")]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a thread give way by itself")
def test_it_is_written_behind_what_its_caller_does_who_goes_on_as_before(path: "Path") -> None:
    def priority() -> int:
        return os.getpriority(os.PRIO_PROCESS, 0)

    before = priority()
    with WholeFile(path, lambda beside, _wanted: beside.write_text(str(priority()))) as file:
        file.put()
    assert int(path.read_text()) == min(before + 5, 19), "19 is the least there is"
    assert priority() == before


def test_whoever_is_interrupted_waits_for_no_more_than_a_piece_and_leaves_the_file_of_before(path: "Path") -> None:
    begun, broken_off = Event(), Event()

    def write(beside: "Path", wanted: "Callable[[], bool]") -> None:
        with beside.open("w") as file:
            while wanted():
                file.write("a piece")
                begun.set()
        broken_off.set()

    def interrupted() -> None:
        with WholeFile(path, write):
            begun.wait()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert broken_off.is_set()
    assert [(each.name, each.read_text()) for each in path.parent.iterdir()] == [("table", "before")]


def test_what_goes_wrong_in_the_thread_is_raised_where_the_file_is_wanted(path: "Path") -> None:
    def write(beside: "Path", _wanted: object) -> None:
        beside.write_text("a part")
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space left"), WholeFile(path, write) as file:
        file.put()
    assert [(each.name, each.read_text()) for each in path.parent.iterdir()] == [("table", "before")]
