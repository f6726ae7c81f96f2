from collections.abc import AsyncIterator, Callable

import pytest

from delivery.environments import Account, Environments
from delivery.quotas import Quotas
from local.clock import epoch_clock
from local.function import Function
from local.function_log import FunctionLogs
from tests.local.sample_configuration import sample_configuration

MakeFunction = Callable[..., Function]


@pytest.fixture
async def make_function() -> AsyncIterator[MakeFunction]:
    """Functions whose handlers are those of tests/local/functions, in real processes."""
    made: list[Function] = []

    def make(
        handler: str,
        *,
        timeout_s: float = 30.0,
        concurrency: int = 2,
        variables: dict[str, str] | None = None,
        logs: FunctionLogs | None = None,
        quotas: Quotas | None = None,
    ) -> Function:
        quotas = quotas or Quotas.with_overrides({"account_concurrency": concurrency})
        configuration = sample_configuration(handler, timeout_s=timeout_s, own_variables=variables)
        environments = Environments(Account(quotas), quotas)
        function = Function(configuration, environments, logs or FunctionLogs(None), epoch_clock())
        made.append(function)
        return function

    yield make
    for function in made:
        await function.close()
