"""How many requests a second the embedded AWS's Kinesis proxy route takes on one core, beside MiniStack's SQS route.

    python -m benchmarks.gateway

Requests to ours are signed, as its Authentication wants; all of a turn have one signature, which is checked each time.
Both serve from core 0 and are driven by wrk from core 1, in turns, so that a machine whose speed drifts drifts for
both. No handler runs: the mapping gathers a batch that is not full before the end. A request that is not answered
2xx spoils the run.
"""

import os
import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import click

from benchmarks import ministack, wrk
from benchmarks.embedded import embedded
from loadtest._authentication import Showing

_SERVER_CORE = 0
_WRK_CORE = 1
_BODY = '{"image":{"key":"cat.jpg"}}'
# Each shard takes 1,000 records a second: enough of them that none is the limit.
_SHARDS = 32


@contextmanager
def kinesis_route(authentication: str) -> Iterator[tuple[str, Callable[[], Mapping[str, str]]]]:
    """Start the embedded AWS, bound to one core; yields the URL of its Kinesis route, and what makes headers for it."""
    options = (
        *("--parameter", f"KinesisShardCount={_SHARDS}"),
        *("--parameter", "ThrottleRate=10000"),
        *("--parameter", f"Authentication={authentication}"),
        # The mapping polls and gathers, and has no batch to hand over before the measuring ends.
        *("--parameter", "KinesisBatchingWindow=300", "--parameter", "KinesisBatchSize=10000"),
    )
    with embedded(*options, core=_SERVER_CORE) as ready:
        url = ready["outputs"]["ApiUrl"] + "/v1/kinesis/images"
        shown = Showing.of_embedded(ready["outputs"], ready["environment"]).to(ready["outputs"]["ApiUrl"])
        yield url, lambda: shown.headers("POST", url, {"Content-Type": "application/json"}, _BODY.encode())


@click.command()
@click.option("--rounds", default=3, help="Turns of each.")
@click.option("--seconds", default=5, help="Length of a turn.")
@click.option("--connections", default=16)
@click.option(
    "--authentication",
    type=click.Choice(["IAM", "API_KEY"]),
    default="IAM",
    help="What our route asks of each request; MiniStack's asks nothing.",
)
def main(rounds: int, seconds: int, connections: int, authentication: str) -> None:
    """Measure both in turns and print the medians and their ratio."""
    cores = os.cpu_count() or 1
    if cores < 2:
        raise click.ClickException(f"this takes two cores, one to serve and one to drive; there is {cores}")
    ours: list[float] = []
    theirs: list[float] = []
    with kinesis_route(authentication) as (our_url, our_headers), ministack.queue_route(_SERVER_CORE) as their_url:
        for turn in range(rounds):
            for name, url, headers, into in [
                ("forebay kinesis", our_url, our_headers(), ours),
                ("ministack sqs", their_url, {}, theirs),
            ]:
                measured = wrk.post(
                    url, _BODY, seconds=seconds, connections=connections, core=_WRK_CORE, headers=headers
                )
                if measured.failed:
                    raise click.ClickException(
                        f"{name}: {measured.failed} of {measured.requests} were not answered 2xx"
                    )
                click.echo(f"turn {turn + 1}  {name:16} {measured.per_second:8,.0f} requests/s")
                into.append(measured.per_second)
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    click.echo(f"median  forebay kinesis  {statistics.median(ours):8,.0f} requests/s")
    click.echo(f"median  ministack sqs    {statistics.median(theirs):8,.0f} requests/s (MiniStack {ministack.VERSION})")
    click.echo(f"ratio   {ratio:.2f}")


if __name__ == "__main__":
    main()
