"""What is read of images before their pixels are decoded, and small ones whole."""

import contextlib
from typing import Final

from hypothesis import strategies as st

from local.recogniser.exif import orientation_of
from local.recogniser.image_file import ImageFile, UnreadableImageError
from local.recogniser.picture import ImageSideError, prepare
from tests.fuzz.mutation import mutated
from tests.fuzz.target import Target
from tests.rekognition.image_parts import picture, saved

_SMALL: Final = picture(96, 80)
_EXIF: Final = b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00"
_IMAGES: Final = [
    saved(_SMALL, "JPEG", exif=_EXIF),
    saved(_SMALL, "JPEG", progressive=True),
    saved(_SMALL, "PNG"),
    saved(_SMALL.convert("P"), "PNG"),
    saved(_SMALL.convert("L"), "JPEG"),
]


def _file(data: bytes) -> None:
    try:
        file = ImageFile.of(data)
    except UnreadableImageError:
        return
    assert len(file.data) <= len(data)
    assert 1 <= orientation_of(file.exif) <= 8


def _exif(data: bytes) -> None:
    assert 1 <= orientation_of(data) <= 8


def _pixels(data: bytes) -> None:
    with contextlib.suppress(UnreadableImageError, ImageSideError):
        assert prepare(data).shape == (1, 3, 224, 224)


TARGETS: Final = [
    Target("image file", mutated(_IMAGES, [b"\xff\xda", b"\xff\xd8", b"\xff\xe1", b"IDAT", b"IEND", b"eXIf"]), _file),
    Target(
        "EXIF",
        mutated([_EXIF, _EXIF.replace(b"II*\x00\x08\x00\x00\x00", b"MM\x00*\x00\x00\x00\x08")]) | st.binary(),
        _exif,
    ),
    Target("pixels", mutated(_IMAGES), _pixels),
]
