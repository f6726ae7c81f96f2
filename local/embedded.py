"""The embedded AWS: infra.yaml served on this machine, whole."""

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from delivery.api_throttle import account_bucket
from delivery.quotas import Quotas
from local.authentication.access import Access
from local.clock import epoch_clock
from local.control import Control
from local.deployed_stack import DeployedStack, Surroundings
from local.dynamodb.service import DynamoDb
from local.faults.fault import Edge
from local.faults.faulty_function import FaultyFunction
from local.faults.faulty_service import FaultyService
from local.faults.injector import Injector
from local.function import Function
from local.gateway.rest_api import RestApi
from local.http import HOST, listen, serve
from local.kept_server import KeptServer
from local.kinesis import Kinesis
from local.lambda_api import LambdaApi
from local.physical_names import PhysicalNames
from local.proxy import HttpProxy
from local.recogniser import MODEL_VERSION
from local.recorder import UNRECORDED, DecisionRecorder, Recorder
from local.request_id import new_uuid
from local.sns import Sns
from local.sqs import Sqs
from local.storage.buckets import make_buckets
from local.storage.secrets import make_secrets
from local.template import ResolvedStack, load
from local.websocket.api import WebSocketApi
from local.websocket.configuration import read_websocket_api

if TYPE_CHECKING:
    import socket as sockets

    from local.wire import WireService

ROOT: Final = Path(__file__).parents[1]
# What the template has to be told to be deployed, and what means nothing here: the code is not in a bucket.
_CODE: Final = {"CodeBucket": "local", "CodeKey": "local"}
_MOTO_READY_S: Final = 30.0
# The first start on a machine builds the recogniser's model.
_REKOGNITION_READY_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Options:
    """How to serve it. `quotas` are overrides by name, `log_dir` keeps the functions' logs, a port of 0 takes any free.

    `account_concurrency` and `rekognition_rate` are quotas too; one overridden by its name goes before them.
    `record_decisions` is a file that every decision of the delivery machines goes to. `identities` are the names of
    users that may call the APIs, beside the one whose credentials are exported. With `faults` it can be told of some
    (local.faults), and is a little slower for it.
    """

    template: Path = ROOT / "infra.yaml"
    port: int = 0
    websocket_port: int = 0
    parameters: Mapping[str, str] = field(default_factory=dict)
    quotas: Mapping[str, float] = field(default_factory=dict)
    account_concurrency: int = 10
    rekognition_rate: float = Quotas.rekognition_detect_labels_per_s
    rekognition_median_ms: float = 300.0
    seed: int = 1
    log_dir: Path | None = None
    record_decisions: Path | None = None
    identities: tuple[str, ...] = ()
    faults: bool = False

    def quota_table(self) -> Quotas:
        """The quotas in force.

        Raises:
            UnknownQuotaError, ValueError: one has no such name or value.
        """
        own = {
            "account_concurrency": self.account_concurrency,
            "rekognition_detect_labels_per_s": self.rekognition_rate,
        }
        return Quotas.with_overrides({**own, **self.quotas})


@dataclass(frozen=True, slots=True)
class Ready:
    """What is to be known of a running one.

    `outputs` are the template's; `environment` is what boto3 needs to find it and to be let in; `options` every option,
    parameter and quota in force; `identities` what each further identity has in place of the environment's credentials.
    """

    outputs: Mapping[str, str]
    environment: Mapping[str, str]
    control_url: str
    options: Mapping[str, Any]
    identities: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


class EmbeddedAws:
    """A running embedded AWS. Made by `start`, ended by `close`."""

    def __init__(self, ready: Ready, deployed: DeployedStack, parts: AsyncExitStack) -> None:
        self.ready = ready
        self.deployed = deployed
        self._parts = parts

    @classmethod
    async def start(cls, options: Options, tell: Callable[[str], None] = lambda _: None) -> Self:
        """Start everything; `tell` is given each step.

        Raises:
            TemplateError, NotServedError, ConfigurationError: the template cannot be served; says what of it.
            UnknownQuotaError, ValueError: a quota or a setting has no such value.
            ServerProcessError, StorageError: a part did not start.
            OSError: the port is taken, or the file of decisions cannot be written.
        """
        async with AsyncExitStack() as parts:
            ready, deployed = await _start(options, tell, parts)
            return cls(ready, deployed, parts.pop_all())
        raise AssertionError("an exit stack of ours swallows nothing")

    async def close(self) -> None:
        """Stop everything, processes too."""
        await self._parts.aclose()


