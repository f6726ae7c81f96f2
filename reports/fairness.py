"""What was equal between the buffers of a run, and what was not: from the rows, not from the settings."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from reports.quantiles import measure

if TYPE_CHECKING:
    from reports.joined import Joined


@dataclass(frozen=True, slots=True)
class Load:
    """What one buffer was given, and how its deliveries looked. Times in ms; None where nothing was measured."""

    requests: int
    span_s: float
    busiest_second: int
    bytes_sent: int | None
    images: int
    lateness_p50: float | None
    lateness_p99: float | None
    lateness_max: float | None
    batch_mean: float | None
    attempts_mean: float | None
    environments: int


@dataclass(frozen=True, slots=True)
class Sameness:
    """How far two or more buffers were given the same.

    `schedule_ms` is the greatest difference between the offsets of one sequence number from its buffer's first
    arrival; None if only one buffer ran. `other_images` counts the sequence numbers that did not carry one same image.
    """

    schedule_ms: float | None
    only_some: int
    other_images: int


def load(joined: "Joined", buffer: str) -> Load:
    """What a buffer was given."""
    row = joined.frame(
        """
        WITH sent AS (
            SELECT * FROM joined WHERE buffer = $buffer AND outcome NOT IN ('dropped', 'unrequested')
        ), seconds AS (
            SELECT count(*) AS n FROM sent, (SELECT min(intended_at) AS began FROM sent)
            GROUP BY floor((intended_at - began) / 1000)
        )
        SELECT count(*) AS requests, (max(intended_at) - min(intended_at)) / 1000 AS span_s,
            (SELECT max(n) FROM seconds) AS busiest_second,
            sum(bytes)::DOUBLE AS bytes_sent, count(DISTINCT image) AS images,
            -- Each record of a batch of n counts 1/n, or large batches would be counted n times.
            count(batch_size) / sum(1 / batch_size) FILTER (batch_size > 0) AS batch_mean,
            avg(attempts) AS attempts_mean, count(DISTINCT environment) AS environments
        FROM sent
        """,
        buffer=buffer,
    ).iloc[0]
    known = {name: None if pd.isna(value) else float(value) for name, value in row.items()}
    bytes_sent = known["bytes_sent"]
    lateness = measure(joined.values("lateness_ms", buffer, "outcome NOT IN ('dropped', 'unrequested')"))
    return Load(
        requests=int(known["requests"] or 0),
        span_s=known["span_s"] or 0.0,
        busiest_second=int(known["busiest_second"] or 0),
        bytes_sent=None if bytes_sent is None else int(bytes_sent),
        images=int(known["images"] or 0),
        lateness_p50=lateness.value("p50"),
        lateness_p99=lateness.value("p99"),
        lateness_max=lateness.max,
        batch_mean=known["batch_mean"],
        attempts_mean=known["attempts_mean"],
        environments=int(known["environments"] or 0),
    )


def sameness(joined: "Joined") -> Sameness:
    """Compare what the buffers were given, request by request."""
    row = joined.frame(
        """
        WITH sent AS (
            -- A number for each image: millions of numbers are compared sooner than millions of texts.
            SELECT buffer, sequence, intended_at, if(image IS NULL, NULL, hash(image)) AS image
            FROM joined WHERE outcome NOT IN ('dropped', 'unrequested')
        ), began AS (
            SELECT buffer, min(intended_at) AS began_at FROM sent GROUP BY buffer
        ), arrivals AS (
            SELECT sequence, count(*) AS buffers, max(intended_at - began_at) - min(intended_at - began_at) AS apart,
                min(image) <> max(image) AS differ
            FROM sent JOIN began USING (buffer) GROUP BY sequence
        )
        SELECT max(apart) FILTER (buffers > 1) AS schedule_ms,
            count(*) FILTER (buffers < (SELECT count(*) FROM began)) AS only_some,
            count(*) FILTER (differ) AS other_images
        FROM arrivals
        """
    ).iloc[0]
    return Sameness(
        schedule_ms=None if pd.isna(row.schedule_ms) else float(row.schedule_ms),
        only_some=int(row.only_some),
        other_images=int(row.other_images),
    )
