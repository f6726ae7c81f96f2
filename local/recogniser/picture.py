"""The picture: from a file's bytes to what the network looks at.

In bounds, whatever the file is: sides are known before anything is decoded, what is decoded is held once, and all that
follows is done strip by strip. The worst there is, 10,000 x 10,000 pixels, takes 400 MB as a PNG, and 800 MB as a
progressive JPEG of four colours, whose decoder holds all coefficients; one at a time.
"""

import io
import math
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from local.recogniser.exif import UPRIGHT, orientation_of
from local.recogniser.image_file import ImageFile, UnreadableImageError
from local.recogniser.network import INPUT_SIZE

# Amazon Rekognition's limits on an image's sides (developer guide, "Guidelines and quotas").
MIN_SIDE: Final = 80
MAX_SIDE: Final = 10_000

_CROP: Final = 0.875
# As many pixels a side are enough to make the network's of; more are first taken together.
_ENOUGH: Final = 2 * INPUT_SIZE
# Rows of what is taken together that are worked on at once.
_STRIP: Final = 16
# Pixels around the crop that its border is made of, too: bicubic looks two of the result's away.
_AROUND: Final = 8
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Pillow counts the pixels before it tells the sides, and would call a picture of a legal size a bomb.
Image.MAX_IMAGE_PIXELS = None


class ImageSideError(ValueError):
    """An image with a side too long or too short; `side` is the offending length in pixels."""

    def __init__(self, side: int) -> None:
        super().__init__(f"a side of {side} px is outside {MIN_SIDE} to {MAX_SIDE} px")
        self.side = side


def prepare(image: bytes) -> npt.NDArray[np.float32]:
    """Decode, crop the middle and scale to the network's input, (1, 3, 224, 224).

    Raises:
        UnreadableImageError: not a JPEG or PNG, or damaged.
        ImageSideError: a side is too short or too long; found before anything is decoded.
    """
    file = ImageFile.of(image)
    try:
        with Image.open(io.BytesIO(file.data), formats=(file.kind,)) as opened:
            for side in opened.size:
                if not MIN_SIDE <= side <= MAX_SIDE:
                    raise ImageSideError(side)
            # A JPEG is decoded no larger than needed; a PNG has no such way.
            opened.draft("RGB", (_ENOUGH, _ENOUGH))
            opened.load()
            middle = _middle(opened)
    except (ImageSideError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 (what a stranger made may raise anything in a decoder)
        raise UnreadableImageError(f"{type(error).__name__}: {error}") from None
    orientation = orientation_of(file.exif)
    # A square in the middle is the same square before and after.
    upright = middle if orientation == UPRIGHT else middle.transpose(_TURNS[orientation])
    pixels = (np.asarray(upright, np.float32) - 127.0) / 128.0
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])


def _middle(image: Image.Image) -> Image.Image:
    """The middle as the network's square, in RGB; never more than a strip of the image beside it."""
    crop = _CROP * min(image.size)
    left, top = (image.width - crop) / 2, (image.height - crop) / 2
    together = max(1, int(crop) // _ENOUGH)
    around = _AROUND * together
    first_x, first_y = max(0, math.floor(left) - around), max(0, math.floor(top) - around)
    last_x = min(image.width, math.ceil(left + crop) + around)
    last_y = min(image.height, math.ceil(top + crop) + around)
    small = Image.new("RGB", (-(-(last_x - first_x) // together), -(-(last_y - first_y) // together)))
    for row in range(0, small.height, _STRIP):
        from_y = first_y + row * together
        strip = _rgb(image.crop((first_x, from_y, last_x, min(last_y, from_y + _STRIP * together))))
        small.paste(strip if together == 1 else strip.reduce(together), (0, row))
    left, top, size = (left - first_x) / together, (top - first_y) / together, crop / together
    return small.resize((INPUT_SIZE, INPUT_SIZE), Image.Resampling.BICUBIC, box=(left, top, left + size, top + size))


def _rgb(strip: Image.Image) -> Image.Image:
    if strip.mode.startswith("I"):
        # 16 bits of grey, which Pillow would cut at 255 in place of dividing them.
        strip = Image.fromarray((np.asarray(strip) >> 8).astype(np.uint8))
    return strip.convert("RGB")
