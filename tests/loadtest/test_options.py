"""What a load test takes besides Locust's own options, told by a real Locust."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = (
    "--workload", "--stack", "--authentication", "--most-in-flight", "--repeat", "--runs", "--no-report", "--embedded",
)  # fmt: skip


def test_ours_have_a_help_of_their_own_for_locusts_cannot_have_them() -> None:
    asked = [sys.executable, "-m", "locust", "-f", "loadtest/", "--help-forebay"]
    done = subprocess.run(asked, capture_output=True, text=True, check=True, cwd=ROOT, timeout=120)

    listed = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  --")]
    assert set(OURS) <= set(listed)
    assert "--tags" not in done.stdout
    assert "-u, -r and -t are ignored" in done.stdout
    assert done.stderr == ""
