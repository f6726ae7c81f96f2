import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.template import load
from pipeline.body import MEMBERS, SYNC_MEMBERS, BodyError, check_body, read_body

KEY = {"image": {"key": "cat.jpg"}}
RUN = {"id": "r1", "sequence": 7, "intended_at": 1732400000100.5}
LONG = "https://example.com/"


def models() -> dict[str, Callable[[Any], object]]:
    """The template's models, as API Gateway reads them: draft 4."""
    resources = load(Path(__file__).parents[2] / "infra.yaml").document["Resources"]
    return {
        resource["Properties"]["Name"]: fastjsonschema.compile(resource["Properties"]["Schema"])
        for resource in resources.values()
        if resource["Type"] == "AWS::ApiGateway::Model"
    }


MODELS = models()
MEMBERS_OF = {"Recognition": MEMBERS, "SyncRecognition": SYNC_MEMBERS}


def the_model_takes(name: str, body: object) -> bool:
    try:
        MODELS[name](body)
    except fastjsonschema.JsonSchemaValueException:
        return False
    return True


def we_take(name: str, body: object) -> bool:
    try:
        check_body(body, MEMBERS_OF[name])
    except BodyError as error:
        assert len(str(error)) < 200  # noqa: PT017 (most bodies here are refused, some are not)
        return False
    return True


def url(value: object) -> dict[str, object]:
    return {**KEY, "callback_url": value}


def run(**changed: object) -> dict[str, object]:
    return {**KEY, "run": {**RUN, **changed}}


TABLE: dict[str, tuple[object, bool]] = {
    "a key": (KEY, True),
    "bytes": ({"image": {"bytes": "AAEC"}}, True),
    "bytes with padding": ({"image": {"bytes": "AA=="}}, True),
    "bytes of an impossible length": ({"image": {"bytes": "A"}}, True),
    "everything": ({**KEY, "group": "g", "run": RUN, **url("https://a.example/"), "attach": "0f" * 32}, True),
    "null": (None, False),
    "a text": ("image", False),
    "an array": ([KEY], False),
    "true": (True, False),
    "nothing": ({}, False),
    "no image": ({"run": RUN}, False),
    "something else beside": ({**KEY, "bucket": "b"}, False),
    "a connection": ({**KEY, "connection_id": "c="}, False),
    "an image that is null": ({"image": None}, False),
    "an image that is an array": ({"image": ["key"]}, False),
    "an empty image": ({"image": {}}, False),
    "both": ({"image": {"key": "k", "bytes": "AA=="}}, False),
    "something else in the image": ({"image": {"url": "https://a.example/"}}, False),
    "something else in the image beside": ({"image": {"key": "k", "bucket": "b"}}, False),
    "no bytes": ({"image": {"bytes": ""}}, False),
    "padding alone": ({"image": {"bytes": "=="}}, False),
    "padding within": ({"image": {"bytes": "A=A="}}, False),
    "too much padding": ({"image": {"bytes": "A==="}}, False),
    "the alphabet for URLs": ({"image": {"bytes": "_-=="}}, False),
    "a line's end behind": ({"image": {"bytes": "AAEC\n"}}, False),
    "bytes that are a number": ({"image": {"bytes": 7}}, False),
    "the longest key": ({"image": {"key": "k" * 128}}, True),
    "a longer key": ({"image": {"key": "k" * 129}}, False),
    "an empty key": ({"image": {"key": ""}}, False),
    "a key with a slash": ({"image": {"key": "a/b"}}, False),
    "a key with letters outside ASCII": ({"image": {"key": "k\u00e4tze"}}, False),
    "a key with digits outside ASCII": ({"image": {"key": "\u0661"}}, False),
    "a key and a line's end": ({"image": {"key": "k\n"}}, False),
    "a group": ({**KEY, "group": "camera-7"}, True),
    "an empty group": ({**KEY, "group": ""}, False),
    "a group that is null": ({**KEY, "group": None}, False),
    "a group with a space": ({**KEY, "group": "a b"}, False),
    "a run": (run(), True),
    "a run that is null": ({**KEY, "run": None}, False),
    "a run without a time": ({**KEY, "run": {"id": "r", "sequence": 0}}, False),
    "a run with more": (run(more=1), False),
    "an empty run": (run(id=""), False),
    "the longest run": (run(id="\U0001f600" * 128), True),
    "a longer run": (run(id="r" * 129), False),
    "a run that is a number": (run(id=7), False),
    "the first": (run(sequence=0), True),
    "the last": (run(sequence=2**53 - 1), True),
    "beyond the last": (run(sequence=2**53), False),
    "before the first": (run(sequence=-1), False),
    "a sequence that is no whole number": (run(sequence=1.5), False),
    "a sequence that is true": (run(sequence=True), False),
    "a sequence that is a text": (run(sequence="7"), False),
    "a time of 0": (run(intended_at=0), True),
    "a whole time": (run(intended_at=2**53 - 1), True),
    "a time beyond": (run(intended_at=2.0**53), False),
    "a time before 1970": (run(intended_at=-0.5), False),
    "a time that is true": (run(intended_at=True), False),
    "a time that is null": (run(intended_at=None), False),
    "a time that is enormous": (run(intended_at=10**400), False),
    "a callback": (url("https://example.com"), True),
    "a callback with everything": (url("https://a-b.example.com:8443/c/d;e?f=[g]&h=%20^~!'()*"), True),
    "a callback with a query alone": (url("https://example.com?a"), True),
    "the longest callback": (url(LONG + "a" * (2_048 - len(LONG))), True),
    "a longer callback": (url(LONG + "a" * (2_049 - len(LONG))), False),
    "a callback that is null": (url(None), False),
    "a callback over http": (url("http://example.com/"), False),
    "a callback in capitals": (url("HTTPS://example.com/"), False),
    "a callback to an address": (url("https://10.0.0.1/"), False),
    "a callback to an address in brackets": (url("https://[::1]/"), False),
    "a callback to one label": (url("https://localhost/"), False),
    "a callback with a user": (url("https://a@example.com/"), False),
    "a callback with a space": (url("https://example.com/a b"), False),
    "a callback with a backslash": (url("https://example.com/a\\b"), False),
    "a callback with a line's end": (url("https://example.com/\n"), False),
    "a callback with letters outside ASCII": (url("https://example.com/\u00fc"), False),
    "a callback with a port that is none": (url("https://example.com:port/"), False),
    "a hash": ({**KEY, "attach": "0123456789abcdef" * 4}, True),
    "a hash in capitals": ({**KEY, "attach": "0F" * 32}, False),
    "half a hash": ({**KEY, "attach": "0f" * 16}, False),
    "a hash and a line's end": ({**KEY, "attach": "0f" * 32 + "\n"}, False),
    "a hash that is null": ({**KEY, "attach": None}, False),
}
ONLY_OF_BUFFERS = {"group", "callback_url", "attach"}


