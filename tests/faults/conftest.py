from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from delivery.environments import Account, Environments
from delivery.quotas import Quotas
from local.clock import epoch_clock
from local.faults.fault import read_faults
from local.faults.faulty_function import FaultyFunction
from local.faults.injector import Injector
from local.function_log import FunctionLogs
from tests.local.sample_configuration import sample_configuration

PHOTO = (Path(__file__).parents[2] / "loadtest" / "images" / "coffee.jpg").read_bytes()
FUNCTIONS = Path(__file__).parent / "functions"

MakeFaulty = Callable[..., FaultyFunction]


@pytest.fixture
async def make_faulty() -> AsyncIterator[MakeFaulty]:
    """Functions with handlers of tests/faults/functions in real processes, and a plan of faults for each."""
    made: list[FaultyFunction] = []

    def make(handler: str, *faults: dict[str, object], timeout_s: float = 30.0, concurrency: int = 2) -> FaultyFunction:
        injector = Injector(epoch_clock())
        injector.put(read_faults({"faults": [{"edge": "function", **fault} for fault in faults]}))
        quotas = Quotas.with_overrides({"account_concurrency": concurrency})
        function = FaultyFunction(
            sample_configuration(handler, FUNCTIONS, timeout_s=timeout_s),
            Environments(Account(quotas), quotas),
            FunctionLogs(None),
            epoch_clock(),
            injector=injector,
        )
        made.append(function)
        return function

    yield make
    for function in made:
        await function.close()
