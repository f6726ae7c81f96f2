"""The mark of an image: it is read again, and no pixel is another for it."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from local.recogniser.image_file import ImageFile
from pipeline.image_mark import mark_of, marked

PHOTO = (Path(__file__).parents[2] / "loadtest" / "images" / "coffee.jpg").read_bytes()


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=1_024))
def test_a_mark_is_read_as_it_was_written_and_the_file_behind_it_is_the_same(word: str) -> None:
    image = marked(PHOTO, word)
    assert mark_of(image) == word
    assert image.endswith(PHOTO[2:])


def test_a_marked_image_has_the_same_pixels_for_any_decoder_and_for_the_recogniser() -> None:
    image = marked(marked(PHOTO, "first"), "run-1/12")
    assert mark_of(image) == "run-1/12"
    assert Image.open(io.BytesIO(image)).tobytes() == Image.open(io.BytesIO(PHOTO)).tobytes()
    assert ImageFile.of(image) == ImageFile.of(PHOTO)


@pytest.mark.parametrize("image", [PHOTO, b"", b"\xff\xd8", b"\xff\xd8\xff\xfe\x00\x09forebay", b"\x89PNG"])
def test_what_has_no_mark_has_none(image: bytes) -> None:
    assert mark_of(image) is None


@pytest.mark.parametrize(
    ("image", "word", "says"),
    [
        (b"\x89PNG", "mark", "only a JPEG"),
        (PHOTO, "", "is no mark"),
        (PHOTO, "two words", "is no mark"),
        (PHOTO, "x" * 1_025, "is no mark"),
    ],
)
def test_what_cannot_be_marked_is_refused(image: bytes, word: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        marked(image, word)