@pytest.mark.parametrize(("body", "good"), TABLE.values(), ids=TABLE)
def test_what_the_gateways_model_takes_is_taken_and_nothing_else(body: object, good: bool) -> None:
    assert the_model_takes("Recognition", body) is good
    assert we_take("Recognition", body) is good


@pytest.mark.parametrize(("body", "good"), TABLE.values(), ids=TABLE)
def test_what_the_synchronous_routes_model_takes_is_taken_and_nothing_else(body: object, good: bool) -> None:
    useless = isinstance(body, dict) and bool(ONLY_OF_BUFFERS & set(body))

    assert the_model_takes("SyncRecognition", body) is (good and not useless)
    assert we_take("SyncRecognition", body) is (good and not useless)


_texts = st.text(max_size=4) | st.sampled_from(["cat.jpg", "AA==", "https://example.com/a", "0f" * 32])
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_texts, inner, max_size=2),
    max_leaves=4,
)
_images = st.fixed_dictionaries({}, optional={"bytes": _texts | _values, "key": _texts | _values, "else": _values})
_runs = st.fixed_dictionaries({}, optional={"id": _values, "sequence": _values, "intended_at": _values})
_bodies = st.fixed_dictionaries(
    {},
    optional={
        "image": st.just({"key": "k"}) | _images | _values,
        "run": st.just(RUN) | _runs | _values,
        **dict.fromkeys(("group", "callback_url", "attach", "else"), _texts | _values),
    },
)


@given(_bodies | _values, st.sampled_from(sorted(MODELS)))
def test_of_any_body_the_two_say_the_same(body: object, name: str) -> None:
    assert we_take(name, body) is the_model_takes(name, body)


def test_what_is_wrong_is_named_and_a_strangers_name_cut_short() -> None:
    with pytest.raises(BodyError, match=r"image may not have 'url': it may have bytes, key"):
        check_body({"image": {"url": "x"}})
    with pytest.raises(BodyError, match=r"the body may not have '(\\xe4){40}'"):
        check_body({**KEY, "\u00e4" * 1_000: 1})


@pytest.mark.parametrize(
    "text",
    [
        "", "{", b"\xff\xfe\xfa", "{" * 100_000, "[" * 100_000, "9" * 5_000, "NaN", '{"a": Infinity}', "-Infinity",
        "'a'", "{} {}",
    ],
    ids=lambda text: repr(text)[:20],
)  # fmt: skip
def test_what_is_no_json_is_none(text: str | bytes) -> None:
    with pytest.raises(BodyError, match="the body is not JSON"):
        read_body(text)


@given(_values)
def test_json_is_read_as_it_was_written(value: object) -> None:
    assert read_body(json.dumps(value)) == value
