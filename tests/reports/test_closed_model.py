"""The thin line: what users who wait would have measured of the requests of a run."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.closed_model import closed_model

MOMENTS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 15) | st.just(np.inf)), max_size=30)


def walked(requests: list[tuple[float, float]], users: int) -> tuple[list[float], int]:
    """The same, second by second as it would happen: each request goes to whoever is free."""
    busy_until = [-np.inf] * users
    seen: list[float] = []
    for due, took in sorted(requests, key=lambda request: request[0]):
        free = [user for user in range(users) if busy_until[user] <= due]
        if free:
            busy_until[free[0]] = due + took
            seen.append(took)
    return sorted(took for took in seen if took < np.inf), sum(took == np.inf for took in seen)


@given(MOMENTS, st.integers(1, 4))
def test_each_request_goes_to_a_user_who_is_free_or_is_never_measured(
    requests: list[tuple[float, float]], users: int
) -> None:
    due, took = (np.array(column, np.float64) for column in zip(*requests, strict=True)) if requests else ([], [])
    found = closed_model(np.asarray(due, np.float64), np.asarray(took, np.float64), users)
    measured, endless = walked(requests, users)
    assert (found.latency.n, found.latency.endless) == (len(measured), endless)
    assert found.latency.max == (measured[-1] if measured else None)
    assert found.latency.mean == (pytest.approx(sum(measured) / len(measured)) if measured else None)


def test_a_stall_that_a_thousand_requests_met_is_met_by_each_user_once() -> None:
    # 500 a second for 7 s at 5 ms each, and a stall of two seconds after three, as in docs/open-model.md.
    due = np.arange(3_500) * 2.0
    took = np.where((due >= 3_000) & (due < 5_000), 5_000 - due + 5, 5.0)
    found = closed_model(due, took, users=50)
    open_p95 = float(np.quantile(took, 0.95, method="inverted_cdf"))
    assert open_p95 > 1_500
    assert found.latency.value("p95") == 5
    assert found.latency.max == 2_005
    # Two or three users are still at a request of before the stall when it begins.
    assert 2_540 < found.latency.n <= 3_500 - 1_000 + 50


def test_with_nobody_waiting_nothing_is_hidden() -> None:
    due = np.arange(1_000) * 10.0
    found = closed_model(due, np.full(1_000, 7.0))
    assert found.latency.n == 1_000
    assert found.latency.value("p50") == 7


def test_whoever_waits_for_what_never_ends_asks_no_more() -> None:
    due = np.arange(100.0)
    found = closed_model(due, np.where(due == 0, np.inf, 0.5), users=1)
    assert (found.latency.n, found.latency.endless) == (0, 1)
    assert found.latency_curve == []


@pytest.mark.long
def test_a_large_run_is_walked_by_the_same_code_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(3)
    due, took = random.random(20_000) * 60_000, random.lognormal(6, 1, 20_000)
    took[::100] = np.inf
    plain = closed_model(due, took, users=200)
    monkeypatch.setattr("reports.closed_model._MANY", 0)
    assert closed_model(due, took, users=200) == plain
