"""What is told of a function's log where nobody keeps it."""

import pytest

from local.function_log import EnvironmentLog


@pytest.mark.parametrize(
    ("lines", "expected", "why"),
    [
        ([], "", "nothing was logged"),
        (["one", "two"], "one\ntwo", "all of a short log"),
        (["x" * 3_000, "y" * 3_000, "z"], "y" * 3_000 + "\nz", "a long one from the first line that is whole"),
        (["x" * 9_000], "x" * 3_999, "the end of a line that is longer than what is told"),
        (["Traceback\r  in f\rError"], "Traceback\n  in f\nError", "the runtime client's carriage returns"),
    ],
)
def test_the_tail_is_the_last_whole_lines_also_once_the_log_is_closed(
    lines: list[str], expected: str, why: str
) -> None:
    log = EnvironmentLog(None)
    for line in lines:
        log.write(line)
    assert log.tail() == expected, why
    log.close()
    assert log.tail() == expected, why