async def _start(options: Options, tell: Callable[[str], None], parts: AsyncExitStack) -> tuple[Ready, DeployedStack]:
    clock = epoch_clock()
    overridden = dict(options.quotas)
    quotas = options.quota_table()
    api_socket = _listen(options.port, "--port")
    parts.callback(api_socket.close)
    # Bound before it is known whether the template has a WebSocket API: its names are made of the port.
    websocket_socket = _listen(options.websocket_port, "--websocket-port")
    parts.callback(websocket_socket.close)
    queue_socket = listen()
    parts.callback(queue_socket.close)
    names = PhysicalNames(
        queue_base_url=f"http://{HOST}:{queue_socket.getsockname()[1]}",
        api_base_url=f"http://{HOST}:{api_socket.getsockname()[1]}",
        websocket_base_url=f"http://{_address(websocket_socket)}",
    )
    recorder: Recorder = UNRECORDED
    if options.record_decisions is not None:
        recorder = _recorder(options.record_decisions)
        # The first to be entered is the last to go: what happens while the rest is closed is recorded, too.
        parts.callback(recorder.close)
    if options.log_dir is not None:
        _check_log_folder(options.log_dir)
    template = load(options.template)
    code = {name: value for name, value in _CODE.items() if name in (template.document.get("Parameters") or {})}
    stack = template.resolve({**code, **options.parameters}, names)
    websocket = read_websocket_api(stack, quotas)
    access = Access(stack.resources, names, options.identities)

    tell("S3 and Secrets Manager")
    drawn: dict[str, str] = {}

    async def furnish() -> None:
        await asyncio.gather(
            make_buckets(stack.of_type("AWS::S3::Bucket"), s3),
            make_secrets(stack.of_type("AWS::SecretsManager::Secret"), s3, drawn),
        )

    moto = await _server("local.storage.moto_server", [], _MOTO_READY_S, parts, furnish)
    s3 = HttpProxy(moto.url)
    parts.push_async_callback(s3.close)
    tell("Rekognition")
    rekognition_arguments = [
        *("--rate", str(quotas.rekognition_detect_labels_per_s), "--median-ms", str(options.rekognition_median_ms)),
        *("--seed", str(options.seed), "--s3-endpoint", moto.url),
    ]
    rekognition, _ = await asyncio.gather(
        _server("local.rekognition", rekognition_arguments, _REKOGNITION_READY_S, parts), furnish()
    )

    tell("tables, buffers, functions and the API")
    sockets = {name: listen() for name in ("kinesis", "sns", "lambda", "dynamodb")} | {"sqs": queue_socket}
    injector = Injector(clock) if options.faults else None
    if injector is not None:
        # Its answers come by here only if a fault may strike them.
        sockets["rekognition"] = listen()
    for socket in sockets.values():
        parts.callback(socket.close)
    endpoints = {
        _endpoint("s3"): moto.url,
        _endpoint("secrets_manager"): moto.url,
        _endpoint("rekognition"): rekognition.url,
        **{_endpoint(name): f"http://{HOST}:{socket.getsockname()[1]}" for name, socket in sockets.items()},
    }
    deployed = DeployedStack.of(
        stack,
        Surroundings(
            clock=clock,
            quotas=quotas,
            overridden=overridden,
            region=names.region,
            task_root=ROOT,
            endpoints=endpoints,
            log_folder=options.log_dir,
            s3=s3,
            seed=options.seed,
            recorder=recorder,
            make_function=Function if injector is None else partial(FaultyFunction, injector=injector),
        ),
    )
    services: dict[str, WireService] = {
        "kinesis": Kinesis(deployed.streams, names.account, clock, new_uuid),
        "sqs": Sqs(deployed.queues.values(), clock, new_uuid),
        "sns": Sns(deployed.topics, new_uuid),
        "dynamodb": DynamoDb(
            {resource.ref: resource for resource in stack.of_type("AWS::DynamoDB::Table")}, clock, new_uuid
        ),
        "lambda": LambdaApi(deployed.functions, deployed.mappings, deployed.invoke, deployed.accept_event, clock),
    }
    if injector is not None:
        services["rekognition"] = behind_it = HttpProxy(rekognition.url)
        parts.push_async_callback(behind_it.close)
        services |= {edge: FaultyService(services[edge], edge, injector, clock) for edge in Edge if edge in services}
    account = account_bucket(quotas)
    api = RestApi(stack.resources, {**services, "s3": s3}, clock, account=account, callers=access.to_rest_api())
    for name, socket in sockets.items():
        parts.push_async_callback((await serve(services[name], socket=socket)).close)
    processes = {"rekognition": lambda: rekognition.pid, "storage": lambda: moto.pid}
    control = await serve(Control(deployed.states, clock, processes=processes, injector=injector))
    parts.push_async_callback(control.close)
    parts.push_async_callback((await serve(api, socket=api_socket, pages=True)).close)
    if websocket is not None:
        websocket_api = WebSocketApi(
            websocket,
            lambda function, event: deployed.invoke(deployed.functions[function], event),
            quotas,
            clock,
            account=account,
            callers=access.to_stage(websocket.api_id, websocket.stage_name),
            domain_name=_address(websocket_socket),
        )
        parts.push_async_callback(websocket_api.close)
        await websocket_api.serve(websocket_socket)
    # Last in, first out: no delivery may go on while what it calls is being closed.
    parts.push_async_callback(deployed.close)
    environment = {**endpoints, **access.own_variables, "AWS_DEFAULT_REGION": names.region}
    ready = Ready(stack.outputs, environment, control.url, _in_force(options, quotas, stack), access.variables)
    return ready, deployed


