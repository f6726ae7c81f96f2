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

In place of `rate` the arrivals may be recorded ones, and more may be said of what is sent (docs/workloads.md):

arrivals: {file: yesterday.csv, column: at, unit: ms}     # beside this file; CSV or Parquet
groups: {number: 100, skew: zipf, exponent: 1.1}          # partition keys; uniform, zipf, or hot with a share
overrides:                                                # what a buffer has of its own
  kinesis: {rate: [[0, 50], [30, 50]], groups: {number: 10, skew: hot, share: 0.8}, images: [...], cut_off_s: 90}

In place of `buffers` a workload may have patterns, to measure when a client knows its result:

patterns: [sync, polling-1s, polling, callback, websocket]   # polling alone: as often as the API's Retry-After says
buffer: sqs                        # which all but sync go through
via: [proxy, handler]              # polling and callback once each: straight into the buffer, by the request handler
warm_up: 5                         # so many at once, not measured, before the first turn of each pattern and door

Or a route, to send the same bodies to any HTTP server (--host URL), of which only the answers are known:

route: /orders                     # POSTed to; latency is until its answer, and every 2xx accepts
"""

from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from loadtest._groups import Groups, read_groups
from loadtest._way import DOORS, Way, of_buffers, of_patterns, of_route
from pipeline import document
from pipeline.document import DocumentError, Value, shown
from pipeline.request import BUFFERS
from pipeline.workload_file import MOST_ARRIVALS, WorkloadError, read_load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadtest._way import Door
    from pipeline.rate import Rate
    from pipeline.recorded import Recorded
    from pipeline.request import Buffer

PHOTOS: Final = Path(__file__).parent / "images"

Option = str | int | float | bool

_REQUIRED: Final = ("name", "why", "seed", "cut_off_s")
# What a buffer may have of its own.
_OVERRIDES: Final = ("rate", "arrivals", "images", "groups", "cut_off_s")
_OF_PATTERNS: Final = ("patterns", "buffer", "via", "warm_up")
_KNOWN: Final = (*_REQUIRED, *_OVERRIDES[:-1], "buffers", *_OF_PATTERNS, "route", "overrides", "local")
_IMAGE_KNOWN: Final = ("photo", "weight", "width")
_WIDEST: Final = 4_096
_MOST_TO_WARM: Final = 1_000
_HEAVIEST: Final = 1_000_000
# Of sending, and of draining. What is longer is a slip of units or a recording with a date that is none.
_LONGEST_S: Final = 7 * 24 * 3_600


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


# A route takes what it sends inline, and its rate is what is to be tested, not the network.
ROUTE_IMAGES: Final = DEFAULT_IMAGES[:3]


@dataclass(frozen=True, slots=True)
class Workload:
    """A load and how it is run: by each of its `ways` in turn. `document` is the file as it was read.

    `own` is the workload of each buffer that has something of its own.
    """

    name: str
    why: str
    seed: int
    ways: tuple[Way, ...]
    rate: "Rate | Recorded"
    cut_off_s: float
    images: tuple[ImageChoice, ...]
    local: "Mapping[str, Option | Mapping[str, Option]]"
    document: "Mapping[str, Any]"
    warm_up: int = 0
    groups: Groups | None = None
    own: "Mapping[str, Workload]" = field(default_factory=dict)

    def of(self, way: Way) -> "Workload":
        """The workload of one way."""
        return self.own.get(way.name, self)

    @property
    def buffers(self) -> "tuple[Buffer, ...]":
        """The buffers that it needs, each once."""
        return tuple(dict.fromkeys(way.buffer for way in self.ways if way.buffer is not None))

    @property
    def route(self) -> str | None:
        """The path of some HTTP server that it goes to, None if it is for Forebay's API."""
        return self.ways[0].route

    @property
    def has_patterns(self) -> bool:
        """Whether its clients wait for their results."""
        return any(way.pattern is not None for way in self.ways)

    def has(self, pattern: str) -> bool:
        """Whether a way is of that pattern."""
        return any(way.pattern == pattern for way in self.ways)


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
    default_images = ROUTE_IMAGES if "route" in values else DEFAULT_IMAGES
    workload = Workload(
        name=_name(values["name"]),
        why=values["why"].text(),
        seed=values["seed"].whole(),
        ways=_ways(whole, values),
        rate=_load(values, whole, folder),
        cut_off_s=_cut_off_s(values["cut_off_s"]),
        images=_images(values["images"], folder) if "images" in values else default_images,
        local=_local(values) if "local" in values else {},
        document=whole.plain(),
        warm_up=_warm_up(values["warm_up"]) if "warm_up" in values else 0,
        groups=_groups(values, "groups"),
    )
    return replace(workload, own=_own(values["overrides"], workload, folder)) if "overrides" in values else workload


def _load(values: "Mapping[str, Value]", whole: Value, folder: Path) -> "Rate | Recorded":
    load = read_load(values, whole, folder, most=MOST_ARRIVALS)
    if load.duration > _LONGEST_S:
        value = values["rate" if "rate" in values else "arrivals"]
        raise value.error(f"it sends for {load.duration:g} seconds; {_LONGEST_S:,}, a week, are the most")
    return load


