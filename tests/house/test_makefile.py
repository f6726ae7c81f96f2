"""What `make` says before anything is installed."""

import subprocess
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[2] / "Makefile"


# What answers as an old Python does, and what is none at all.
@pytest.mark.parametrize("python", ["false", "no-such-python"])
def test_a_python_that_is_too_old_is_said_with_the_cure_before_anything_is_made(python: str, tmp_path: Path) -> None:
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).touch()
    command = ["make", "-f", str(MAKEFILE), "bench", f"PYTHON={python}"]
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert made.returncode != 0
    assert f"needs Python 3.11 or newer, and '{python}' is none: name one, as in make bench PYTHON=" in made.stderr
    assert not (tmp_path / ".venv").exists()
