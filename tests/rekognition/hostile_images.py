"""Images that somebody made to break what reads them, and odd ones that nobody meant any harm with."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from PIL import Image

from tests.rekognition.image_parts import (
    END,
    MIB,
    SCAN,
    SIGNATURE,
    animated_png,
    app1,
    bomb,
    chunk,
    exif,
    frame,
    header,
    jpeg,
    many_scans,
    noise,
    padded,
    picture,
    png,
    progressive,
    saved,
    segment,
    with_segments,
    zipped,
)

MAX_INLINE: Final = 5 * MIB
MAX_STORED: Final = 15 * MIB

ANSWER: Final = None
FORMAT: Final = "InvalidImageFormatException"
LARGE: Final = "ImageTooLargeException"
SIDES: Final = "InvalidParameterException"
LENGTH: Final = "ValidationException"


@dataclass(frozen=True)
class Hostile:
    """A row: why it is here, the image, and Rekognition's error, None for an answer. Stored ones lie in S3.

    Of those that take seconds, the ones that another goes beyond in the same way are left to `pytest -m long`.
    """

    reason: str
    make: Callable[[], bytes] = field(repr=False)
    code: str | None
    stored: bool = False
    surpassed: bool = False


BOMBS = [
    Hostile("a 10,000 px PNG in a thousandth of its size", lambda: png(10_000, 10_000), ANSWER),
    Hostile("the same with transparency", lambda: png(10_000, 10_000, colour=6), ANSWER, surpassed=True),
    Hostile(
        "the same in grey with transparency, which Pillow holds as four", lambda: png(10_000, 10_000, colour=4), ANSWER
    ),
    Hostile("16 bits and transparency, 800 MB as they are", lambda: png(10_000, 10_000, 16, 6), ANSWER),
    Hostile("16 bits of grey, which Pillow keeps", lambda: png(10_000, 10_000, 16, 0), ANSWER),
    Hostile("a palette: a byte a pixel, three as RGB", lambda: png(10_000, 10_000, colour=3), ANSWER),
    Hostile("one bit a pixel, 12 KB in all", lambda: png(10_000, 10_000, 1, 0), ANSWER),
    Hostile("20,000 x 20,000 px of PNG", lambda: png(20_000, 20_000, 1, 0), LARGE),
    Hostile("20,000 x 20,000 px of JPEG", lambda: saved(Image.new("L", (20_000, 20_000)), "JPEG", quality=1), LARGE),
    Hostile("one side too long, the other legal", lambda: png(10_001, 80, 1, 0), LARGE),
    Hostile("the longest and the shortest legal side", lambda: png(10_000, 80), ANSWER),
    Hostile(
        "a header of 2^31 - 1 px squared and no pixels", lambda: SIGNATURE + header(2**31 - 1, 2**31 - 1) + END, LARGE
    ),
    Hostile(
        "a JPEG header of 65,535 px squared and no pixels",
        lambda: b"\xff\xd8" + frame(0xC0, 65_535, 65_535) + SCAN,
        LARGE,
    ),
    Hostile("two frame headers, a small one first", lambda: with_segments(frame(0xC0, 10_000, 10_000)), FORMAT),
    Hostile(
        "more pixels than the header says",
        lambda: SIGNATURE + header(200, 150) + chunk(b"IDAT", bomb(300)) + END,
        ANSWER,
    ),
    Hostile(
        "a progressive JPEG of 10,000 px, whose decoder holds all coefficients",
        lambda: progressive("RGB"),
        ANSWER,
        surpassed=True,
    ),
    Hostile("the same in four colours", lambda: progressive("CMYK"), ANSWER),
    Hostile(
        "a progressive JPEG of 20,000 scans, each a pass over 100 M pixels",
        lambda: many_scans(20_000, 10_000, 10_000),
        FORMAT,
    ),
    Hostile("a hundred scans, as many as are taken", lambda: many_scans(99, 200, 150), ANSWER),
    Hostile("one more", lambda: many_scans(100, 200, 150), FORMAT),
    Hostile("a text that unpacks to 1 GiB", lambda: png(before=chunk(b"zTXt", b"Comment\0\0" + bomb(1_024))), ANSWER),
    Hostile("an international one", lambda: png(before=chunk(b"iTXt", b"Comment\0\1\0\0\0" + bomb(256))), ANSWER),
    Hostile(
        "a colour profile that unpacks to 256 MiB", lambda: png(before=chunk(b"iCCP", b"icc\0\0" + bomb(256))), ANSWER
    ),
    Hostile("400,000 chunks that say nothing", lambda: png(before=chunk(b"teXt", b"") * 400_000), ANSWER),
    Hostile("1.2 M segments that say nothing", lambda: with_segments(segment(0xFE, b"") * 1_200_000), ANSWER),
    Hostile("5 MB of fill before a marker", lambda: with_segments(b"\xff" * (MAX_INLINE - 10_000)), ANSWER),
    Hostile(
        "pixels in chunks of one byte",
        lambda: (
            SIGNATURE
            + header(200, 150)
            + b"".join(chunk(b"IDAT", bytes((each,))) for each in zlib.compress(noise(150 * 601), 0))
            + END
        ),
        FORMAT,
    ),
]

EXIF = [
    *(
        Hostile(
            f"orientation {turn} turns it", lambda turn=turn: with_segments(app1(exif((0x112, 3, 1, turn)))), ANSWER
        )  # type: ignore[misc]
        for turn in range(1, 9)
    ),
    Hostile("an orientation that there is none of", lambda: with_segments(app1(exif((0x112, 3, 1, 9)))), ANSWER),
    Hostile(
        "an orientation of a type that it has not", lambda: with_segments(app1(exif((0x112, 2, 2**31, 8)))), ANSWER
    ),
    Hostile(
        "a directory that follows itself", lambda: with_segments(app1(exif((0x112, 3, 1, 1), following=8))), ANSWER
    ),
    Hostile("a directory that is not there", lambda: with_segments(app1(b"II*\0\xff\xff\xff\xff")), ANSWER),
    Hostile("65,535 entries announced and none there", lambda: with_segments(app1(b"II*\0\x08\0\0\0\xff\xff")), ANSWER),
    Hostile("nothing after its name", lambda: with_segments(app1(b"")), ANSWER),
    Hostile("64 KB of noise", lambda: with_segments(app1(b"MM\0*\0\0\0\x08" + noise(60_000))), ANSWER),
    Hostile(
        "5,000 tags with the same 60 KB each as their value: 300 MB to who reads them all",
        lambda: with_segments(app1(exif(*((tag, 7, 60_000, 8) for tag in range(5_000))))),
        ANSWER,
    ),
    Hostile(
        "EXIF in 70 segments, whose tags have all of it as their value: 20 GB to who puts it together",
        lambda: with_segments(
            app1(exif(*((tag, 7, 4_000_000, 8) for tag in range(5_000)))), *[app1(bytes(60_000))] * 69
        ),
        ANSWER,
    ),
    Hostile(
        "4 MB of EXIF in a PNG with 65,535 tags of 4 MB",
        lambda: png(before=chunk(b"eXIf", padded(exif(*((tag, 7, 4_000_000, 8) for tag in range(65_535))), 4 * MIB))),
        ANSWER,
    ),
    Hostile("EXIF behind a PNG's pixels", lambda: png(after=chunk(b"eXIf", exif((0x112, 3, 1, 6)))), ANSWER),
    Hostile(
        "a second image announced (MPO) and not there",
        lambda: with_segments(segment(0xE2, b"MPF\0" + exif((0xB001, 4, 1, 2), (0xB002, 7, 32, 50)))),
        ANSWER,
    ),
]

FORMATS = [
    Hostile("a text named .jpg", lambda: b"this is no picture", FORMAT),
    Hostile("a page of HTML", lambda: b"<!doctype html><script>alert(1)</script>" * 10, FORMAT),
    Hostile("SVG, which names a file", lambda: b'<svg><image href="file:///etc/passwd"/></svg>', FORMAT),
    Hostile("PostScript, which would be run", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 200 200\n", FORMAT),
    *(
        Hostile(f"{kind}, which Rekognition does not take", lambda kind=kind: saved(picture(), kind), FORMAT)  # type: ignore[misc]
        for kind in ("GIF", "BMP", "TIFF", "PPM", "ICO", "TGA", "PCX", "PDF")
    ),
    Hostile("WebP, the same", lambda: saved(picture(), "WEBP"), FORMAT),
    Hostile("JPEG 2000, which is another format", lambda: b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(500), FORMAT),
    Hostile("HEIC, as a phone makes it", lambda: b"\0\0\0\x18ftypheic" + bytes(500), FORMAT),
    Hostile("a PNG named .jpg: the name says nothing", lambda: saved(picture(), "PNG"), ANSWER, stored=True),
    Hostile("a ZIP archive behind a JPEG", lambda: jpeg() + zipped("run.sh", noise(2 * MIB)), ANSWER),
    Hostile("a ZIP archive behind a PNG", lambda: png() + zipped("run.sh", noise(2 * MIB)), ANSWER),
    Hostile("HTML behind a JPEG", lambda: jpeg() + b"<script>alert(1)</script>", ANSWER),
    Hostile("HTML in a JPEG's comment", lambda: with_segments(segment(0xFE, b"--><script>alert(1)</script>")), ANSWER),
    Hostile("PHP in a PNG's text", lambda: png(before=chunk(b"tEXt", b"Comment\0<?php system($_GET[0]); ?>")), ANSWER),
    Hostile("a JPEG behind a ZIP archive", lambda: zipped("a.jpg", jpeg()) + jpeg(), FORMAT),
    Hostile("a JPEG behind a GIF's name", lambda: b"GIF89a" + jpeg(), FORMAT),
    Hostile("two JPEGs in a row: the first one counts", lambda: jpeg() + saved(picture(79, 79), "JPEG"), ANSWER),
    Hostile(
        "a JPEG with a preview in its EXIF",
        lambda: with_segments(app1(exif((0x112, 3, 1, 1)) + saved(picture(40, 40), "JPEG"))),
        ANSWER,
    ),
    Hostile("a JPEG of 12 bits", lambda: b"\xff\xd8" + frame(precision=12) + SCAN + bytes(500), FORMAT),
    Hostile("a lossless JPEG", lambda: b"\xff\xd8" + frame(0xC3) + SCAN + bytes(500), FORMAT),
    Hostile("a JPEG of two components", lambda: b"\xff\xd8" + frame(components=2) + SCAN + bytes(500), FORMAT),
    Hostile("a JPEG of no tables", lambda: b"\xff\xd8" + frame() + SCAN + bytes(500), FORMAT),
    Hostile("a PNG of a colour that there is none of", lambda: SIGNATURE + header(200, 150, 8, 5) + END, FORMAT),
    Hostile("a PNG whose first chunk is its end", lambda: SIGNATURE + END, FORMAT),
    Hostile("a PNG with a wrong checksum of its pixels", lambda: png()[:-13] + b"\0" + png()[-12:], FORMAT),
    Hostile(
        "a PNG with a wrong checksum of a text", lambda: png(before=chunk(b"tEXt", b"Comment\0x")[:-1] + b"\0"), ANSWER
    ),
]

CUT = [
    Hostile("empty", lambda: b"", LENGTH),
    Hostile("empty in S3", lambda: b"", FORMAT, stored=True),
    Hostile("only the first bytes of a JPEG", lambda: b"\xff\xd8\xff", FORMAT),
    Hostile("only the first bytes of a PNG", lambda: SIGNATURE, FORMAT),
    Hostile("a JPEG and its end, nothing between", lambda: b"\xff\xd8\xff\xd9", FORMAT),
    *(
        Hostile(f"a JPEG of which {share} % came", lambda share=share: jpeg()[: len(jpeg()) * share // 100], FORMAT)  # type: ignore[misc]
        for share in (5, 30, 60, 90)
    ),
    *(
        Hostile(
            f"a PNG of which {share} % came",
            lambda share=share: saved(picture(), "PNG")[: len(saved(picture(), "PNG")) * share // 100],  # type: ignore[misc]
            FORMAT,
        )
        for share in (5, 30, 60, 90)
    ),
    Hostile("a progressive JPEG cut in its third scan", lambda: jpeg(progressive=True)[:-1_500], FORMAT),
    Hostile(
        "a segment that says it is longer than all", lambda: jpeg()[:2] + b"\xff\xfe\xff\xff" + jpeg()[2:200], FORMAT
    ),
    Hostile(
        "a chunk that says it is longer than all",
        lambda: SIGNATURE + header(200, 150) + b"\x7f\xff\xff\xffIDAT" + bytes(500),
        FORMAT,
    ),
]

SIZES = [
    Hostile("1 x 1 px of PNG", lambda: png(1, 1), SIDES),
    Hostile("1 x 1 px of JPEG", lambda: saved(picture(30, 60).resize((1, 1)), "JPEG"), SIDES),
    Hostile("0 x 0 px of PNG", lambda: SIGNATURE + header(0, 0) + chunk(b"IDAT", zlib.compress(b"")) + END, FORMAT),
    Hostile("0 px high: the height comes later, in a JPEG", lambda: b"\xff\xd8" + frame(height=0) + SCAN, FORMAT),
    Hostile("79 px, one too few", lambda: png(79, 200), SIDES),
    Hostile("80 px, just enough", lambda: png(80, 80), ANSWER),
    Hostile("5 MB to the byte", lambda: padded(jpeg(), MAX_INLINE), ANSWER),
    Hostile("a byte more", lambda: padded(jpeg(), MAX_INLINE + 1), LENGTH),
    Hostile("over 5 MB, but in S3", lambda: padded(jpeg(), MAX_INLINE + 1), ANSWER, stored=True),
    Hostile("15 MB to the byte in S3", lambda: padded(png(), MAX_STORED), ANSWER, stored=True),
    Hostile("a byte more in S3", lambda: padded(png(), MAX_STORED + 1), LARGE, stored=True),
    Hostile(
        "15 MB of noise that begins as a JPEG", lambda: b"\xff\xd8\xff" + noise(MAX_STORED - 3), FORMAT, stored=True
    ),
]

ODD = [
    Hostile("an animated PNG: its first frame", animated_png, ANSWER),
    Hostile("a PNG in passes", lambda: saved(picture(), "PNG", interlace=1), ANSWER),
    Hostile("a CMYK JPEG, as printers send it", lambda: saved(picture(mode="CMYK"), "JPEG"), ANSWER),
    Hostile("a grey JPEG", lambda: saved(picture(mode="L"), "JPEG"), ANSWER),
    Hostile("a progressive JPEG, as the web has it", lambda: jpeg(progressive=True), ANSWER),
    Hostile("a JPEG with restarts", lambda: jpeg(restart_marker_blocks=1), ANSWER),
    Hostile("16 bits of grey", lambda: saved(picture(mode="I;16"), "PNG"), ANSWER),
    Hostile("16 bits a colour", lambda: png(depth=16), ANSWER),
    Hostile("two bits of grey", lambda: png(depth=2, colour=0), ANSWER),
    Hostile("a palette with a transparent colour", lambda: saved(picture(mode="P"), "PNG", transparency=0), ANSWER),
    Hostile("RGB with a transparent colour", lambda: saved(picture(), "PNG", transparency=(0, 0, 128)), ANSWER),
    Hostile("grey with transparency", lambda: saved(picture(mode="LA"), "PNG"), ANSWER),
    Hostile("one bit", lambda: saved(picture(mode="1"), "PNG"), ANSWER),
    Hostile("a pixel that is all there is to see of it", lambda: png(depth=1, colour=0), ANSWER),
]

HOSTILE = [*BOMBS, *EXIF, *FORMATS, *CUT, *SIZES, *ODD]
