"""A mark on an image: a word that travels inside the file, in a JPEG's comment, and changes no pixel.

Who makes a request fail on purpose marks its image, so that whoever sees nothing but the image knows it again.
"""

import re
from typing import Final

_SOI: Final = b"\xff\xd8"
_COMMENT: Final = b"\xff\xfe"
_OURS: Final = b"forebay:"
# A segment's length counts its own two bytes.
_LONGEST: Final = 1_024
_WORD: Final = re.compile(r"[!-~]+")


def marked(jpeg: bytes, word: str) -> bytes:
    """The same image with a mark; of two, the one made last is read. The word is of printable ASCII without spaces.

    Raises:
        ValueError: it is no JPEG, or the word is empty, too long or has other characters.
    """
    if not jpeg.startswith(_SOI):
        raise ValueError("only a JPEG can be marked")
    if not _WORD.fullmatch(word) or len(word) > _LONGEST:
        raise ValueError(f"{word[:80]!r} is no mark: it takes 1 to {_LONGEST:,} printable characters without spaces")
    comment = _OURS + word.encode("ascii")
    return _SOI + _COMMENT + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[len(_SOI) :]


def mark_of(image: bytes) -> str | None:
    """An image's mark, None if it has none. It is looked for where `marked` puts it, at the file's beginning."""
    head = len(_SOI) + len(_COMMENT)
    if not image.startswith(_SOI + _COMMENT):
        return None
    length = int.from_bytes(image[head : head + 2], "big")
    comment = image[head + 2 : head + length]
    if not comment.startswith(_OURS):
        return None
    try:
        return comment[len(_OURS) :].decode("ascii")
    except UnicodeDecodeError:
        return None
