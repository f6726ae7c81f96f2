"""A handler in the test's own process: the context that Lambda gives it, and an environment that begins anew."""

import importlib
import sys
import uuid
from types import ModuleType

import pytest
from aws_lambda_powertools.metrics.provider.cold_start import reset_cold_start_flag


class Context:
    """Lambda's context, as far as the handlers look at it."""

    function_name = "forebay"
    memory_limit_in_mb = 1024
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:forebay"
    aws_request_id = "c9b8fa9f"

    def __init__(self, remaining_ms: int = 30_000) -> None:
        self.remaining_ms = remaining_ms

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_ms


def start(module: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import a handler's module as a new execution environment does."""
    # Loggers are kept by their service's name, and with them the test's standard output.
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", f"forebay-{uuid.uuid4().hex}")
    forget()
    reset_cold_start_flag()
    return importlib.import_module(module)


def forget() -> None:
    """Let the next environment import everything anew."""
    for module in [module for module in sys.modules if module.startswith("consumers.")]:
        del sys.modules[module]
