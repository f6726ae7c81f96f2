"""What odd and hostile images are made of: segments, chunks and headers that say what a test wants."""

import io
import random
import struct
import zipfile
import zlib
from typing import Any, Final

from PIL import Image, ImageDraw

MIB: Final = 1024 * 1024


def picture(width: int = 200, height: int = 150, mode: str = "RGB") -> Image.Image:
    image = Image.new("RGB", (width, height), "navy")
    draw = ImageDraw.Draw(image)
    draw.ellipse((width // 10, height // 10, width * 9 // 10, height * 7 // 10), fill="orange")
    draw.rectangle((width // 8, height // 8, width // 3, height // 2), fill="white")
    return image.convert(mode)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    into = io.BytesIO()
    image.save(into, kind, **options)
    return into.getvalue()


def jpeg(**options: Any) -> bytes:
    return saved(picture(), "JPEG", **options)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def header(width: int, height: int, depth: int = 8, colour: int = 2, interlaced: int = 0) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))


def noughts(size: int) -> bytes:
    """So many noughts, in a thousandth of that: a MiB is compressed once, and stands there again and again."""
    check = 1
    parts = [b"\x78\xda"]
    for length, times in ((MIB, size // MIB), (size % MIB, 1)):
        press = zlib.compressobj(9, wbits=-15)
        parts += [press.compress(bytes(length)) + press.flush(zlib.Z_FULL_FLUSH)] * times
        for _ in range(times):
            check = zlib.adler32(bytes(length), check)
    return b"".join([*parts, b"\3\0", struct.pack(">I", check)])


def png(
    width: int = 200, height: int = 150, depth: int = 8, colour: int = 2, before: bytes = b"", after: bytes = b""
) -> bytes:
    """A black PNG with more chunks before and after its pixels."""
    palette = chunk(b"PLTE", bytes(768)) if colour == 3 else b""
    pixels = chunk(b"IDAT", noughts(height * (1 + (width * CHANNELS[colour] * depth + 7) // 8)))
    return SIGNATURE + header(width, height, depth, colour) + palette + before + pixels + after + END


SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
END: Final = chunk(b"IEND", b"")


def segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def with_segments(*segments: bytes, image: bytes | None = None) -> bytes:
    """A JPEG with more segments right behind its first marker."""
    plain = jpeg() if image is None else image
    return plain[:2] + b"".join(segments) + plain[2:]


def exif(*entries: tuple[int, int, int, int], following: int = 0) -> bytes:
    """EXIF of one directory: tag, type, count, and value or offset."""
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<I", 8) + directory + struct.pack("<I", following)


def app1(tiff: bytes) -> bytes:
    return segment(0xE1, b"Exif\0\0" + tiff)


def padded(image: bytes, size: int) -> bytes:
    return image + bytes(size - len(image))


def zipped(name: str, data: bytes) -> bytes:
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w") as archive:
        archive.writestr(name, data)
    return into.getvalue()


def frame(marker: int = 0xC0, width: int = 200, height: int = 150, precision: int = 8, components: int = 3) -> bytes:
    parts = b"".join(bytes((number + 1, 0x11, 0)) for number in range(components))
    return segment(marker, struct.pack(">BHHB", precision, height, width, components) + parts)


# Of one component, with all there is of it.
SCAN: Final = segment(0xDA, b"\1\1\0\0\x3f\0")


def progressive(mode: str) -> bytes:
    """A progressive JPEG of the largest legal sides, whose decoder holds all coefficients."""
    return saved(Image.new(mode, (10_000, 10_000)), "JPEG", progressive=True, subsampling=0, quality=1)


def bomb(mib: int) -> bytes:
    """So many MiB of noughts in a thousandth of that."""
    return noughts(mib * MIB)


def many_scans(scans: int, width: int, height: int) -> bytes:
    """A progressive JPEG of one colour whose scans say nothing, each a pass over all of its blocks."""
    tables = segment(0xDB, b"\0" + b"\1" * 64) + segment(0xC4, b"\0" + b"\1" + bytes(15) + b"\0")
    more = segment(0xC4, b"\x10" + b"\1" + bytes(15) + b"\0")
    first = segment(0xDA, b"\1\1\0\0\0\0") + bytes((width + 7) // 8 * ((height + 7) // 8) // 8 + 1)
    ac = (segment(0xDA, b"\1\1\0\1\x3f\0") + bytes(16)) * scans
    return b"\xff\xd8" + tables + more + frame(0xC2, width, height, components=1) + first + ac + b"\xff\xd9"


def animated_png() -> bytes:
    frames = [picture(), Image.new("RGB", (200, 150), "red")]
    return saved(frames[0], "PNG", save_all=True, append_images=frames[1:])


def noise(size: int) -> bytes:
    return random.Random(1).randbytes(size)
