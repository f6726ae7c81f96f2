"""Whatever somebody sends as an image ends with Rekognition's own error or an answer, in bounded memory and time."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from local.recogniser.exif import orientation_of
from local.recogniser.image_file import ImageFile, UnreadableImageError
from local.recogniser.picture import ImageSideError, prepare
from local.rekognition.detect_labels import S3Object
from local.rekognition.images import MAX_STORED_BYTES, StoredImages
from tests.rekognition.hostile_images import (
    HOSTILE,
    Hostile,
    app1,
    chunk,
    exif,
    jpeg,
    picture,
    png,
    saved,
    with_segments,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bounded() -> Iterator["subprocess.Popen[str]"]:
    """Takes images, each in a process of its own with a limit of memory and of CPU time."""
    command = [sys.executable, "-m", "tests.rekognition.bounded"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as started:
        yield started
        assert started.stdin is not None
        started.stdin.close()
        assert started.wait(10) == 0


@pytest.mark.parametrize(
    "row", [pytest.param(row, id=row.reason, marks=[pytest.mark.long] if row.surpassed else []) for row in HOSTILE]
)
def test_an_image_ends_with_the_services_own_error_or_an_answer_within_bounds(
    bounded: "subprocess.Popen[str]", tmp_path: Path, row: Hostile
) -> None:
    path = tmp_path / "image"
    path.write_bytes(row.make())
    assert bounded.stdin is not None
    assert bounded.stdout is not None
    bounded.stdin.write(json.dumps({"path": str(path), "stored": row.stored}) + "\n")
    bounded.stdin.flush()

    ended: dict[str, Any] = json.loads(bounded.stdout.readline())

    assert ended["code"] == row.code, ended
    assert ended["status"] == (200 if row.code is None else 400), ended


def test_the_limit_that_the_images_are_held_to_holds() -> None:
    code = (
        "from tests.rekognition.bounded import MEMORY, _virtual; import resource; "
        "resource.setrlimit(resource.RLIMIT_AS, (_virtual() + MEMORY,) * 2); bytearray(2 * MEMORY)"
    )
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "MemoryError" in answer.stderr


def exif_of(orientation: int) -> Image.Exif:
    made = Image.Exif()
    made[0x0112] = orientation
    return made


# How a camera that is held so stores what is upright.
STORED_AS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_each_orientation_is_set_upright(kind: str, orientation: int) -> None:
    upright = prepare(saved(picture(300, 200), kind, quality=100))
    turn = STORED_AS.get(orientation)
    stored = picture(300, 200) if turn is None else picture(300, 200).transpose(turn)

    seen = prepare(saved(stored, kind, quality=100, exif=exif_of(orientation)))

    assert np.abs(seen - upright).mean() < 0.01
    if orientation != 1:
        assert np.abs(prepare(saved(stored, kind, quality=100)) - upright).mean() > 0.1


@pytest.mark.parametrize("order", ["<", ">"], ids=["Intel", "Motorola"])
def test_an_orientation_is_read_in_either_byte_order(order: str) -> None:
    made = Image.Exif()
    made.endian = order
    made[0x010F], made[0x0112] = "a camera", 6
    assert orientation_of(made.tobytes()) == 6


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda tail: b"II*\0\x08\0\0\0" + tail))
def test_no_exif_is_too_broken_for_an_orientation(junk: bytes) -> None:
    assert orientation_of(junk) in range(1, 9)


SEEDS = [
    jpeg(),
    jpeg(progressive=True),
    saved(picture(), "PNG"),
    png(depth=1, colour=0),
    with_segments(app1(exif((0x112, 3, 1, 6)))),
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good image with bytes changed, cut out, doubled or put in between."""
    image = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 5))):
        # Mostly near the front, where the structure is.
        at = draw(st.integers(0, min(len(image), 700)) | st.integers(0, len(image)))
        match draw(st.integers(0, 3)):
            case 0:
                image[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case 1:
                del image[at : at + draw(st.integers(1, 64))]
            case 2:
                image[at:at] = image[at : at + draw(st.integers(1, 64))]
            case _:
                image[at:at] = draw(st.binary(min_size=1, max_size=8))
    return bytes(image)


@given(damaged())
def test_a_damaged_image_is_answered_or_refused_and_nothing_else(image: bytes) -> None:
    try:
        assert prepare(image).shape == (1, 3, 224, 224)
    except (UnreadableImageError, ImageSideError):
        return


@pytest.mark.parametrize("size", [(900, 700), (3_000, 2_000), (5_000, 300)], ids=str)
def test_what_is_done_strip_by_strip_is_what_would_be_done_at_once(size: tuple[int, int]) -> None:
    image = picture(*size)
    crop = 0.875 * min(size)
    left, top = (size[0] - crop) / 2, (size[1] - crop) / 2
    at_once = image.resize((224, 224), Image.Resampling.BICUBIC, box=(left, top, left + crop, top + crop))
    expected = ((np.asarray(at_once, np.float32) - 127.0) / 128.0).transpose(2, 0, 1)[None]

    difference = np.abs(prepare(saved(image, "PNG", compress_level=1)) - expected)

    assert difference.mean() < 0.01
    if min(size) < 1_024:
        # Nothing is taken together: to the bit.
        assert not difference.any()


def test_sixteen_bits_of_grey_are_divided_and_not_cut() -> None:
    values = np.linspace(0, 65_535, 300 * 200).reshape(200, 300).astype(np.uint16)
    deep = prepare(saved(Image.fromarray(values), "PNG"))
    plain = prepare(saved(Image.fromarray((values >> 8).astype(np.uint8)), "PNG"))
    assert not np.abs(deep - plain).any()


def test_what_makes_no_pixels_does_not_reach_the_decoder() -> None:
    plain = jpeg()
    loaded = with_segments(app1(exif((0x112, 3, 1, 6))), *[b"\xff\xfe\x00\x06note"] * 3, image=plain) + b"PK\x03\x04"
    file = ImageFile.of(loaded)
    assert (file.kind, file.data) == ("JPEG", ImageFile.of(plain).data)
    assert file.exif.startswith(b"Exif")
    assert ImageFile.of(png(before=chunk(b"tEXt", b"a\0b"), after=chunk(b"tIME", b""))).data == png()
    adobe = saved(picture(mode="CMYK"), "JPEG")
    assert b"Adobe" in ImageFile.of(adobe).data


class LargeObject(io.RawIOBase):
    """An object of S3 of any size, of which it is seen how much was read."""

    def __init__(self) -> None:
        self.read_bytes = 0

    def read(self, size: int = -1) -> bytes:
        assert size >= 0, "all of it would be read"
        self.read_bytes += size
        return bytes(size)


async def test_of_an_object_of_terabytes_no_more_is_read_than_shows_that_it_is_too_large() -> None:
    body = LargeObject()
    images = StoredImages("http://127.0.0.1:1")
    images._s3 = type("S3", (), {"get_object": lambda self, **_: {"Body": body}})()  # type: ignore[assignment]

    assert len(await images.fetch(S3Object("images", "large.jpg"))) == MAX_STORED_BYTES + 1
    assert body.read_bytes == MAX_STORED_BYTES + 1
    assert body.closed
