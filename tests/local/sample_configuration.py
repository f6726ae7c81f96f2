"""The configuration of a function that stands in no template."""

from collections.abc import Mapping
from pathlib import Path

from local.execution_environment import FunctionConfiguration
from local.function import process_variables

FUNCTIONS = Path(__file__).parent / "functions"


def sample_configuration(
    handler: str,
    task_root: Path = FUNCTIONS,
    *,
    timeout_s: float = 30.0,
    own_variables: Mapping[str, str] | None = None,
) -> FunctionConfiguration:
    """A function of that handler, with all that its processes find in their environment."""
    name = f"test-{handler.replace('.', '-')}"
    bare = FunctionConfiguration(
        name=name,
        arn=f"arn:aws:lambda:us-east-1:000000000000:function:{name}",
        handler=handler,
        runtime="python3.13",
        role_arn="arn:aws:iam::000000000000:role/test",
        memory_mb=128,
        timeout_s=timeout_s,
        log_group="/aws/lambda/test",
        task_root=task_root,
        own_variables=own_variables or {},
        variables={},
    )
    return bare.with_variables(process_variables(bare, region="us-east-1", endpoints={}))
