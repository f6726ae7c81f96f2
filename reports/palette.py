"""One name and one colour for each buffer, in every figure and table.

They were chosen to stay apart for the three common kinds of colour blindness and to be read as text on white
(contrast 4.5 to 1 or better); on a dark page the page's own, lighter ones stand in. Colour never stands alone: what it
marks is named beside it.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Ink:
    """A colour on light paper, and the one that stands for it on a dark page, by its CSS variable."""

    variable: str
    light: str
    dark: str


@dataclass(frozen=True, slots=True)
class Face:
    """How a buffer is shown: its name, how it delivers, its colour."""

    name: str
    kind: str
    ink: Ink


INK: Final = Ink("ink", "#17202a", "#e8ecf1")
MUTED: Final = Ink("muted", "#5b6673", "#9aa6b4")
RULE: Final = Ink("rule", "#dde2e8", "#343d48")
OFFERED: Final = Ink("offered", "#c3cad3", "#56616e")

_FACES: Final = {
    "sns": Face("SNS", "push", Ink("sns", "#c2410c", "#ff8a3d")),
    "sqs": Face("SQS", "pull", Ink("sqs", "#21409a", "#8b93f0")),
    "sqs-fifo": Face("SQS FIFO", "pull", Ink("sqs-fifo", "#5f2a00", "#ffe14d")),
    "kinesis": Face("Kinesis", "pull", Ink("kinesis", "#0b7a6f", "#4ce0ac")),
    "kinesis-efo": Face("Kinesis EFO", "push", Ink("kinesis-efo", "#8a1ff0", "#dfc8f9")),
}
_OTHERS: Final = (
    Ink("other-1", "#8a6100", "#e2b93b"),
    Ink("other-2", "#a8326e", "#f28bc0"),
)


def faces(buffers: "tuple[str, ...] | list[str]") -> dict[str, Face]:
    """The face of each buffer; one that is not known gets the next free colour."""
    others = iter(_OTHERS * len(buffers))
    return {name: _FACES.get(name) or Face(name, "", next(others)) for name in buffers}


# No report shows both buffers and patterns, and what can be told apart there can be here.
PATTERN_INKS: Final = {
    "sync": _FACES["sns"].ink,
    "polling": _FACES["sqs"].ink,
    "callback": _FACES["kinesis"].ink,
    "websocket": _FACES["kinesis-efo"].ink,
}

INKS: Final = (INK, MUTED, RULE, OFFERED, *(face.ink for face in _FACES.values()), *_OTHERS)
