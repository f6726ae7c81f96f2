"""`forebay redrive`: what was given up, in words, and back into where it came from."""

import contextlib
import json
import re
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

import click

from pipeline.client_error import code_of
from producers.redrive.choice import Choice
from producers.redrive.place import PLACES
from producers.redrive.stopping import stopping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from botocore.exceptions import BotoCoreError, ClientError

    from producers.redrive.listing import Listing
    from producers.redrive.place import Place, PlaceName
    from producers.redrive.target import Target

    Work = Callable[[Place, Callable[[], bool], Callable[[int], None]], None]

# What a shell says of a command that Ctrl-C ended.
_INTERRUPTED: Final = 130
_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_AGE: Final = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)([smhd])")
# By a part of an error's name.
_CURES: Final = {
    "AccessDenied": "`forebay redrive show --help` and `forebay redrive replay --help` list the rights it needs",
    "NonExistentQueue": "the stack's outputs name a queue that is gone: deploy it anew",
    "NoSuchBucket": "the stack's outputs name a bucket that is gone: deploy it anew",
    "ResourceNotFound": "the stack's outputs name what is gone: deploy it anew",
    "NoCredentials": "set AWS_PROFILE or the AWS_ variables",
    "ExpiredToken": "sign in anew",
    "Endpoint": "is AWS within reach?",
}


class _Age(click.ParamType[float]):
    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        written = _AGE.fullmatch(str(value))
        if written is None:
            self.fail(f"{value!r} is no age: write 90s, 15m, 2h or 3d", param, ctx)
        return float(written[1]) * _UNITS[written[2]]


