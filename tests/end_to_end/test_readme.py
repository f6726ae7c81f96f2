"""What the README shows in Python runs as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Running

pytestmark = pytest.mark.end_to_end

ROOT = Path(__file__).parents[2]


def test_the_clients_of_the_readme_all_see_a_cat(embedded: Running) -> None:
    (program,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    outputs = embedded.ready["outputs"]
    urls = {"API_URL": outputs["ApiUrl"], "WEBSOCKET_URL": outputs["WebSocketUrl"]}

    # What `forebay local` prints to be exported.
    environment = os.environ | embedded.ready["environment"] | urls

    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )

    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["SyncClient", "SUCCEEDED"], ["PollingClient", "SUCCEEDED"], ["WebSocketClient", "SUCCEEDED"],
    ]  # fmt: skip
    assert all("'Cat'" in line for line in lines)
