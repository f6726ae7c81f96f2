import math
from dataclasses import fields
from unittest.mock import patch

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from delivery.async_invoke import AsyncInvoke
from delivery.protocol import End, Facts
from simulator.duration import Fixed, Lognormal
from simulator.engine import Observed
from simulator.scenario import Burst, Downstream, Function, MappingSettings, Rate, Scenario
from simulator.simulation import simulate


def test_what_a_machine_says_is_summed_up_over_all_it_was_asked():
    seen = Observed()
    seen.add(1.0, Facts(done=[1, 2], received=3, throttled=4, cold_starts=1, dropped=2))
    seen.add(2.0, Facts(done=[3], received=1, throttled=1, cold_starts=1, dropped=5, expired=[(4, End.RETENTION)]))
    assert (seen.done, seen.received, seen.throttles, seen.cold_starts, seen.dropped) == (3, 4, 5, 2, 7)
    assert seen.gone == [(4, 2.0, End.RETENTION, False)]


SCENARIOS = st.builds(
    Scenario,
    buffer=st.just("sns"),
    seed=st.integers(0, 99),
    until_s=st.sampled_from([20.0, 400.0]),
    arrivals=st.sampled_from([Burst(60), Rate(((0, 20), (10, 20))), Rate(((0, 3), (30, 3)), poisson=False)]),
    mapping=st.builds(MappingSettings, maximum_event_age_s=st.sampled_from([61.0, 300.0]), on_failure=st.booleans()),
    function=st.builds(
        Function,
        reserved_concurrency=st.sampled_from([None, 1, 7]),
        timeout_s=st.sampled_from([1.0, 20.0]),
        cold_start_ms=st.just(Fixed(200)),
        per_record_ms=st.sampled_from([Fixed(100), Lognormal(100, 2_000)]),
        error_rate=st.sampled_from([0.0, 0.3]),
    ),
    downstream=st.sampled_from([Downstream(), Downstream(rate_per_s=3)]),
    quotas=st.fixed_dictionaries(
        {
            # A retry that comes before others have ended must not be missed.
            "async_first_retry_s": st.sampled_from([0.1, 60.0]),
            "async_duplicate_share": st.sampled_from([0.0, 0.2]),
            "async_reads_per_s": st.sampled_from([0.0, 5.0]),
        }
    ),
)


@given(SCENARIOS)
@settings(max_examples=80, deadline=None)
def test_to_settle_together_what_ends_while_nothing_can_start_changes_nothing(scenario):
    together = simulate(scenario)
    with patch.object(AsyncInvoke, "starts_at", lambda _self, _now: -math.inf):
        apart = simulate(scenario)
    for entry in fields(together):
        one, other = getattr(together, entry.name), getattr(apart, entry.name)
        if isinstance(one, np.ndarray):
            np.testing.assert_array_equal(one, other)
        else:
            assert one == other, entry.name