def _common(command: "Callable[..., None]") -> "Callable[..., None]":
    """The options of both commands: whose dead letters, and which of them."""
    options = [
        click.option("--stack", metavar="NAME", help="A CloudFormation stack on AWS."),
        click.option("--region", help="AWS Region of --stack. Without it, that of your AWS configuration."),
        click.option("--profile", help="AWS profile for --stack. Without it, that of your AWS configuration."),
        click.option(
            "--local",
            "ready",
            type=click.File(encoding="utf-8"),
            metavar="FILE",
            help="In place of --stack: what `forebay local --json` printed once it was ready; - reads standard input.",
        ),
        click.option(
            "--from",
            "places",
            type=click.Choice(PLACES),
            multiple=True,
            help="Only what was given up behind this one; may be given again. Without it, all that the stack has.",
        ),
        click.option("--id", "request_ids", multiple=True, metavar="ID", help="This request; may be given again."),
        click.option("--reason", metavar="TEXT", help="Whose reason has this text in it, as `show` prints it."),
        click.option("--older-than", type=_Age(), help="Accepted this long ago or longer: 90s, 15m, 2h, 3d."),
        click.option("--younger-than", type=_Age(), help="Accepted this long ago or later."),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for a program to read."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def redrive() -> None:
    """Requests that were given up: shows them, and sends them again.

    A request that its function cannot do, as often as it is tried, ends in a dead-letter queue (SQS, callbacks, push),
    in the failure queue (SNS) or in a failure bucket (Kinesis), and stays there for 14 days. Find the cause, mend it,
    then send the requests to where they came from:

    \b
      forebay redrive show   --stack forebay
      forebay redrive replay --stack forebay --reason Throttling --dry-run
      forebay redrive replay --stack forebay --reason Throttling

    The embedded AWS is reached by the line that it prints when it is ready:

    \b
      forebay local --json > ready.json &
      forebay redrive show --local ready.json

    A replay may be stopped (Ctrl-C) and started again at any time. A request that has its result is only removed,
    unless it was promised a callback of which nothing is known. One that was sent is removed from where it lay right
    after; where requests lie together, as a stream's batch does, those sent are noted in the bucket, under
    forebay-redrive/, until the last of them is. Killed in between, a replay leaves what it had in hand, ten messages
    or 25 batches, to be sent twice; the first result of a request stands.

    What is no request of ours is shown and left alone.
    """


@redrive.command()
@_common
@click.option("--limit", type=click.IntRange(min=0), default=20, show_default=True, help="Lines a place; 0: all.")
def show(limit: int, as_json: bool, places: "tuple[PlaceName, ...]", **options: Any) -> None:
    """Show what was given up: which request, why, when, and how often it was tried. Changes nothing.

    Looking into a queue hides its messages from others for as long as it takes, and counts as a receive of each.

    It needs the rights to cloudformation:DescribeStacks, sqs:ReceiveMessage, sqs:ChangeMessageVisibility and
    sqs:GetQueueAttributes, s3:ListBucket and s3:GetObject, kinesis:ListShards, dynamodb:GetItem, and for batches
    without their records kinesis:GetShardIterator, kinesis:GetRecords and kinesis:DescribeStreamSummary.
    """
    from producers.redrive.listing import list_place
    from producers.redrive.words import listing_words

    now = time.time()
    choice = _choice(now, options)
    listings: list[Listing] = []

    def work(place: "Place", stopped: "Callable[[], bool]", progress: "Callable[[int], None]") -> None:
        listings.append(list_place(place, choice, stopped=stopped, progress=progress))

    ending = _each_place(options, places, work)
    if as_json:
        click.echo(json.dumps({"places": [asdict(listing) for listing in listings], **ending.document()}))
    else:
        click.echo("\n\n".join(listing_words(listing, now=now, longest=limit) for listing in listings))
    ending.exit()


@redrive.command()
@_common
@click.option("--all", "everything", is_flag=True, help="All requests; instead of a choice by id, reason or age.")
@click.option("--dry-run", is_flag=True, help="Say what would be sent and removed; change nothing.")
def replay(everything: bool, dry_run: bool, as_json: bool, places: "tuple[PlaceName, ...]", **options: Any) -> None:
    """Send requests to where they came from, and remove them from where they lie.

    Choose them by --id, --reason, --older-than and --younger-than, of which all have to hold, or take --all. Look at
    the choice with `show`, which takes the same options, or with --dry-run. Ends with 1 if a request could not be sent
    or a letter not be removed.

    Beside the rights of `show` it needs sqs:SendMessage, sns:Publish and kinesis:PutRecords for the buffers, and
    sqs:DeleteMessage, s3:DeleteObject and s3:PutObject where the letters lie.
    """
    from producers.redrive.replay import Replay
    from producers.redrive.words import replayed_words

    choice = _choice(time.time(), options)
    if everything != choice.everything:
        raise click.UsageError(
            "choose what to replay: --all, or any of --id, --reason, --older-than and --younger-than"
            if choice.everything
            else "--all goes with no choice: leave out either"
        )
    replays: list[Replay] = []

    def work(place: "Place", stopped: "Callable[[], bool]", progress: "Callable[[int], None]") -> None:
        replays.append(Replay(place, choice, dry_run=dry_run, stopped=stopped, progress=progress))
        replays[-1].run()

    ending = _each_place(options, places, work)
    done = [each.replayed for each in replays]
    if as_json:
        click.echo(json.dumps({"dry_run": dry_run, "places": [asdict(each) for each in done], **ending.document()}))
    else:
        click.echo("\n".join(replayed_words(each, dry_run=dry_run) for each in done))
    ending.exit(whole=all(each.whole for each in done))


@dataclass(slots=True)
class _Ending:
    """How a command ended: whether it was stopped, and what failed, by place."""

    stopped: bool = False
    errors: dict[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        return {"stopped": self.stopped, "errors": self.errors}

    def exit(self, *, whole: bool = True) -> None:
        for name, error in self.errors.items():
            click.echo(f"Error: {name}: {error}", err=True)
        if self.stopped:
            click.echo("Stopped; the same command goes on from here.", err=True)
            sys.exit(_INTERRUPTED)
        if self.errors or not whole:
            sys.exit(1)


def _each_place(
    options: "dict[str, Any]",
    chosen: "tuple[PlaceName, ...]",
    work: "Callable[[Place, Callable[[], bool], Callable[[int], None]], None]",
) -> _Ending:
    """Do something with each place; where one fails, the others are done all the same."""
    from botocore.exceptions import BotoCoreError, ClientError

    from pipeline.stack import StackError
    from producers.redrive.places import names_of, open_place

    ending = _Ending()
    try:
        target = _target(options)
    except StackError as error:
        raise click.ClickException(str(error)) from None
    there = names_of(target)
    if missing := [name for name in chosen if name not in there]:
        raise click.ClickException(f"the stack has no {', '.join(missing)}: it was deployed with KinesisFanOut=false")
    with stopping() as stopped:
        for name in chosen or there:
            try:
                place = open_place(name, target)
                with _bar(place) as progress:
                    work(place, stopped, progress)
            except (BotoCoreError, ClientError) as error:
                ending.errors[name] = _told(error, local=bool(target.endpoints))
            except KeyboardInterrupt:
                ending.stopped = True
            if ending.stopped or stopped():
                ending.stopped = True
                break
    return ending


def _target(options: "dict[str, Any]") -> "Target":
    from pipeline.stack import StackError
    from producers.redrive.target import Target

    stack, ready = options["stack"], options["ready"]
    if (stack is None) == (ready is None):
        raise click.UsageError(
            "whose dead letters? Give one of --stack NAME and --local FILE; `forebay redrive --help` has both"
        )
    if ready is not None:
        try:
            return Target.of_ready_line(ready.readline())
        except (StackError, UnicodeDecodeError) as error:
            raise StackError(f"{ready.name}: {error}") from None
    return Target.of_stack(stack, region=options["region"], profile=options["profile"])


def _choice(now: float, options: "dict[str, Any]") -> Choice:
    return Choice(
        now=now,
        request_ids=frozenset(options["request_ids"]),
        reason=options["reason"],
        older_than_s=options["older_than"],
        younger_than_s=options["younger_than"],
    )


@contextlib.contextmanager
def _bar(place: "Place") -> "Iterator[Callable[[int], None]]":
    """A bar on stderr; none where nobody watches."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    length = max(1, place.letterbox.count())
    with click.progressbar(length=length, label=place.title, show_pos=True, file=sys.stderr) as bar:
        yield bar.update


def _told(error: "BotoCoreError | ClientError", *, local: bool) -> str:
    """An error of AWS's with what to do about it."""
    code = code_of(error)
    text = str(error)
    if local and "Endpoint" in code:
        return f"{text}: is the embedded AWS of that ready line still running?"
    return next((f"{text}; {cure}" for part, cure in _CURES.items() if part in code), text)
