"""How long the report of a large run takes and how much memory, beside what DuckDB alone takes for joins and quantiles.

    python -m benchmarks.report_scale                     10 M rows: requests and results together

The rows are made up and written as a load test writes them. Ours reads them so and makes the whole report: scorecard,
page, figures, Parquet. DuckDB gets the same rows as Parquet files, which it reads best and which somebody has to have
made first: it joins requests, results and dead letters, tells the outcome of each request, and takes the same quantiles
of the same measures. Each is a process of its own, in turns, on the same cores; the time is from its start to its end.
"""

import os
import resource
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from benchmarks import large_run
from pipeline.run import RunFolder

_MEASURES: Final = {
    "latency": "stored_at - intended_at",
    "response": "responded_at - intended_at",
    "lateness": "sent_at - intended_at",
    "gateway": "accepted_at - intended_at",
    "buffer": "received_at - accepted_at - coalesce(init_ms, 0)",
    "work": "recognised_at - received_at",
    "write": "stored_at - recognised_at",
}
_ALONE: Final = """
CREATE TABLE joined AS
SELECT buffer, sequence, q.request_id, q.intended_at, sent_at, responded_at, q.status AS http_status, image, bytes,
    accepted_at, received_at, recognised_at, stored_at, init_ms, batch_size, attempts, deliveries, environment, labels,
    CASE WHEN q.status NOT BETWEEN 200 AND 299 THEN 'rejected' WHEN r.status = 'SUCCEEDED' THEN 'completed'
        WHEN r.status IS NOT NULL THEN 'failed' WHEN d.reason IS NOT NULL THEN 'dead_lettered' ELSE 'lost'
    END AS outcome
FROM read_parquet('{folder}/requests.parquet') q
LEFT JOIN read_parquet('{folder}/results.parquet') r USING (buffer, sequence)
LEFT JOIN read_parquet('{folder}/dead_letters.parquet') d USING (buffer, sequence)
"""
_QUANTILES: Final = "[0.5, 0.9, 0.95, 0.99, 0.999]"


@dataclass(frozen=True, slots=True)
class Took:
    """What a process took: seconds of the clock and of the cores, and the most memory it held, in MB."""

    seconds: float
    cpu_s: float
    peak_mb: float


@click.command()
@click.option("--rows", default=10_000_000, show_default=True, help="Rows of requests and results together.")
@click.option("--rounds", default=3, show_default=True, help="Turns of each; the median counts.")
@click.option("--seed", default=1, show_default=True)
@click.option("--alone", type=click.Path(file_okay=False, path_type=Path), hidden=True)
@click.option("--tables", type=click.Path(file_okay=False, path_type=Path), hidden=True)
def main(rows: int, rounds: int, seed: int, alone: Path | None, tables: Path | None) -> None:
    """Write the rows, let both at them in turns, and print a table.

    Takes some minutes, and 6 GB of disk at 10 M rows.
    """
    if alone is not None:
        _alone(alone)
        return
    if tables is not None:
        _tables(tables)
        return
    with tempfile.TemporaryDirectory(prefix="forebay-scale-") as name:
        folder = Path(name) / "large"
        click.echo(f"writing {rows:,} rows", err=True)
        large_run.write(folder, rows, seed)
        size = sum(path.stat().st_size for path in folder.glob("*.rows")) / 1e9
        click.echo(f"as {size:.2f} GB of .rows; now as Parquet for DuckDB", err=True)
        _run("-m", "benchmarks.report_scale", "--tables", str(folder))
        ours, theirs = [], []
        for turn in range(rounds):
            ours.append(_run("-m", "reports", str(folder)))
            theirs.append(_run("-m", "benchmarks.report_scale", "--alone", str(folder)))
            click.echo(f"turn {turn + 1}: {ours[-1].seconds:.1f} s, {theirs[-1].seconds:.1f} s", err=True)
    click.echo(f"{'':28} {'s':>7} {'CPU s':>7} {'peak MB':>8}")
    for title, took in (("the whole report", ours), ("DuckDB, joins and quantiles", theirs)):
        middle = [statistics.median(getattr(one, part) for one in took) for part in ("seconds", "cpu_s", "peak_mb")]
        click.echo(f"{title:28} {middle[0]:7.1f} {middle[1]:7.1f} {middle[2]:8,.0f}")
    pairs = list(zip(ours, theirs, strict=True))
    times = statistics.median(one.seconds / other.seconds for one, other in pairs)
    cpu = statistics.median(one.cpu_s / other.cpu_s for one, other in pairs)
    cores = len(os.sched_getaffinity(0))
    click.echo(
        f"{rows:,} rows on {cores} cores: {times:.2f} times as long as DuckDB alone, with {cpu:.2f} times the CPU"
    )


def _run(*arguments: str) -> Took:
    """Run Python; neither of the two starts a process of its own."""
    began = time.perf_counter()
    process = os.posix_spawn(
        sys.executable,
        [sys.executable, *arguments],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, used = os.wait4(process, 0)
    if status:
        raise click.ClickException(f"python {' '.join(arguments)} ended with {os.waitstatus_to_exitcode(status)}")
    return Took(time.perf_counter() - began, used.ru_utime + used.ru_stime, _megabytes(used))


def _megabytes(used: resource.struct_rusage) -> float:
    return used.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def _tables(folder: Path) -> None:
    import duckdb

    from reports import rows

    run = RunFolder(folder)
    for table, schema, paths in (
        ("requests", rows.REQUESTS, run.all_requests()),
        ("results", rows.RESULTS, [run.results]),
        ("dead_letters", rows.DEAD_LETTERS, [run.dead_letters]),
    ):
        connection = duckdb.connect()
        connection.register("incoming", rows.load(schema, paths).table)
        connection.execute(f"COPY incoming TO '{folder / table}.parquet' (FORMAT parquet, COMPRESSION zstd)")
        connection.close()


def _alone(folder: Path) -> None:
    import duckdb

    connection = duckdb.connect()
    connection.execute(_ALONE.format(folder=folder))
    connection.execute("SELECT buffer, outcome, count(*) FROM joined GROUP BY ALL").fetchall()
    quantiles = ", ".join(f"quantile_disc({measure}, {_QUANTILES})" for measure in _MEASURES.values())
    connection.execute(f"SELECT buffer, {quantiles} FROM joined GROUP BY buffer").fetchall()


if __name__ == "__main__":
    main()
