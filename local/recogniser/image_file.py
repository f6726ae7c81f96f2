"""The image file: a JPEG or PNG as strangers send it, and what of it makes the pixels.

Only that reaches the decoder: no profile, text, preview, animation or second image, and nothing behind the end. Each of
these can be made to take memory or time without bounds, and none of them is seen.
"""

import re
import zlib
from dataclasses import dataclass, field
from typing import Final

_JPEG: Final = b"\xff\xd8\xff"
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_PIXEL_CHUNKS: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})

_SOI: Final = b"\xff\xd8"
_EOI: Final = 0xD9
_SOS: Final = 0xDA
_COM: Final = 0xFE
_EXIF: Final = 0xE1
# JFIF and Adobe's, by which a decoder knows the colours.
_COLOUR_SEGMENTS: Final = (0xE0, 0xEE)
_APPLICATION: Final = range(0xE0, 0xF0)
# TEM and the restarts: a marker without a segment.
_BARE: Final = (0x01, *range(0xD0, 0xD8))
_MARKER: Final = re.compile(rb"\xff([^\x00\xff])")
# In the data of a scan 0xFF stands before 0 or a restart, or it ends.
_SCAN_END: Final = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
# A progressive image has about ten. Each is a pass over all pixels, however little it says of them.
_MOST_SCANS: Final = 100


class UnreadableImageError(ValueError):
    """Bytes that are no JPEG and no PNG, or are damaged."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file that makes the same pixels, and its EXIF, empty if there is none. `kind` is Pillow's name for it."""

    kind: str
    data: bytes = field(repr=False)
    exif: bytes = field(repr=False)

    @classmethod
    def of(cls, image: bytes) -> "ImageFile":
        """Read a file, whatever its name was.

        Raises:
            UnreadableImageError: it is neither, or its parts do not follow on one another.
        """
        if image.startswith(_JPEG):
            return cls("JPEG", *_jpeg(image))
        if image.startswith(_PNG):
            return cls("PNG", *_png(image))
        raise UnreadableImageError("neither a JPEG nor a PNG")


def _jpeg(image: bytes) -> tuple[bytes, bytes]:
    kept, exif, scans = [_SOI], b"", 0
    at = len(_SOI)
    # What stands before a marker and is none, a decoder skips, too.
    while marker := _MARKER.search(image, at):
        code = marker[1][0]
        start, at = marker.start(), marker.end()
        if code == _EOI:
            kept.append(marker[0])
            break
        if code in _BARE:
            continue
        length = int.from_bytes(image[at : at + 2], "big")
        end = at + length
        if length < 2 or end > len(image):
            raise UnreadableImageError("a segment of the JPEG is cut off")
        if code == _EXIF and not exif:
            exif = image[at + 2 : end]
        if code == _SOS:
            scans += 1
            if scans > _MOST_SCANS:
                raise UnreadableImageError(f"the JPEG has more than {_MOST_SCANS} scans")
            data_end = _SCAN_END.search(image, end)
            end = len(image) if data_end is None else data_end.start()
        if code in _COLOUR_SEGMENTS or (code not in _APPLICATION and code != _COM):
            kept.append(image[start:end])
        at = end
    return b"".join(kept), exif


def _png(image: bytes) -> tuple[bytes, bytes]:
    kept, exif = [_PNG], b""
    at = len(_PNG)
    while at < len(image):
        length = int.from_bytes(image[at : at + 4], "big")
        name, end = image[at + 4 : at + 8], at + length + 12
        if end > len(image):
            raise UnreadableImageError("a chunk of the PNG is cut off")
        if name in _PIXEL_CHUNKS:
            if zlib.crc32(image[at + 4 : end - 4]) != int.from_bytes(image[end - 4 : end], "big"):
                raise UnreadableImageError(f"the checksum of a chunk {name.decode()} is wrong")
            kept.append(image[at:end])
        elif name == b"eXIf" and not exif:
            exif = image[at + 8 : at + 8 + length]
        if name == b"IEND":
            break
        at = end
    return b"".join(kept), exif