async def _nothing() -> None:
    """What a server needs that holds nothing."""


async def _server(
    module: str,
    arguments: list[str],
    within_s: float,
    parts: AsyncExitStack,
    furnish: Callable[[], Awaitable[None]] = _nothing,
) -> KeptServer:
    # The user's own AWS settings are none of its business.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    server = await KeptServer.start(module, arguments, environment, within_s, furnish)
    parts.push_async_callback(server.stop)
    return server


def _in_force(options: Options, quotas: Quotas, stack: ResolvedStack) -> dict[str, Any]:
    return {
        "template": options.template.name,
        "account_concurrency": quotas.account_concurrency,
        "rekognition_rate": quotas.rekognition_detect_labels_per_s,
        "rekognition_median_ms": options.rekognition_median_ms,
        "rekognition_model": MODEL_VERSION,
        "seed": options.seed,
        "parameters": dict(stack.parameters),
        "quotas": asdict(quotas),
    }


def _listen(port: int, option: str) -> "sockets.socket":
    try:
        return listen(port)
    except OSError as error:
        raise OSError(f"port {port} cannot be had: {error.strerror}; choose another with {option}") from None


def _recorder(path: Path) -> DecisionRecorder:
    try:
        return DecisionRecorder.to_file(path)
    except OSError as error:
        raise OSError(
            f"{path} cannot be written: {error.strerror}; choose another file with --record-decisions"
        ) from None


def _check_log_folder(folder: Path) -> None:
    # A function's first log would be too late to say so.
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(f"{folder} cannot be written: {error.strerror}; choose another folder with --log-dir") from None


def _address(socket: "sockets.socket") -> str:
    return f"{HOST}:{socket.getsockname()[1]}"


def _endpoint(service: str) -> str:
    return f"AWS_ENDPOINT_URL_{service.upper()}"
