"""The matrix: which faults, at which rates, through which buffers, and what is expected of each; read from YAML.

`loadtest/faults.yaml` is Forebay's own, and explains the keys.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from pipeline import document
from pipeline.document import DocumentError, Value, shown
from pipeline.expectation import Expectation, ExpectationError
from pipeline.request import BUFFERS
from pipeline.workload_file import WorkloadError, read_rate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from loadtest._workload import Option
    from pipeline.rate import Rate
    from pipeline.request import Buffer

OWN: Final = Path(__file__).parents[1] / "faults.yaml"

Tries = Literal["first", "every", "random"]
Process = Literal["rekognition", "storage", "embedded"]

# What happens at an edge of the embedded AWS (local.faults.fault), and to whom: `api` is the buffer's own.
_EDGES: Final = ("rekognition", "dynamodb", "api", "function", "code", "process")
_EFFECTS: Final = (
    "answer", "break-off", "slow", "kill", "hang", "starve", "garble", "repeat", "lose-answer", "deploy",
)  # fmt: skip
_TRIES: Final = ("first", "every", "random")
_PROCESSES: Final = ("rekognition", "storage", "embedded")
_FIGURES: Final = (
    "completed", "failed", "dead_lettered", "rejected", "unfinished", "blast_radius", "recovery_s", "struck", "orphans",
)  # fmt: skip
_MOST: Final = 20_000
_NAME: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")


@dataclass(frozen=True, slots=True)
class Setting:
    """How the embedded AWS is started. `tries` are how often a buffer delivers what fails, where that is certain."""

    name: str
    why: str
    local: "Mapping[str, Option | Mapping[str, Option]]"
    tries: "Mapping[Buffer, int]"


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent through each buffer. `cut_off_s` is how long it may take to drain after the last arrival."""

    name: str
    rate: "Rate"
    cut_off_s: float


@dataclass(frozen=True, slots=True)
class Cause:
    """What a fault does. Times are seconds of the load.

    `requests` says which tries of a share of the requests it strikes; without them it is whatever comes from `from_s`
    on, for `for_s` seconds, or at that moment where it is done once. `after_ms` bounds how long an invocation is at
    work before it is struck, drawn for each.
    """

    edge: str
    effect: str
    requests: Tries | None = None
    from_s: float = 0.0
    for_s: float | None = None
    status: int = 500
    code: str = "InternalServerError"
    factor: float = 1.0
    after_ms: "Mapping[Buffer, tuple[float, float]] | None" = None
    memory_mb: float = 0.0
    process: Process | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """One row of the matrix; or with no `cause` the load by itself, which the others are compared with.

    `expected` has the expectations of each buffer's figures, `because` the reason; `differs` explains what a buffer was
    measured to do otherwise. With `stored_images` requests carry a claim check in place of their image.
    """

    name: str
    what: str
    rates: tuple[float | None, ...]
    setting: Setting
    load: Load
    cause: Cause | None
    expected: "Mapping[Buffer, Mapping[str, Expectation]]"
    because: str
    differs: "Mapping[Buffer, str]"
    stored_images: bool = False


def undisturbed(setting: Setting, load: Load) -> Fault:
    """The load under a setting, with no fault."""
    return Fault(f"none-{setting.name}-{load.name}", "", (None,), setting, load, None, {}, "", {})


@dataclass(frozen=True, slots=True)
class Matrix:
    """The whole. `document` is the file as it was read."""

    name: str
    why: str
    seed: int
    buffers: "tuple[Buffer, ...]"
    callback_every: int
    faults: tuple[Fault, ...]
    document: "Mapping[str, Any]"


def read(path: Path) -> Matrix:
    """Read a matrix.

    Raises:
        WorkloadError: it cannot be read, or something in it is not as it should be; says the line and what.
    """
    try:
        return _matrix(document.read(path, "fault matrix"))
    except DocumentError as error:
        raise WorkloadError(str(error)) from None


def _matrix(whole: Value) -> Matrix:
    required = ("name", "why", "seed", "buffers", "callback_every", "settings", "loads", "faults")
    values = whole.keys(required, required)
    settings = {name: _setting(name, value) for name, value in values["settings"].keys().items()}
    loads = {name: _load(name, value) for name, value in values["loads"].keys().items()}
    buffers = tuple(cast("Buffer", item.choice(BUFFERS)) for item in values["buffers"].items())
    faults: list[Fault] = []
    for item in values["faults"].items():
        fault = _fault(item, settings, loads, buffers)
        if any(fault.name == other.name for other in faults):
            raise item.error(f"{fault.name} stands here twice")
        faults.append(fault)
    if not faults or not buffers:
        raise whole.error("it needs a fault and a buffer at least")
    return Matrix(
        name=_name(values["name"]),
        why=values["why"].text(),
        seed=values["seed"].whole(),
        buffers=buffers,
        callback_every=values["callback_every"].whole(),
        faults=tuple(faults),
        document=whole.plain(),
    )


