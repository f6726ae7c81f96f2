"""EXIF: the one thing of it that a picture is looked at by, the way up.

Read by hand, for a stranger may write it: of up to 65,535 tags, each of which may name all of the rest as its value,
Pillow reads every one for the sake of this, and warns of each that is wrong.
"""

import struct
from typing import Final

UPRIGHT: Final = 1

_HEADER: Final = b"Exif\x00\x00"
_ORIENTATION: Final = 0x0112
_SHORT: Final = 3
_ENTRY: Final = 12


def orientation_of(exif: bytes) -> int:
    """The orientation, 1 to 8; 1, upright, where there is none that makes sense. Never raises."""
    tiff = exif.removeprefix(_HEADER)
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(tiff[:4])
    if order is None:
        return UPRIGHT
    try:
        (directory,) = struct.unpack_from(f"{order}I", tiff, 4)
        (entries,) = struct.unpack_from(f"{order}H", tiff, directory)
        for entry in range(entries):
            tag, kind, count, value = struct.unpack_from(f"{order}HHIH", tiff, directory + 2 + entry * _ENTRY)
            if tag == _ORIENTATION:
                return value if kind == _SHORT and count == 1 and 1 <= value <= 8 else UPRIGHT
    except struct.error:
        # The directory is not all there.
        return UPRIGHT
    return UPRIGHT
