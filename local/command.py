"""`forebay local`: the embedded AWS on its own."""

import asyncio
import json
import logging
import shlex
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import uvloop

from delivery.environments import ConcurrencyError
from delivery.quotas import UnknownQuotaError
from local.embedded import EmbeddedAws, Options, Ready
from local.gateway.configuration import ConfigurationError
from local.http import HOST
from local.open_files import allow_more_open_files
from local.resource_properties import NotServedError
from local.server_process import ServerProcessError
from local.storage.buckets import StorageError
from local.template import TemplateError
from pipeline import proxies
from pipeline.finite_range import FiniteRange

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEFAULTS = Options()
_SIGN = '--aws-sigv4 "aws:amz:$AWS_DEFAULT_REGION:execute-api" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY"'
_BRING_A_KEY = '-H "x-api-key: $FOREBAY_API_KEY"'
# What curl is to be told, by the stack's Authentication.
_SHOWING = {"IAM": _SIGN, "API_KEY": _BRING_A_KEY, "IAM_AND_API_KEY": f"{_SIGN} {_BRING_A_KEY}"}
# By which variables the docs' examples know a stack's outputs.
_ADDRESSES = {"ApiUrl": "API_URL", "WebSocketUrl": "WEBSOCKET_URL"}
_REFUSALS = (
    TemplateError, NotServedError, ConfigurationError, ConcurrencyError, UnknownQuotaError, ServerProcessError,
    StorageError, OSError, ValueError,
)  # fmt: skip


class _Assignment(click.ParamType[tuple[str, str]]):
    name = "name=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        name, equals, text = str(value).partition("=")
        if not name or not equals:
            self.fail(f"{value!r} is not of the form Name=Value", param, ctx)
        return name, text


@click.command()
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="Of the API; 0 takes a free one.")
@click.option(
    "--websocket-port", type=click.IntRange(0, 65_535), default=0, help="Of the WebSocket API; 0 takes a free one."
)
@click.option(
    "--identity",
    "identities",
    multiple=True,
    metavar="NAME",
    help="A further user who may call the APIs, to see that a client reads only its own requests. NAME is its access "
    "key's id and its secret.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON when ready, for a program to read.")
