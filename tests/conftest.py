"""What every test shares."""

import functools
import gc
import os
import signal
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import JSONFileLoader
from hypothesis import HealthCheck, settings

# The machine is shared, and so are its two cores: how long an example takes says nothing about the code. Each run draws
# other examples; for many at once: --hypothesis-profile=thorough.
settings.register_profile(
    "shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50
)
settings.register_profile("thorough", settings.get_profile("shared machine"), max_examples=1_000)
settings.load_profile("shared machine")

# An image of a container often has Python write no bytecode, and then each of a thousand processes that the tests start
# compiles all of ours again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# What a script starts in its background ignores Ctrl-C, and so would each process that a test interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Each session reads the models of its services anew: two thirds of what a client costs, for each test.
_load_file = JSONFileLoader.load_file


@functools.cache
def _loaded(path: str) -> Any:
    return _load_file(JSONFileLoader(), path)


JSONFileLoader.load_file = lambda _, path: _loaded(path)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """No credentials, no Region and no API key in any place where AWS's chain or our clients look."""
    for name in (
        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_REGION",
        "AWS_REGION", "FOREBAY_API_KEY",
    ):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


# What takes longest, slowest first: begun last, one of them would keep a single worker busy when the others are done.
SLOWEST = (
    "loadtest/test_locustfile.py", "simulator/planner/test_command.py", "end_to_end/test_patterns.py",
    "simulator/test_calibration.py", "loadtest/test_distributed.py", "end_to_end/test_killed_handler.py",
    "browser/test_live_view.py", "local/test_deployed_stack.py", "rekognition/test_hostile_images.py",
    "local/test_command.py", "pipeline/test_code_package.py", "loadtest/test_embedded_target.py",
    "loadtest/test_route.py", "end_to_end/test_openapi.py", "browser/test_report.py", "simulator/test_command.py",
    "simulator/test_replay.py", "redrive/test_command.py", "loadtest/test_repeats.py", "reports/test_figures.py",
    "loadtest/test_dispatcher.py", "loadtest/test_url_target.py", "reports/test_command.py", "faults/test_command.py",
    "reports/test_time_to_know.py", "local/test_function.py", "simulator/planner/test_scaling.py",
    "end_to_end/test_authentication.py", "callbacks/test_callback_handler.py", "callbacks/test_callback_receiver.py",
    "reports/test_comparison_evidence.py", "local/test_server_process.py", "end_to_end/test_parameters.py",
    "end_to_end/test_defaults.py", "reports/test_comparison.py", "reports/test_page.py",
)  # fmt: skip


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Without Python's search for garbage, a quarter of this time in each worker: what is collected stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_unconfigure() -> None:
    """At its end Python lets go of what was made, and extensions complain of what it does not."""
    gc.unfreeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slowest files first, the others as they come; xdist keeps that order with --no-loadscope-reorder."""
    here = Path(__file__).parent
    order = {here / name: number for number, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: order.get(item.path, len(order)))
