"""The table of open files has room before a load begins, and nothing is left open for it."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

SAY = """
import os, resource, sys
from pathlib import Path
from loadtest._open_files import make_room
if sys.argv[2:]:
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[2]), int(sys.argv[2])))
before = len(os.listdir("/proc/self/fd"))
make_room(int(sys.argv[1]))
[size] = [line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("FDSize")]
print(size, len(os.listdir("/proc/self/fd")) - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how large the table is")
@pytest.mark.parametrize(
    ("connections", "limit", "least"),
    [("1000", None, 1_000), ("4000", None, 4_000), ("4000", "512", 256)],
    ids=["some", "many", "more than it may have"],
)
def test_there_is_room_for_as_many_connections_as_there_may_be(connections: str, limit: str | None, least: int) -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] <= 4_500 and limit is None:
        pytest.skip("this process may not have so many files open")
    said = subprocess.run(
        [sys.executable, "-c", SAY, connections, *([limit] if limit else [])],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2], env=os.environ,
    )  # fmt: skip
    size, left_open = map(int, said.stdout.split())
    assert size >= least
    assert left_open == 0
