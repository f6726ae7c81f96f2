"""`forebay callback-receiver`: an HTTPS server to be called back at, on this machine."""

import json
import os
import shlex
import signal
import sys
import threading
import time
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from pipeline.callback_signature import SecretError, signing_key
from pipeline.callback_url import TestReceiver
from producers.callback_receiver import CallbackReceiver, Delivery, Misbehaviour
from producers.receiver_certificate import ReceiverCertificate
from producers.receiver_secret import GivenSecret, LocalSecret, StoredSecret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from producers.receiver_secret import SecretSource

# RFC 6761: no such name is ever on the internet.
_NAME: Final = "receiver.test"
_LOCAL: Final = Path("forebay-local.json")
_SHOWN_LABELS: Final = 3


@click.command()
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="Of 127.0.0.1; 0 takes a free one.")
@click.option("--name", default=_NAME, show_default=True, help="The host of the URLs that lead here.")
@click.option(
    "--local",
    "ready",
    type=click.Path(dir_okay=False, path_type=Path),
    default=_LOCAL,
    show_default=True,
    help="The file into which `forebay local --json` says where its secret is; it is read once it is there.",
)
@click.option("--secret", envvar="FOREBAY_CALLBACK_SECRET", help="The signing secret itself, as base64, instead.")
@click.option(
    "--secret-arn",
    help="The secret's ARN instead (CallbackSecretArn), read with boto3's own settings: AWS_PROFILE, "
    "AWS_ENDPOINT_URL_SECRETS_MANAGER.",
)
@click.option("--fail", type=click.IntRange(min=1), help="Fail the first so many deliveries of each request.")
@click.option(
    "--status",
    type=click.IntRange(300, 599),
    help=f"What failing is answered.  [default: {HTTPStatus.SERVICE_UNAVAILABLE}]",
)
@click.option("--retry-after", type=click.IntRange(min=0), help="Seconds that failing asks to wait, with 429 or 503.")
@click.option("--hang", is_flag=True, help="Fail by never answering.")
@click.option("--json", "as_json", is_flag=True, help="Print lines of JSON, for a program to read.")
@click.option("--exit-with-stdin", is_flag=True, help="Stop when standard input closes, too.")
def callback_receiver(
    port: int,
    name: str,
    ready: Path,
    secret: str | None,
    secret_arn: str | None,
    as_json: bool,
    exit_with_stdin: bool,
    **misbehaviour: Any,
) -> None:
    """Be called back: an HTTPS server on 127.0.0.1, which verifies signatures and prints each delivery.

    Results are POSTed to public hosts only. This one is none, so the embedded AWS has to be told of it: the receiver
    makes a certificate and prints the `forebay local` that knows it, to be started in another terminal. Then send
    requests with "callback_url": "https://receiver.test/".

    \b
    To rehearse what your own receiver will do wrong:
      forebay callback-receiver --fail 3               three times 503, then acknowledged
      forebay callback-receiver --status 410           never acknowledged, and not tried again
      forebay callback-receiver --fail 1 --status 429 --retry-after 60
      forebay callback-receiver --hang                 never answers, until it is given up

    A delivery that does not verify is answered 401; one that comes before the secret is known, 503. Ctrl-C stops it,
    and nothing is kept.
    """
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    if exit_with_stdin:
        threading.Thread(target=_until_closed, args=(stopped,), daemon=True).start()
    receiver = CallbackReceiver(
        _certificate(name),
        _source(secret, secret_arn, ready),
        misbehaviour=_misbehaviour(**misbehaviour),
        port=port,
        tell=_Told(stopped, as_json=as_json),
    )
    try:
        with receiver:
            click.echo(_ready_json(receiver) if as_json else _ready_text(receiver, secret or secret_arn, ready))
            sys.stdout.flush()
            stopped.wait()
    except OSError as error:
        raise click.ClickException(f"127.0.0.1:{port} cannot be served: {error}. Take another --port") from None


def _certificate(name: str) -> ReceiverCertificate:
    try:
        # As the function that calls back will read it.
        TestReceiver.from_text(f"{name}=127.0.0.1:443")
        return ReceiverCertificate.fresh(name)
    except ValueError:
        raise click.UsageError(
            f"{name!r} is not a DNS name: labels of letters, digits and inner hyphens, with dots between"
        ) from None


