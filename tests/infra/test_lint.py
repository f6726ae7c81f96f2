import subprocess
import sys
from pathlib import Path


def test_cfn_lint_finds_nothing(infra_path: Path) -> None:
    command = Path(sys.executable).parent / "cfn-lint"

    done = subprocess.run([command, infra_path], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
