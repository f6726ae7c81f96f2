"""What an architect writes, with its unit."""

import pytest

from simulator.duration import Fixed, Lognormal
from simulator.planner import units
from simulator.planner.question import LatencyObjective, ShareObjective


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (units.seconds, "250ms", 0.25),
        (units.seconds, "60s", 60.0),
        (units.seconds, "5m", 300.0),
        (units.seconds, "1.5 h", 5_400.0),
        (units.per_second, "2000/s", 2_000.0),
        (units.per_second, "100,000/s", 100_000.0),
        (units.per_second, "90/min", 1.5),
        (units.per_second, "7200 / h", 2.0),
        (units.size, "2000", 2_000),
        (units.size, "2kB", 2_000),
        (units.size, "256KiB", 262_144),
        (units.usd_per_month, "500/month", 500.0),
        (units.usd_per_month, "$6,000/year", 500.0),
        (units.usd_per_month, "24/day", 730.0),
        (units.duration, "50ms", Fixed(50)),
        (units.duration, "500ms..1.5s", Lognormal(500, 1_500)),
        (units.objective, "p99 <= 60s", LatencyObjective(99.0, 60.0)),
        (units.objective, "P99.9<5m", LatencyObjective(99.9, 300.0)),
        (units.objective, "lost = 0", ShareObjective("lost", 0.0)),
        (units.objective, "rejected <= 1%", ShareObjective("rejected", 0.01)),
    ],
)
def test_a_value_with_its_unit_is_read(read, text, value):
    assert read(text) == pytest.approx(value) if isinstance(value, float) else read(text) == value


@pytest.mark.parametrize(
    ("read", "text", "says"),
    [
        (units.seconds, "60", "60s"),  # seconds or minutes?
        (units.seconds, "5 parsecs", "not a time"),
        (units.per_second, "2000", "2000/s"),  # a second or a minute?
        (units.per_second, "-5/s", "not a rate"),
        (units.size, "2GB", "1MiB"),  # more than any buffer takes
        (units.usd_per_month, "500", "500/month"),
        (units.duration, "500ms..100ms", "p50"),  # the wrong way round
        (units.duration, "0ms", "0 seconds"),
        (units.objective, "p99", "p99 <= 60s"),
        (units.objective, "p99 = 60s", "p99 <= 60s"),
        (units.objective, "p100 <= 60s", "percentiles"),
        (units.objective, "p99 <= 0s", "0 seconds"),
        (units.objective, "mean <= 1s", "percentiles"),
        (units.objective, "lost <= 150%", "no share"),
    ],
)
def test_what_is_unclear_is_refused_and_the_error_says_how_to_write_it(read, text, says):
    with pytest.raises(ValueError, match=r".") as refused:
        read(text)
    assert says in str(refused.value)