def _source(secret: str | None, secret_arn: str | None, ready: Path) -> "SecretSource":
    if secret is not None and secret_arn is not None:
        raise click.UsageError("--secret and --secret-arn are two ways to say the same: give one")
    if secret is not None:
        try:
            signing_key(secret)
        except SecretError as error:
            raise click.UsageError(
                f"--secret (FOREBAY_CALLBACK_SECRET) verifies nothing: {error}. What the stack signs with is the value "
                "of its CallbackSecretArn, which --secret-arn reads itself"
            ) from None
        return GivenSecret(secret)
    return LocalSecret(ready) if secret_arn is None else StoredSecret(secret_arn)


def _misbehaviour(fail: int | None, status: int | None, retry_after: int | None, hang: bool) -> Misbehaviour:
    if hang and (status is not None or retry_after is not None):
        raise click.UsageError("--hang never answers, so it has neither --status nor --retry-after")
    wrong = fail is not None or status is not None or retry_after is not None or hang
    return Misbehaviour(
        times=fail if fail is not None or wrong else 0,
        status=HTTPStatus.SERVICE_UNAVAILABLE if status is None else status,
        hang=hang,
        retry_after=retry_after,
    )


class _Told:
    """Prints deliveries. Who reads them may go before we do: that stops the receiver."""

    def __init__(self, stopped: threading.Event, *, as_json: bool) -> None:
        self._stopped = stopped
        self._line = _as_json if as_json else _as_text

    def __call__(self, delivery: Delivery) -> None:
        try:
            click.echo(self._line(delivery))
        except BrokenPipeError:
            self._stopped.set()


def _until_closed(stopped: threading.Event) -> None:
    # Not by the stream, whose lock a thread that is left reading would keep at the interpreter's end.
    while os.read(sys.stdin.fileno(), 1_024):
        pass
    stopped.set()


def _ready_json(receiver: CallbackReceiver) -> str:
    return _json({"url": receiver.url, "parameters": dict(receiver.parameters)})


def _ready_text(receiver: CallbackReceiver, secret: str | None, ready: Path) -> str:
    parameters = " \\\n".join(
        f"    --parameter {shlex.quote(f'{name}={value}')}" for name, value in receiver.parameters.items()
    )
    into = "" if secret else f" \\\n    --json > {shlex.quote(str(ready))}"
    body = json.dumps({"image": {"key": "photo.jpg"}, "callback_url": receiver.url})
    return f"""
{receiver.url} leads to 127.0.0.1:{receiver.port} here, for an embedded AWS that is started so:

  forebay local \\
{parameters}{into}

Then send requests that ask to be called back:

  call -H 'Content-Type: application/json' -d {shlex.quote(body)} $API_URL/v1/sqs/images

`call` is curl, told to sign (docs/authentication.md) by the variables that this `forebay local` prints.

Ctrl-C stops it. Deliveries:
"""


def _as_json(delivery: Delivery) -> str:
    return _json(
        {
            "request_id": delivery.request_id,
            "arrived_at": delivery.arrived_at,
            "attempt": delivery.attempt,
            "status": delivery.status,
            "problem": delivery.problem,
            "path": delivery.path,
            "result": delivery.document,
        }
    )


def _json(value: "Mapping[str, Any]") -> str:
    return json.dumps(value, separators=(",", ":"))


def _as_text(delivery: Delivery) -> str:
    seconds, ms = divmod(int(delivery.arrived_at), 1_000)
    when = f"{time.strftime('%H:%M:%S', time.localtime(seconds))}.{ms:03}"
    answered = "left hanging" if delivery.status is None else f"answered {delivery.status}"
    # What has no signature of ours may be anything, also what would move a terminal's cursor.
    request_id = "?" if delivery.request_id is None else delivery.request_id[:100]
    if delivery.problem is not None:
        return f"{when}  {ascii(request_id)[1:-1]}  {answered}: {ascii(delivery.problem)[1:-1]}"
    return f"{when}  {request_id}  attempt {delivery.attempt}, {answered}  {_result(delivery.document or {})}"


def _result(document: "Mapping[str, Any]") -> str:
    if document.get("reason"):
        return f"{document.get('status')}: {document['reason']}"
    labels = [f"{label['name']} {label['confidence']:.1f} %" for label in document.get("labels", ())]
    more = len(labels) - _SHOWN_LABELS
    return f"{document.get('status')}: {', '.join(labels[:_SHOWN_LABELS])}{f' and {more} more' if more > 0 else ''}"
