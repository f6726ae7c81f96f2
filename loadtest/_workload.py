"""The workload: what load a run puts on each buffer, read from a small YAML file.

name: spike
why: Ten seconds of more than the downstream takes.
seed: 7
buffers: [sns, sqs, kinesis, kinesis-efo]
rate: [[0, 10], [5, 10], [5, 120], [15, 120], [15, 10], [25, 10]]   # second, requests a second
cut_off_s: 60                      # how long a buffer may take to drain after the last arrival
images:                            # the mix; without it: small, medium and one large, uploaded photo
  - {photo: coffee.jpg, weight: 3, width: 200}
local:                             # options of `forebay local`, for a run on this machine
  account_concurrency: 10
"""

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from pipeline import document
from pipeline.document import DocumentError, Value
from pipeline.request import BUFFERS
from pipeline.workload_file import MOST_ARRIVALS, WorkloadError, read_rate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.rate import Rate
    from pipeline.request import Buffer

PHOTOS: Final = Path(__file__).parent / "images"

Option = str | int | float | bool

_REQUIRED: Final = ("name", "why", "seed", "buffers", "rate", "cut_off_s")
_KNOWN: Final = (*_REQUIRED, "images", "local")
_IMAGE_KNOWN: Final = ("photo", "weight", "width")
_WIDEST: Final = 4_096


@dataclass(frozen=True, slots=True)
class ImageChoice:
    """One image of the mix: a sample photo, scaled to `width` pixels if that is given."""

    photo: Path
    weight: float
    width: int | None

    @property
    def name(self) -> str:
        """How rows and reports call it."""
        return self.photo.stem if self.width is None else f"{self.photo.stem}-{self.width}"


DEFAULT_IMAGES: Final = (
    ImageChoice(PHOTOS / "chelsea.jpg", 3, 200),
    ImageChoice(PHOTOS / "coffee.jpg", 3, 200),
    ImageChoice(PHOTOS / "rocket.jpg", 2, 200),
    ImageChoice(PHOTOS / "chelsea.jpg", 1, None),
    ImageChoice(PHOTOS / "flower.jpg", 1, None),
    ImageChoice(PHOTOS / "china.jpg", 1, 1_600),
)


@dataclass(frozen=True, slots=True)
class Workload:
    """A load and how it is run. `document` is the file as it was read."""

    name: str
    why: str
    seed: int
    buffers: "tuple[Buffer, ...]"
    rate: "Rate"
    cut_off_s: float
    images: tuple[ImageChoice, ...]
    local: "Mapping[str, Option | Mapping[str, Option]]"
    document: "Mapping[str, Any]"


def read(path: Path) -> Workload:
    """Read a workload.

    Raises:
        WorkloadError: it cannot be read, or is not as the form above says.
    """
    try:
        return _workload(document.read(path, "workload"), path.parent)
    except DocumentError as error:
        raise WorkloadError(str(error)) from None


def _workload(whole: Value, folder: Path) -> Workload:
    values = whole.keys(_KNOWN, _REQUIRED)
    return Workload(
        name=_name(values["name"]),
        why=values["why"].text(),
        seed=values["seed"].whole(),
        buffers=_buffers(values["buffers"]),
        rate=read_rate(values["rate"], most=MOST_ARRIVALS),
        cut_off_s=values["cut_off_s"].number(above=True),
        images=_images(values["images"], folder) if "images" in values else DEFAULT_IMAGES,
        local={key: _option(value) for key, value in values["local"].keys().items()} if "local" in values else {},
        document=whole.plain(),
    )


def _option(value: Value) -> "Option | Mapping[str, Option]":
    return {name: each.scalar() for name, each in value.keys().items()} if value.has_keys else value.scalar()


def _name(value: Value) -> str:
    name = value.text()
    # It becomes part of a folder's name and of a key of the results table.
    if len(name) > 60 or not all(char.isascii() and (char.isalnum() or char in "-_") for char in name):
        raise value.error(f"{name!r} is not made of at most 60 letters, digits, - and _")
    return name


def _buffers(value: Value) -> "tuple[Buffer, ...]":
    buffers: list[str] = []
    for item in value.items():
        buffer = item.choice(BUFFERS)
        if buffer in buffers:
            raise item.error(f"{buffer} stands here twice")
        buffers.append(buffer)
    if not buffers:
        raise value.error(f"it names none of {', '.join(BUFFERS)}")
    return cast("tuple[Buffer, ...]", tuple(buffers))


def _images(value: Value, folder: Path) -> tuple[ImageChoice, ...]:
    choices: list[ImageChoice] = []
    for item in value.items():
        values = item.keys(_IMAGE_KNOWN, ("photo",))
        width = values["width"].whole(16) if "width" in values else None
        if width is not None and width > _WIDEST:
            raise values["width"].error(f"{width} is more than {_WIDEST}")
        choice = ImageChoice(
            photo=_photo(values["photo"], folder),
            weight=values["weight"].number(above=True) if "weight" in values else 1.0,
            width=width,
        )
        if any(choice.name == other.name for other in choices):
            raise item.error(f"{choice.name} stands here twice")
        choices.append(choice)
    if not choices:
        raise value.error("it names no image")
    return tuple(choices)


def _photo(value: Value, folder: Path) -> Path:
    name = value.text()
    for place in (PHOTOS, folder):
        if (place / name).is_file():
            return place / name
    names = sorted(file.name for file in PHOTOS.glob("*.jpg"))
    near = get_close_matches(name, names, n=1)
    raise value.error(
        f"there is no photo {name!r} beside it or among the samples; "
        + (f"did you mean {near[0]}?" if near else f"the samples are {', '.join(names)}")
    )
