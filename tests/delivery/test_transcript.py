"""A machine's calls and answers survive being written down."""

import json
import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.async_invoke import AsyncInvoke
from delivery.environments import Account, Environments
from delivery.protocol import (
    Error,
    Facts,
    Invocation,
    Offer,
    Ok,
    PartialFailure,
    Slot,
    Throttled,
    Timeout,
)
from delivery.quotas import Quotas
from delivery.sqs_queue import SqsQueue
from delivery.transcript import TranscriptError, decisions_of, kind_of_name, name_of_kind, plain, revived


def through_json(value: object) -> object:
    return revived(json.loads(json.dumps(plain(value, {}), allow_nan=False)), {})


INVOCATION = Invocation(3, [1, 2], Slot(4, cold=True), 0.1 + 0.2, 33.3, 1, 2)


@pytest.mark.parametrize(
    "value",
    [
        Offer([0, 1], [10, 20], hash_keys=[0, 2**128 - 1]),
        Offer([7], 5, groups=[3]),
        INVOCATION,
        Ok(),
        PartialFailure(frozenset({5, 3})),
        Error(lost=True),
        Timeout(),
        Throttled(),
        Facts(done=[1], received=4),
        Quotas.with_overrides({"account_concurrency": 10}),
        {1: "Throttled", 2: "TooLarge"},
        None,
        math.inf,
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_written_down_is_read_back_as_it_was(value: object) -> None:
    assert through_json(value) == value


@given(st.floats(allow_nan=False))
def test_a_time_keeps_every_bit(at: float) -> None:
    assert through_json(at) == at


def test_a_random_goes_on_where_it_was() -> None:
    random = Random("1/SqsMapping")
    random.random()
    copy = through_json(random)
    assert isinstance(copy, Random)
    assert [copy.random() for _ in range(3)] == [random.random() for _ in range(3)]


def test_a_range_of_ids_is_read_back_as_its_numbers() -> None:
    assert through_json(range(2, 5)) == [2, 3, 4]


def test_a_machine_within_a_machine_is_named() -> None:
    account = Account(Quotas())
    written = plain([account], {id(account): "account"})
    assert written == [{"is": "machine", "of": "account"}]
    assert revived(written, {"account": account}) == [account]


@pytest.mark.parametrize(
    ("kind", "some"),
    [
        (SqsQueue, {"offer", "receive", "delete", "change_visibility", "purge", "visible", "drain"}),
        (AsyncInvoke, {"offer", "poll", "settle", "drain", "oldest_age_s"}),
        (Environments, {"acquire_upto", "release", "expire", "forget"}),
    ],
)
def test_every_call_that_changes_a_machine_is_a_decision(kind: type, some: set[str]) -> None:
    assert some <= set(decisions_of(kind))
    assert not [name for name in decisions_of(kind) if name.startswith("_")]


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ({"is": "os.system", "command": "true"}, "nothing outside this room may be made"),
        ({"is": "quotas.math"}, "a module that a module imports is no class of ours"),
        ({"is": "invoker.Offer"}, "a class is found where it is defined, and nowhere else"),
        ({"is": "machine", "of": "nobody"}, "no such machine was made"),
        ({"is": "random", "of": [3]}, "a state that is none"),
        ({}, "an object of no kind"),
    ],
)
def test_what_this_program_did_not_write_is_refused(written: dict[str, object], why: str) -> None:
    with pytest.raises(TranscriptError):
        revived(written, {})  # type: ignore[arg-type]


def test_what_has_no_written_form_is_refused() -> None:
    with pytest.raises(TranscriptError, match="cannot be written down"):
        plain(object(), {})


def test_a_kind_is_found_by_its_name() -> None:
    assert name_of_kind(SqsQueue) == "sqs_queue.SqsQueue"
    assert kind_of_name("sqs_queue.SqsQueue") is SqsQueue