def _cut_off_s(value: Value) -> float:
    seconds = value.number(above=True)
    if seconds > _LONGEST_S:
        raise value.error(f"{seconds:g} seconds are more than {_LONGEST_S:,}, a week")
    return seconds


def _groups(values: "Mapping[str, Value]", key: str) -> Groups | None:
    if key not in values:
        return None
    if "patterns" in values:
        raise values[key].error("requests of patterns name no group; give buffers or a route")
    return read_groups(values[key])


def _own(value: Value, workload: Workload, folder: Path) -> "dict[str, Workload]":
    own = {}
    if workload.route is not None or workload.has_patterns:
        raise value.error("only buffers have overrides; give buffers, or leave it out")
    for name, below in value.keys(workload.buffers).items():
        values = below.keys(_OVERRIDES)
        own[name] = replace(
            workload,
            rate=_load(values, below, folder) if "rate" in values or "arrivals" in values else workload.rate,
            cut_off_s=_cut_off_s(values["cut_off_s"]) if "cut_off_s" in values else workload.cut_off_s,
            images=_images(values["images"], folder) if "images" in values else workload.images,
            groups=_groups(values, "groups") or workload.groups,
        )
    return own


def _local(values: "Mapping[str, Value]") -> "dict[str, Option | Mapping[str, Option]]":
    if "route" in values:
        raise values["local"].error("they are for buffers on this machine; a route's server has options of its own")
    return {key: _option(value) for key, value in values["local"].keys().items()}


def _option(value: Value) -> "Option | Mapping[str, Option]":
    return {name: each.scalar() for name, each in value.keys().items()} if value.has_keys else value.scalar()


def _name(value: Value) -> str:
    name = value.text()
    # It becomes part of a folder's name and of a key of the results table.
    if len(name) > 60 or not all(char.isascii() and (char.isalnum() or char in "-_") for char in name):
        raise value.error(f"{shown(name)!r} is not made of at most 60 letters, digits, - and _")
    return name


def _buffers(value: Value) -> "tuple[Buffer, ...]":
    return cast("tuple[Buffer, ...]", _each_once(value, BUFFERS))


def _each_once(value: Value, known: "tuple[str, ...]") -> tuple[str, ...]:
    names: list[str] = []
    for item in value.items():
        name = item.choice(known)
        if name in names:
            raise item.error(f"{name} stands here twice")
        names.append(name)
    if not names:
        raise value.error(f"it names none of {', '.join(known)}")
    return tuple(names)


def _ways(whole: Value, values: "Mapping[str, Value]") -> tuple[Way, ...]:
    one = next((key for key in ("buffers", "route") if key in values), None)
    if one is not None:
        for key in ("route", *_OF_PATTERNS):
            if key in values and key != one:
                raise values[key].error("a workload has either buffers, patterns or a route")
        return of_buffers(_buffers(values["buffers"])) if one == "buffers" else of_route(_route(values["route"]))
    for key in ("patterns", "buffer"):
        if key not in values:
            missing = "buffers is missing" if "patterns" not in values else "buffer is missing, beside patterns"
            raise whole.error(missing)
    buffer = cast("Buffer", values["buffer"].choice(BUFFERS))
    doors = cast("tuple[Door, ...]", _each_once(values["via"], DOORS)) if "via" in values else DOORS[:1]
    ways: list[Way] = []
    for item in values["patterns"].items():
        try:
            more = of_patterns([item.text()], buffer, doors)
        except ValueError as error:
            raise item.error(str(error)) from None
        if any(way in ways for way in more):
            raise item.error(f"{item.text()} stands here twice")
        ways.extend(more)
    if not ways:
        raise values["patterns"].error("it names no pattern")
    return tuple(ways)


def _route(value: Value) -> str:
    path = value.text()
    if not path.startswith("/") or not path.isascii() or not path.isprintable() or " " in path or "#" in path:
        raise value.error(f"{shown(path)!r} is no path of a URL, as /orders or /orders?fast=1 is")
    return path


def _warm_up(value: Value) -> int:
    number = value.whole()
    if number > _MOST_TO_WARM:
        raise value.error(f"{number} is more than {_MOST_TO_WARM:,}")
    return number


def _images(value: Value, folder: Path) -> tuple[ImageChoice, ...]:
    choices: list[ImageChoice] = []
    for item in value.items():
        values = item.keys(_IMAGE_KNOWN, ("photo",))
        width = values["width"].whole(16) if "width" in values else None
        if width is not None and width > _WIDEST:
            raise values["width"].error(f"{width} is more than {_WIDEST}")
        weight = values["weight"].number(above=True) if "weight" in values else 1.0
        if weight > _HEAVIEST:
            raise values["weight"].error(f"{weight:g} is more than {_HEAVIEST:,}")
        choice = ImageChoice(
            photo=_photo(values["photo"], folder),
            weight=weight,
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
    try:
        for place in (PHOTOS, folder):
            if (place / name).is_file():
                return place / name
    except OSError as error:
        raise value.error(f"the photo {shown(name)!r} cannot be looked for: {error.strerror}") from None
    names = sorted(file.name for file in PHOTOS.glob("*.jpg"))
    near = get_close_matches(name, names, n=1)
    raise value.error(
        f"there is no photo {shown(name)!r} beside it or among the samples; "
        + (f"did you mean {near[0]}?" if near else f"the samples are {', '.join(names)}")
    )
