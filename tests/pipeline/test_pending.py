from typing import Any

import pytest

from pipeline.pending import Held, PendingRequests, Reservation
from tests.pipeline.intake_world import START_S, TTL_DAYS, Clock, Tables

ATTACH = "0f" * 32


class Pending:
    """The pending items of one id, and what stands there."""

    def __init__(self) -> None:
        self.clock, self.tables = Clock(), Tables()
        client: Any = self.tables
        self.requests = PendingRequests(client, "results", ttl_days=TTL_DAYS, now=self.clock)

    def reserve(self, *, body_hash: str = "h1", seconds: float = 30) -> Reservation | Held:
        until_ms = (self.clock.now + seconds) * 1_000
        return self.requests.reserve("id1", body_hash=body_hash, attach=ATTACH, until_ms=until_ms)

    def reserved(self) -> Reservation:
        reservation = self.reserve()
        assert isinstance(reservation, Reservation)
        return reservation

    @property
    def item(self) -> dict[str, Any]:
        item = self.tables.item("id1")
        assert item is not None
        return {name: next(iter(value.values())) for name, value in item.items()}


@pytest.fixture
def pending() -> Pending:
    return Pending()


def test_a_reservation_is_all_that_the_status_needs_and_nothing_of_a_result(pending: Pending) -> None:
    reservation = pending.reserved()

    assert pending.item == {
        "request_id": "id1",
        "pending_until": str(int(START_S + 30) * 1_000),
        "body_hash": "h1",
        "attempt": reservation.attempt,
        "expires_at": str(int(START_S) + TTL_DAYS * 86_400),
        "attach": ATTACH,
    }


def test_what_is_published_is_pending_for_as_long_as_the_buffer_keeps_it(pending: Pending) -> None:
    reservation = pending.reserved()
    pending.clock.now += 0.25

    pending.requests.published(reservation, (START_S + 600) * 1_000)

    assert pending.item["published_at"] == str(int((START_S + 0.25) * 1_000))
    assert pending.item["pending_until"] == str(int(START_S + 600) * 1_000)


def test_what_is_not_says_why_until_another_attempt_takes_it_on(pending: Pending) -> None:
    pending.requests.unpublished(pending.reserved(), "why")
    assert pending.item["unpublished"] == "why"

    pending.reserved()

    assert "unpublished" not in pending.item


@pytest.mark.parametrize("later_s", [0, 29.9])
def test_one_in_work_is_held(pending: Pending, later_s: float) -> None:
    pending.reserve()
    pending.clock.now += later_s

    assert pending.reserve() == Held("h1")


def test_one_whose_time_is_over_without_a_word_is_anyones(pending: Pending) -> None:
    first = pending.reserved()
    pending.clock.now += 30.1

    assert pending.reserved() != first


def test_one_on_its_way_is_held_however_late_it_is(pending: Pending) -> None:
    pending.requests.published(pending.reserved(), (START_S + 600) * 1_000)
    pending.clock.now += 10_000

    assert pending.reserve() == Held("h1")


@pytest.mark.parametrize("failed", [True, False])
def test_anothers_body_takes_nothing_on(pending: Pending, failed: bool) -> None:
    reservation = pending.reserved()
    if failed:
        pending.requests.unpublished(reservation, "why")
    else:
        pending.clock.now += 30.1

    assert pending.reserve(body_hash="h2") == Held("h1")
    assert pending.item["attempt"] == reservation.attempt


def test_an_attempt_that_is_over_says_nothing_of_the_one_that_has_taken_it_on(pending: Pending) -> None:
    first = pending.reserved()
    pending.clock.now += 30.1
    pending.reserved()
    before = pending.item

    pending.requests.unpublished(first, "too late")
    pending.requests.published(first, (START_S + 600) * 1_000)

    assert pending.item == before


def test_nothing_is_noted_of_a_request_that_is_no_longer_there(pending: Pending) -> None:
    pending.requests.unpublished(Reservation("gone", "attempt"), "why")

    assert pending.tables.item("gone") is None
