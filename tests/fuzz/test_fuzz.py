"""Whatever strangers send, what reads it says what its documentation says, soon and in bounded memory.

`python -m tests.fuzz` goes on for as long as it is told to; here are a few examples of each, always the same, and what
was found so far.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fuzz.runner import TARGETS, feed, resident_mib, watched
from tests.fuzz.served import SERVED
from tests.fuzz.target import Target


@pytest.fixture(scope="module", autouse=True)
def _server() -> Iterator[None]:
    yield
    SERVED.close()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_target_does_what_it_says(target: Target) -> None:
    feed(target, examples=25, from_seed=20_261_126)


# Each of these was answered with what it should not, once.
FOUND: list[tuple[str, Any, str]] = [
    ("template", ("\ud800", b"{}"), "half a surrogate pair left as an error of the codec"),
    ("control", b'{"faults": [{"edge": "sqs", "effect": "answer", "status": 1e999}]}', "a status that is infinite"),
    ("moto's door", ("GET", b"/\xff", {"host": "\udcff"}, b""), "a path and a host that are no UTF-8"),
    (
        "HTTP",
        b"POST /a?b=c!HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
        "a line alone was a request of HTTP/0.9",
    ),
]


@pytest.mark.parametrize(("name", "value", "why"), FOUND, ids=[why for *_, why in FOUND])
def test_what_was_found_is_mended(name: str, value: Any, why: str) -> None:
    (target,) = (target for target in TARGETS if target.name == name)
    with watched():
        target.feed(value)


@pytest.mark.long
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_target_does_what_it_says_for_long_and_does_not_grow(target: Target) -> None:
    feed(target, examples=500, from_seed=1)
    before = resident_mib()
    for seed in range(2, 7):
        feed(target, examples=500, from_seed=seed)
    assert resident_mib() - before < 100
