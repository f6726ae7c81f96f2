"""The functions of a stack."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from delivery.environments import Account, Environments
from delivery.quotas import Quotas
from local.clock import Clock
from local.execution_environment import FunctionConfiguration
from local.function import Function, process_variables
from local.function_log import FunctionLogs
from local.recorder import UNRECORDED, Recorder
from local.resource_properties import read
from local.template import Resource

# Lambda's own default (API:CreateFunction).
_TIMEOUT_S: Final = 3
_MEMORY_MB: Final = 128


def functions_of(
    resources: Sequence[Resource],
    account: Account,
    quotas: Quotas,
    clock: Clock,
    *,
    region: str,
    task_root: Path,
    endpoints: Mapping[str, str],
    log_folder: Path | None,
    recorder: Recorder = UNRECORDED,
    make: Callable[..., Function] = Function,
) -> dict[str, Function]:
    """The functions of all `AWS::Lambda::Function`, by ARN, made by `make`. Their code is what lies in `task_root`.

    Raises:
        NotServedError: one has a property that is not served.
        ConcurrencyError: one reserves concurrency that the account does not have.
    """
    functions = {}
    for resource in resources:
        configuration = _configuration(resource, region=region, task_root=task_root, endpoints=endpoints)
        reserved = resource.properties.get("ReservedConcurrentExecutions")
        environments = recorder.make(
            resource.logical_id, Environments, account, quotas, None if reserved is None else int(reserved)
        )
        logs = FunctionLogs(None if log_folder is None else log_folder / configuration.name)
        functions[configuration.arn] = make(configuration, environments, logs, clock)
    return functions


def _configuration(
    resource: Resource, *, region: str, task_root: Path, endpoints: Mapping[str, str]
) -> FunctionConfiguration:
    properties = read(
        resource,
        heeded=(
            "FunctionName", "Handler", "Runtime", "Timeout", "MemorySize", "Role", "Environment",
            "ReservedConcurrentExecutions", "LoggingConfig",
        ),
        harmless=(
            "Architectures", "Code", "Description", "EphemeralStorage", "KmsKeyArn", "PackageType", "Tags",
            "TracingConfig",
        ),
    )  # fmt: skip
    name = resource.ref
    configuration = FunctionConfiguration(
        name=name,
        arn=resource.attributes["Arn"],
        handler=str(properties["Handler"]),
        runtime=str(properties["Runtime"]),
        role_arn=str(properties["Role"]),
        memory_mb=int(properties.get("MemorySize", _MEMORY_MB)),
        timeout_s=float(properties.get("Timeout", _TIMEOUT_S)),
        log_group=str(properties.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{name}"),
        task_root=task_root,
        own_variables={
            key: _text(value) for key, value in properties.get("Environment", {}).get("Variables", {}).items()
        },
        variables={},
    )
    return configuration.with_variables(process_variables(configuration, region=region, endpoints=endpoints))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
