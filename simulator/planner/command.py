"""`forebay plan`: from a spike and an objective to a buffer and its settings."""

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from pipeline.finite_range import FiniteRange
from simulator.limits import LIMITS, MOST_KEYS
from simulator.planner import units
from simulator.planner.question import LatencyObjective, Question, ShareObjective

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from simulator.planner.plan import Plan
    from simulator.planner.question import Objective

# What a shell says of a command that Ctrl-C ended, and of a question that has no answer that meets it.
_INTERRUPTED: Final = 130
_UNMET: Final = 3
# infra.yaml's own InBatchConcurrency.
_IN_BATCH: Final = 5
# Far beyond what any account has, and any machine.
_MOST_EXECUTIONS: Final = 10_000_000
_MOST_PROCESSES: Final = 1_000


class _Written(click.ParamType[Any]):
    """A value with its unit, read by one of `units`."""

    def __init__(self, name: str, read: "Callable[[str], Any]") -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._read(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _quota(text: str) -> tuple[str, float]:
    name, equals, number = text.partition("=")
    try:
        value = float(number)
    except ValueError:
        value = -1.0
    if not equals or value < 0:
        raise ValueError(f"{text!r} is not of the form NAME=NUMBER, such as api_requests_per_s=20000")
    return name.strip(), value


_RATE: Final = _Written("rate", units.per_second)
_TIME: Final = _Written("time", units.seconds)
_HOW_LONG: Final = _Written("time or p50..p99", units.duration)


@click.command()
@click.option("--spike", "spike_per_s", type=_RATE, required=True, help="Requests on top of the baseline: 2000/s.")
@click.option("--for", "spike_s", type=_TIME, required=True, help="How long the spike lasts: 60s, 5m.")
@click.option("--baseline", "baseline_per_s", type=_RATE, default="0/s", show_default=True, help="All the time: 50/s.")
@click.option(
    "--objective",
    "objectives",
    type=_Written("objective", units.objective),
    multiple=True,
    required=True,
    help="Of the spike's requests: 'p99 <= 60s', sent to stored. Again for 'lost = 0' (default) or 'rejected <= 1%'.",
)
@click.option("--downstream", "downstream_per_s", type=_RATE, help="What the service behind the function does: 50/s.")
@click.option(
    "--budget", "budget_usd", type=_Written("money", units.usd_per_month), help="At the most: 500/month, in US$."
)
@click.option(
    "--order",
    type=click.Choice(["none", "per-key"]),
    default="none",
    show_default=True,
    help="per-key: requests of one key are worked through in their order.",
)
@click.option(
    "--keys",
    type=click.IntRange(1, MOST_KEYS),
    default=10_000,
    show_default=True,
    help="Partition keys, or message groups.",
)
@click.option(
    "--payload",
    "payload_bytes",
    type=_Written("size", units.size),
    default="2kB",
    show_default=True,
    help="Of one request.",
)
@click.option(
    "--per-record",
    "per_record",
    type=_HOW_LONG,
    default="500ms..1500ms",
    show_default=True,
    help="The function's time for one request, the downstream's answer included: 50ms, or median..99th percentile.",
)
@click.option("--cold-start", type=_HOW_LONG, default="300ms..900ms", show_default=True, help="Of a new environment.")
@click.option(
    "--in-batch",
    "in_batch_concurrency",
    type=click.IntRange(1, 50),
    help="Requests of one batch in work at the same time.  [default: 5, and 1 with --order]",
)
@click.option("--timeout", "timeout_s", type=_TIME, default="30s", show_default=True, help="Of the function.")
@click.option(
    "--memory", "memory_mb", type=click.IntRange(128, 10_240), default=1_024, show_default=True, help="In MB."
)
@click.option(
    "--account-concurrency",
    type=click.IntRange(1, _MOST_EXECUTIONS),
    help="Lambda executions your account has, all functions together.  [default: AWS's 1,000; a new account has fewer]",
)
@click.option(
    "--spikes-per-month", type=FiniteRange(min=0), default=30.0, show_default=True, help="For the month's cost."
)
@click.option("--api/--no-api", default=True, show_default=True, help="Whether API Gateway stands in front.")
@click.option(
    "--quota",
    "quotas",
    metavar="NAME=NUMBER",
    type=_Written("quota", _quota),
    multiple=True,
    help="A quota AWS has raised for you, by its name in delivery/quotas.py: api_requests_per_s=20000.",
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of everything that is drawn.")
@click.option(
    "--processes",
    type=click.IntRange(1, _MOST_PROCESSES),
    help="That simulate at the same time.  [default: one a core]",
)
@click.option(
    "--json",
    "json_out",
    metavar="FILE",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="Write the whole answer there as JSON; - is stdout, and the words go to stderr.",
)
@click.option(
    "--report",
    "report_folder",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the crossover there as a picture, PNG and SVG.",
)
def plan(
    objectives: "Sequence[Objective]",
    order: str,
    in_batch_concurrency: int | None,
    account_concurrency: int | None,
    quotas: "Sequence[tuple[str, float]]",
    processes: int | None,
    json_out: Path | None,
    report_folder: Path | None,
    **options: Any,
) -> None:
    """Which buffer, with which settings, for a spike: simulated by AWS's documented rules, no account needed.

    Tries SNS, SQS, SQS FIFO and Kinesis over a grid of their settings, and says which is the cheapest that meets the
    objective, why, what it costs, what breaks as the spike grows, what the answer hangs on, and the command that
    deploys it. docs/planner.md has worked examples, with the calculation by hand beside them.

    \b
      forebay plan --spike 100/s --for 60s --baseline 5/s --downstream 50/s --objective "p99 <= 5m"

    Ends with 3 if nothing meets the objective: then it says what bounds it, and what would have to change.
    """
    overrides = dict(quotas)
    if account_concurrency is not None:
        overrides["account_concurrency"] = account_concurrency
    ordered = order == "per-key"
    if ordered and in_batch_concurrency not in (None, 1):
        raise click.UsageError(
            f"--in-batch {in_batch_concurrency} works on requests of one key at the same time, and --order per-key "
            "forbids it; leave --in-batch out"
        )
    in_batch = in_batch_concurrency or (1 if ordered else _IN_BATCH)
    question = _question(objectives, ordered=ordered, in_batch_concurrency=in_batch, quotas=overrides, **options)
    try:
        found = _answer(question, processes)
        # numpy, and the compiler behind the downstream's model, take seconds to import, and --help should not.
        from simulator import out_file
        from simulator.planner import document, words

        said = words.answer(found)
        if json_out is not None:
            out_file.write(json_out, document.to_json(found))
        if report_folder is not None:
            said += f"\n\nCrossover: {_draw(report_folder, found)}"
    except KeyboardInterrupt:
        click.echo("\nStopped; nothing half-written is left.", err=True)
        sys.exit(_INTERRUPTED)
    click.echo(said, err=str(json_out) == "-")
    if found.search.chosen is None:
        sys.exit(_UNMET)


def _question(objectives: "Sequence[Objective]", **options: Any) -> Question:
    from delivery.quotas import UnknownQuotaError

    latencies = [one for one in objectives if isinstance(one, LatencyObjective)]
    shares = {one.name: one for one in objectives if isinstance(one, ShareObjective)}
    if len(latencies) != 1:
        raise click.UsageError(
            f"{len(latencies)} objectives are percentiles; give exactly one, such as --objective 'p99 <= 60s'"
        )
    if len(shares) + len(latencies) != len(objectives):
        raise click.UsageError("an objective is given twice; give 'lost' and 'rejected' once each")
    question = Question(
        latency=latencies[0],
        lost=shares.get("lost", ShareObjective("lost", 0.0)),
        rejected=shares.get("rejected"),
        **options,
    )
    if question.spike_per_s <= 0 or question.spike_s <= 0:
        raise click.UsageError("a spike has a rate and a length; --spike and --for are more than 0")
    if not LIMITS["timeout_s"].allows(question.timeout_s):
        raise click.UsageError(f"--timeout {question.timeout_s:g}s: {LIMITS['timeout_s']}")
    if question.downstream_per_s == 0:
        raise click.UsageError("a downstream of 0/s never answers; leave --downstream out if nothing limits it")
    try:
        _ = question.limits
    except (ValueError, UnknownQuotaError) as error:
        raise click.UsageError(str(error)) from None
    return question


def _answer(question: Question, processes: int | None) -> "Plan":
    from simulator.planner.crew import CrewError, cores, crew
    from simulator.planner.plan import RefusedError, plan, refuse

    try:
        refuse(question)
        with crew(processes or cores()) as workers:
            return plan(question, workers, _stage)
    except (RefusedError, CrewError) as error:
        raise click.ClickException(str(error)) from None


@contextlib.contextmanager
def _stage(name: str, runs: int) -> "Iterator[Callable[[], None]]":
    """A bar on stderr; none where nobody watches."""
    with click.progressbar(length=max(1, runs), label=name, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:

        def advance() -> None:
            # More seeds come on top where a run lies near the bound.
            bar.length = max(bar.length or 0, bar.pos + 1)
            bar.update(1)

        yield advance


def _draw(folder: Path, found: "Plan") -> Path:
    try:
        from simulator.planner.picture import draw
    except ImportError as error:
        raise click.ClickException(
            f"--report draws with matplotlib: {error}. Install it: pip install '.[reports]'"
        ) from None
    if not found.cells:
        raise click.ClickException("there is no crossover to draw, for nothing meets the objective; leave --report out")
    try:
        return draw(folder, found)
    except OSError as error:
        raise click.ClickException(f"{folder} cannot be written: {error.strerror}") from None
