import os
import time
from pathlib import Path

import pytest

from consumers import environment
from consumers.environment import Environment


def test_the_environment_is_named_by_lambdas_log_stream() -> None:
    name = "2026/11/23/[$LATEST]0123456789abcdef"

    assert Environment.of_this_process({"AWS_LAMBDA_LOG_STREAM_NAME": name}).name == name


def test_without_a_log_stream_no_two_have_one_name() -> None:
    names = {Environment.of_this_process({}).name, Environment.of_this_process({"AWS_LAMBDA_LOG_STREAM_NAME": ""}).name}

    assert len(names) == 2


def test_only_the_first_batch_waited_for_the_start() -> None:
    cold = Environment("e", 350.5)

    assert [cold.take_init_ms() for _ in range(3)] == [350.5, 0.0, 0.0]


def test_the_start_counts_from_the_birth_of_the_process() -> None:
    since_import = (time.monotonic() - environment._MODULE_STARTED) * 1_000

    assert Environment.of_this_process({}).take_init_ms() > since_import


def test_where_the_kernel_does_not_tell_it_counts_from_the_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "Path", lambda _: Path(os.devnull))
    since_import = (time.monotonic() - environment._MODULE_STARTED) * 1_000

    assert Environment.of_this_process({}).take_init_ms() >= round(since_import, 1)


def test_nobody_waited_for_an_environment_that_stood_ready() -> None:
    for kind in ("provisioned-concurrency", "snap-start"):
        assert Environment.of_this_process({"AWS_LAMBDA_INITIALIZATION_TYPE": kind}).take_init_ms() == 0
    assert Environment.of_this_process({"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"}).take_init_ms() > 0
