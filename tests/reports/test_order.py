"""Requests that were overtaken are counted from the rows, by group and over all."""

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports import order
from reports.order import Overtaken

if TYPE_CHECKING:
    from reports.findings import Findings

# Few moments and few groups, so that many tie.
SENT = st.lists(st.tuples(st.integers(0, 3), st.one_of(st.none(), st.integers(-5, 12))), max_size=40)


def naive(sent: list[tuple[int, int | None]]) -> list[float]:
    """For each request that came, in no order, how long after the first of those sent after it in its group it did."""
    late = []
    for place, (group, came) in enumerate(sent):
        if came is None:
            continue
        behind = [other for theirs, other in sent[place + 1 :] if theirs == group and other is not None]
        late.append(float(max(0, came - min(behind, default=came))))
    return sorted(late)


def counted(late_ms: list[float]) -> tuple[int, float]:
    """How many were late, and by how much the latest was."""
    return sum(late > 0 for late in late_ms), max(late_ms, default=0.0)


@pytest.mark.parametrize("many", [0, 50_000], ids=["compiled", "not compiled"])
@given(sent=SENT)
def test_it_is_the_count_of_every_pair(many: int, sent: list[tuple[int, int | None]]) -> None:
    codes = np.array([group for group, _ in sent], np.int64)
    times = np.array([np.nan if came is None else came for _, came in sent], np.float64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order, "_MANY", many)
        assert order.late(times, codes) == counted(naive(sent))
        assert order.late(times, np.zeros_like(codes)) == counted(naive([(0, came) for _, came in sent]))


def test_who_names_no_group_is_in_none() -> None:
    assert order.late(np.array([2.0, 9.0, 1.0]), np.array([0, -1, 0])) == (1, 1.0)
    assert order.late(np.array([2.0, 1.0]), np.array([-1, -1])) == (0, 0.0)


def test_moments_as_far_apart_as_clocks_gone_wild_are_told_apart() -> None:
    codes = np.array([70_000, 0, 70_000, 0], np.int64)
    assert order.late(np.array([1.0, 9e14, 0.5, 9e14 - 0.25]), codes) == (2, 0.5)


def test_a_buffer_that_keeps_the_order_of_a_group_is_told_from_one_that_pushes(sample_findings: "Findings") -> None:
    sns, kinesis = sample_findings.buffers["sns"], sample_findings.buffers["kinesis"]
    assert sns.order.groups == kinesis.order.groups == 40
    assert sns.order.in_groups is not None
    assert kinesis.order.in_groups is not None
    # The sample's topic tries again after longer and longer pauses; its stream is read from the front.
    assert sns.order.in_groups.delivered > 1_000
    assert (sns.order.in_groups.latest_ms or 0) > 10_000
    assert kinesis.order.in_groups.delivered <= kinesis.order.in_groups.accepted + 5
    assert kinesis.order.in_all.stored > kinesis.order.in_all.delivered, "a batch is worked on side by side"
    for found in (sns.order, kinesis.order):
        assert found.in_groups is not None
        assert found.in_groups.delivered <= found.in_all.delivered <= found.in_all.requests
        assert found.in_groups.requests == found.in_all.requests


def test_the_rows_of_a_run_give_the_same_as_a_count_of_every_pair(sample_findings: "Findings") -> None:
    for name, buffer in sample_findings.buffers.items():
        rows = sample_findings.rows.frame(
            """
            SELECT "group", received_at FROM joined
            WHERE buffer = $buffer AND outcome IN ('completed', 'failed') ORDER BY sent_at, sequence
            """,
            buffer=name,
        )
        groups = {group: number for number, group in enumerate(rows.group.unique())}
        counted = naive(list(zip(rows.group.map(groups), rows.received_at, strict=True)))
        assert buffer.order.in_groups is not None
        assert buffer.order.in_groups.delivered == sum(late > 0 for late in counted)
        assert (buffer.order.in_groups.latest_ms or 0) == pytest.approx(max(counted))


def test_without_groups_only_the_whole_is_looked_at(known_findings: "Findings") -> None:
    found = known_findings.buffers["websocket"].order
    assert (found.groups, found.in_groups) == (0, None)
    assert found.in_all == Overtaken(found.in_all.requests, 0, 0, 0, None)
    assert found.in_all.requests > 0