@click.option("--exit-with-stdin", is_flag=True, help="Stop when standard input closes, too.")
@click.option("--parameter", "parameters", type=_Assignment(), multiple=True, help="A parameter of the template.")
@click.option("--quota", "quotas", type=_Assignment(), multiple=True, help="A quota of AWS, by its name in delivery.")
@click.option(
    "--account-concurrency",
    type=click.IntRange(min=1),
    default=_DEFAULTS.account_concurrency,
    show_default=True,
    help="Function invocations at once; each is a process here. A new AWS account has 10.",
)
@click.option(
    "--rekognition-rate",
    type=FiniteRange(min=0, min_open=True),
    default=_DEFAULTS.rekognition_rate,
    show_default=True,
    help="DetectLabels calls a second. AWS: 50 in its large Regions, 5 elsewhere.",
)
@click.option(
    "--rekognition-median-ms",
    type=FiniteRange(min=0, min_open=True),
    default=_DEFAULTS.rekognition_median_ms,
    show_default=True,
    help="The median time of a DetectLabels call.",
)
@click.option("--seed", type=int, default=_DEFAULTS.seed, show_default=True, help="Of everything that is drawn.")
@click.option(
    "--log-dir", type=click.Path(file_okay=False, path_type=Path), help="Keep the functions' logs in this folder."
)
@click.option(
    "--record-decisions",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write what the deliveries were told and decided to this file; `forebay replay` says it to fresh ones.",
)
@click.option(
    "--faults",
    is_flag=True,
    help="Take faults to inject at the control URL (PUT /faults), as `forebay faults` does; docs/faults.md.",
)
@click.option(
    "--template",
    type=click.Path(dir_okay=False, path_type=Path),
    default=_DEFAULTS.template,
    help="Another template than infra.yaml.",
)
def local(
    as_json: bool,
    exit_with_stdin: bool,
    parameters: "tuple[tuple[str, str], ...]",
    quotas: "tuple[tuple[str, str], ...]",
    **options: Any,
) -> None:
    """Serve infra.yaml on this machine: API Gateway, Kinesis, SQS, SNS, Lambda, S3, DynamoDB and Rekognition.

    It needs no AWS account and listens on 127.0.0.1 only. Ctrl-C stops it and all it started; nothing is kept.
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    allow_more_open_files()
    chosen = Options(parameters=dict(parameters), quotas=_numbers(quotas), **options)
    try:
        uvloop.run(_serve(chosen, as_json=as_json, exit_with_stdin=exit_with_stdin))
    except _REFUSALS as error:
        raise click.ClickException(str(error)) from None


def _numbers(quotas: "tuple[tuple[str, str], ...]") -> dict[str, float]:
    numbers = {}
    for name, text in quotas:
        try:
            numbers[name] = float(text)
        except ValueError:
            raise click.UsageError(f"quota {name} is a number, not {text!r}") from None
    return numbers


async def _serve(options: Options, *, as_json: bool, exit_with_stdin: bool) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    # While it starts, too: what has been started must be stopped.
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    if exit_with_stdin:
        await loop.connect_read_pipe(lambda: _UntilClosed(stopped), sys.stdin)
    starting = loop.create_task(EmbeddedAws.start(options, _tell))
    stopping = loop.create_task(stopped.wait())
    await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return
    stopping_early = stopped.is_set()
    embedded = await starting
    try:
        if not stopping_early:
            announce(embedded.ready, as_json=as_json)
        await stopping
    finally:
        await embedded.close()


class _UntilClosed(asyncio.Protocol):
    def __init__(self, stopped: asyncio.Event) -> None:
        self._stopped = stopped

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        self._stopped.set()


def _tell(step: str) -> None:
    click.echo(f"starting {step}", err=True)


def announce(ready: Ready, *, as_json: bool) -> None:
    """Say that it is ready, and how to reach it: in words, or as one line of JSON for a program."""
    click.echo(_as_json(ready) if as_json else _as_text(ready))
    sys.stdout.flush()
    # A person who keeps the line in a file, as `callback-receiver` and `redrive` ask, still needs the words.
    if as_json and sys.stderr.isatty() and not sys.stdout.isatty():
        click.echo(_as_text(ready), err=True)


def _as_json(ready: Ready) -> str:
    return json.dumps(asdict(ready), separators=(",", ":"))


def _as_text(ready: Ready) -> str:
    show = _SHOWING.get(ready.outputs.get("Authentication", "NONE"), "")
    addresses = {_ADDRESSES[name]: value for name, value in ready.outputs.items() if name in _ADDRESSES}
    buffers = ["sqs", "sns", "kinesis", *(["kinesis-efo"] if "KinesisEfoStreamName" in ready.outputs else [])]
    return f"""
It is ready. For boto3, the aws command, and curl that shows who calls (docs/authentication.md), put into your shell:

{_exports({**ready.environment, **addresses})}
  unset AWS_SESSION_TOKEN{_past_proxies()}
  call() {{ curl {show} "$@"; }}

Then send a picture of yours, and ask for what was seen in it:

  call -X PUT --data-binary @photo.jpg -H 'Content-Type: image/jpeg' $API_URL/v1/images/photo.jpg
  call -H 'Content-Type: application/json' -d '{{"image": {{"key": "photo.jpg"}}}}' $API_URL/v1/handler/sqs/images
  call $API_URL/v1/requests/REQUEST_ID

{", ".join(f"/v1/{buffer}/images" for buffer in buffers)} take the same without a function in the way.
An image can come with its request: {{"image": {{"bytes": "<base64>"}}}}.
How the buffers stand: {ready.control_url}/state
{_identities(ready.identities)}
Ctrl-C stops it."""


def _past_proxies() -> str:
    """Lines for a shell like ours, whose programs would ask a proxy for what is on this machine."""
    if not proxies.are_asked_for_this_machine():
        return ""
    return "".join(f"\n  export {name}={HOST}${{{name}:+,${name}}}" for name in proxies.VARIABLES)


def _identities(identities: "Mapping[str, Mapping[str, str]]") -> str:
    if not identities:
        return ""
    shown = "\n".join(
        f"  {name}: " + " ".join(f"{variable}={shlex.quote(value)}" for variable, value in variables.items())
        for name, variables in identities.items()
    )
    return f"\nFurther identities, each by its variables:\n\n{shown}\n"


def _exports(environment: "Mapping[str, str]") -> str:
    return "\n".join(f"  export {name}={shlex.quote(value)}" for name, value in sorted(environment.items()))
