"""Message attributes: their digest and their rules."""

import pytest

from local.message_attribute import InvalidAttributeError, MessageAttribute, md5_of, read_attributes, size_of


@pytest.mark.parametrize(
    ("name", "data_type", "value", "digest"),
    [
        ("timestamp", "Number", "1493147359900", "235c5c510d26fb653d073faed50ae77c"),
        ("timestamp", "Number", "1493147359901", "994258b45346a2cc3f9cbb611aa7af30"),
        ("timestamp", "Number.java.lang.Long", "1493147359900", "2e2e4876d8e0bd6b8c2c8f556831c349"),
    ],
    ids=["a number", "another number", "a custom type"],
)
def test_the_digest_is_the_one_that_aws_answers(name: str, data_type: str, value: str, digest: str) -> None:
    # Recorded from AWS; public SQS clients and stand-ins test against the same ones.
    assert md5_of({name: MessageAttribute(data_type, value)}) == digest


def test_the_digest_does_not_depend_on_the_order_and_tells_bytes_from_text() -> None:
    one = MessageAttribute("String", "1")
    two = MessageAttribute("Binary", b"1")
    assert md5_of({"a": one, "b": two}) == md5_of({"b": two, "a": one})
    assert md5_of({"a": MessageAttribute("String", "1")}) != md5_of({"a": MessageAttribute("String", b"1")})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("", {"DataType": "String", "StringValue": "x"}),
        (".a", {"DataType": "String", "StringValue": "x"}),
        ("a.", {"DataType": "String", "StringValue": "x"}),
        ("a" * 257, {"DataType": "String", "StringValue": "x"}),
        ("ä", {"DataType": "String", "StringValue": "x"}),
        ("Amazon.a", {"DataType": "String", "StringValue": "x"}),
        ("a", {"DataType": "", "StringValue": "x"}),
        ("a", {"DataType": "Strings", "StringValue": "x"}),
        ("a", {"DataType": "String.", "StringValue": "x"}),
        ("a", {"DataType": "Binary", "StringValue": "x"}),
        ("a", {"DataType": "String", "BinaryValue": b"x"}),
        ("a", {"DataType": "String", "StringValue": ""}),
        ("a", {"DataType": "Number", "StringValue": "1e"}),
        ("a", {"DataType": "Number", "StringValue": "NaN"}),
    ],
)
def test_what_breaks_the_rules_is_refused(name: str, value: dict[str, str | bytes]) -> None:
    with pytest.raises(InvalidAttributeError):
        read_attributes({name: value})


def test_names_types_and_values_count_for_the_size() -> None:
    attributes = read_attributes(
        {"ab": {"DataType": "String", "StringValue": "ä"}, "c": {"DataType": "Binary", "BinaryValue": b"123"}}
    )
    assert size_of(attributes) == (2 + 6 + 2) + (1 + 6 + 3)