def _setting(name: str, value: Value) -> Setting:
    required = ("why", "local", "tries")
    values = value.keys(required, required)
    return Setting(
        name=name,
        why=values["why"].text(),
        local={
            key: {each: below.scalar() for each, below in option.keys().items()} if option.has_keys else option.scalar()
            for key, option in values["local"].keys().items()
        },
        tries={cast("Buffer", buffer): tries.whole(1) for buffer, tries in values["tries"].keys(BUFFERS).items()},
    )


def _load(name: str, value: Value) -> Load:
    values = value.keys(("rate", "cut_off_s"), ("rate", "cut_off_s"))
    return Load(name, read_rate(values["rate"], _MOST), values["cut_off_s"].number(above=True))


def _fault(
    item: Value, settings: "Mapping[str, Setting]", loads: "Mapping[str, Load]", buffers: "tuple[Buffer, ...]"
) -> Fault:
    required = ("name", "what", "setting", "load", "does", "expect", "because")
    values = item.keys((*required, "rates", "stored_images", "differs"), required)
    rates: tuple[float | None, ...] = (None,)
    cause = _cause(values["does"])
    if cause.requests is not None:
        if "rates" not in values:
            raise item.error("rates is missing: what share of the requests is struck")
        rates = tuple(_rate(rate) for rate in values["rates"].items())
        if cause.requests == "random" and 1.0 in rates:
            raise values["rates"].error("of tries that are struck at random not each can be: 1 is for every")
    elif "rates" in values:
        raise values["rates"].error("it strikes whatever comes in its time, so that it has no rates")
    return Fault(
        name=_name(values["name"]),
        what=" ".join(values["what"].text().split()),
        rates=rates,
        setting=settings[values["setting"].choice(settings)],
        load=loads[values["load"].choice(loads)],
        cause=cause,
        expected=_expected(values["expect"], buffers),
        because=" ".join(values["because"].text().split()),
        differs={
            cast("Buffer", buffer): " ".join(text.text().split())
            for buffer, text in values["differs"].keys(BUFFERS).items()
        }
        if "differs" in values
        else {},
        stored_images="stored_images" in values and values["stored_images"].flag(),
    )


def _cause(value: Value) -> Cause:
    known = (
        "edge", "effect", "requests", "from_s", "for_s", "status", "code", "factor", "after_ms", "memory_mb", "process",
    )  # fmt: skip
    values = value.keys(known, ("edge", "effect"))

    def number(name: str, otherwise: float) -> float:
        return values[name].number() if name in values else otherwise

    return Cause(
        edge=values["edge"].choice(_EDGES),
        effect=values["effect"].choice(_EFFECTS),
        requests=cast("Tries", values["requests"].choice(_TRIES)) if "requests" in values else None,
        from_s=number("from_s", 0.0),
        for_s=values["for_s"].number(above=True) if "for_s" in values else None,
        status=values["status"].whole(400) if "status" in values else 500,
        code=values["code"].text() if "code" in values else "InternalServerError",
        factor=number("factor", 1.0),
        after_ms={
            cast("Buffer", buffer): _bounds(bounds) for buffer, bounds in values["after_ms"].keys(BUFFERS).items()
        }
        if "after_ms" in values
        else None,
        memory_mb=number("memory_mb", 0.0),
        process=cast("Process", values["process"].choice(_PROCESSES)) if "process" in values else None,
    )


def _bounds(value: Value) -> tuple[float, float]:
    numbers = [item.number() for item in value.items()]
    if len(numbers) != 2 or numbers[0] > numbers[1]:
        raise value.error("it is not the least and the most ms, as [20, 80] is")
    return numbers[0], numbers[1]


def _expected(value: Value, buffers: "tuple[Buffer, ...]") -> "dict[Buffer, dict[str, Expectation]]":
    given = value.keys(("all", *BUFFERS))
    common = dict(_figures(given["all"])) if "all" in given else {}
    return {buffer: {**common, **(dict(_figures(given[buffer])) if buffer in given else {})} for buffer in buffers}


def _figures(value: Value) -> "Iterator[tuple[str, Expectation]]":
    for name, figure in value.keys(_FIGURES).items():
        try:
            yield name, Expectation.parse(str(figure.scalar()))
        except ExpectationError as error:
            raise figure.error(str(error)) from None


def _rate(value: Value) -> float:
    rate = value.number(above=True)
    if rate > 1:
        raise value.error(f"{rate:g} is more than all requests: 0.01 is one in a hundred")
    return rate


def _name(value: Value) -> str:
    name = value.text()
    # It becomes part of a run's id, which a DynamoDB key and an image's mark hold.
    if len(name) > 40 or not set(name) <= _NAME:
        raise value.error(f"{shown(name)!r} is not made of at most 40 small letters, digits and -")
    return name
