from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from delivery.environments import Account, Environments
from delivery.quotas import Quotas
from local.clock import epoch_clock
from local.execution_environment import FunctionConfiguration
from local.function import Function, process_variables
from local.function_log import FunctionLogs

FUNCTIONS = Path(__file__).parent / "functions"

MakeFunction = Callable[..., Function]


@pytest.fixture
async def make_function(tmp_path: Path) -> AsyncIterator[MakeFunction]:
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
        bare = FunctionConfiguration(
            name=f"test-{handler.replace('.', '-')}",
            arn=f"arn:aws:lambda:us-east-1:000000000000:function:test-{handler.replace('.', '-')}",
            handler=handler,
            runtime="python3.13",
            role_arn="arn:aws:iam::000000000000:role/test",
            memory_mb=128,
            timeout_s=timeout_s,
            log_group="/aws/lambda/test",
            task_root=FUNCTIONS,
            own_variables=variables or {},
            variables={},
        )
        configuration = bare.with_variables(process_variables(bare, region="us-east-1", endpoints={}))
        environments = Environments(Account(quotas), quotas)
        function = Function(configuration, environments, logs or FunctionLogs(None), epoch_clock())
        made.append(function)
        return function

    yield make
    for function in made:
        await function.close()
