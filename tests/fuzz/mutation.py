"""Inputs that are nearly right: something well-formed, with a few bytes of it changed.

What is drawn from nothing is refused by the first check that it meets. What was right once gets past it.
"""

import json
from collections.abc import Sequence
from typing import Any, Final

from hypothesis import strategies as st

# Values at which lengths, counts and codes turn over.
_EDGES: Final = [b"\x00", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\x7f\xff\xff\xff"]
_WORDS: Final = [
    *(b"\x00", b"\r\n", b"\n", b'"', b"'", b"\\", b"{", b"}", b"[", b"]", b"(", b")", b"$", b"#", b"%", b"&", b"="),
    *(b"\xc3\x28", b"\xed\xa0\x80", b"\\ud800", b"%ed%a0%80", b"\xef\xbb\xbf", b"NaN", b"1e999", b"-0", b"-1"),
    *(b"1" * 400, b"null", b"true", b"[[[[", b'{"a":', b"\xe2\x80\xa8", b"\xf0\x9f\x98\x80", b"../", b"\x1b[31m"),
]  # fmt: skip

SCALARS: Final = (
    st.none()
    | st.booleans()
    | st.integers(-2, 12)
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.sampled_from(["", "\ud800", "\x00", "x" * 3_000, "1" * 60, "eA=="])
)


@st.composite
def mutated(draw: st.DrawFn, seeds: Sequence[bytes], words: Sequence[bytes] = ()) -> bytes:
    """One of the seeds, changed in up to six places; `words` are further ones to put in."""
    data = bytearray(draw(st.sampled_from(seeds)))
    put_in = st.sampled_from([*_WORDS, *_EDGES, *words]) | st.binary(max_size=8)
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 8) | st.integers(0, len(data)))
        match draw(st.sampled_from(["replace", "insert", "delete", "double", "flip", "cut", "splice"])):
            case "replace":
                new = draw(put_in)
                data[at : at + len(new)] = new
            case "insert":
                data[at:at] = draw(put_in)
            case "delete":
                del data[at : at + length]
            case "double":
                data[at:at] = data[at : at + min(length, 2_000)]
            case "flip" if at < len(data):
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del data[at:]
            case "splice":
                data[at:] = draw(st.sampled_from(seeds))[at:]
    return bytes(data)


def as_text(data: bytes) -> str:
    """Bytes as a text that holds all that a JSON text may: halves of surrogate pairs, too."""
    return (
        data.decode("utf-8", "surrogatepass" if b"\xed" in data else "replace")
        if _decodes(data)
        else data.decode("latin-1")
    )


def _decodes(data: bytes) -> bool:
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def in_a_head(data: bytes) -> str:
    """Bytes of a request's line or headers, as the server has them."""
    return data.decode("utf-8", "surrogateescape")


def documents(names: Sequence[str], values: "st.SearchStrategy[Any]" = SCALARS) -> "st.SearchStrategy[Any]":
    """JSON values whose members are called by those names, mostly."""
    keys = st.sampled_from(names) | st.text(max_size=5)
    return st.recursive(
        values | st.sampled_from(names),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5),
        max_leaves=15,
    )


def dumped(value: Any) -> bytes:
    """A document as JSON text."""
    return json.dumps(value).encode()
