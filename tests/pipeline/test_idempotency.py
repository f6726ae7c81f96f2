import re
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.idempotency import digest_of, id_of, is_key, new_id

# What tells our ids from the gateway's, whose base64 has no hyphen: infra.yaml asks for the same form.
FORM = re.compile(r"h-[A-Za-z0-9_-]{22}")
keys = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=255)


def test_ids_are_of_one_form_and_no_two_are_the_same() -> None:
    ids = [new_id() for _ in range(1_000)]

    assert all(FORM.fullmatch(each) for each in ids)
    assert len(set(ids)) == 1_000


@given(st.sampled_from(["sns", "sqs", "kinesis", "kinesis-efo"]), keys)
def test_a_keys_id_is_of_that_form_and_always_the_same(route: str, key: str) -> None:
    assert FORM.fullmatch(id_of(route, key))
    assert id_of(route, key) == id_of(route, key)


def test_other_keys_and_other_routes_have_other_ids() -> None:
    pairs = [("sqs", "a"), ("sqs", "b"), ("sns", "a"), ("kinesis", "-efoa"), ("kinesis-efo", "a"), ("kinesis", "a")]

    for one, other in combinations(pairs, 2):
        assert id_of(*one) != id_of(*other)


def test_an_id_stays_what_it_is_from_one_release_to_the_next() -> None:
    # A client's key goes on to mean what it meant: worked out by hand from SHA-256("sqs\nkey").
    assert id_of("sqs", "key") == "h-EUzV96z8l23x1LA8qOL3Mg"


@given(keys)
def test_visible_ascii_is_a_key(key: str) -> None:
    assert is_key(key)


@pytest.mark.parametrize("text", ["", " a", "a\t", "a\n", "\x00", "\x7f", "\u00e9", "k" * 256])
def test_anything_else_is_none(text: str) -> None:
    assert not is_key(text)


def test_a_bodys_digest_is_that_of_what_it_says_and_not_of_how() -> None:
    one = {"image": {"key": "k"}, "run": {"id": "r", "sequence": 1, "intended_at": 1.5}}
    same = {"run": {"intended_at": 1.5, "sequence": 1, "id": "r"}, "image": {"key": "k"}}

    assert digest_of(one) == digest_of(same)
    assert digest_of(one) != digest_of({**one, "run": {**one["run"], "sequence": 2}})
    assert re.fullmatch("[0-9a-f]{64}", digest_of({"image": {"key": "\ud800"}}))
