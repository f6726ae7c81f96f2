"""A scenario from a YAML file. Its keys are the fields of `simulator.scenario`; all have defaults but one must stand.

name: spike
seed: 1
until_s: 3600                      # what is not done by then is unfinished
buffer: sqs                        # sns | sqs | sqs-fifo | kinesis | kinesis-efo
arrivals: {rate: [[0, 50], [60, 50], [60, 2000], [120, 2000]]}   # or {burst: 100000}, {workload: spike}
payload_bytes: 2000
partition_keys: {uniform: 10000}   # or {zipf: [n, s]}, {hot: [n, share]}
mapping: {batch_size: 10, batching_window_s: 1}
function: {timeout_s: 60, per_record_ms: {p50: 400, p99: 1500}}
downstream: {rate_per_s: 50}
quotas: {account_concurrency: 1000}
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from delivery.quotas import Quotas
from pipeline import document, workload_file
from pipeline.document import DocumentError
from pipeline.workload_file import read_rate
from simulator.duration import Duration, Fixed, Lognormal, Transit
from simulator.limits import LIMITS, MOST_KEYS, MOST_SHARDS
from simulator.scenario import (
    BUFFERS,
    Arrivals,
    Buffer,
    Burst,
    Downstream,
    Function,
    Hot,
    MappingSettings,
    PartitionKeys,
    Provisioned,
    Rate,
    Recorded,
    Scenario,
    Uniform,
    Zipf,
)
from simulator.transits import PUBLISHED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pipeline.document import Value

    Reader = Callable[[Value], Any]

SCENARIOS: Final = Path(__file__).parent / "scenarios"
# A record takes some 100 bytes while it is simulated; so many fit the memory of a small machine.
MOST_RECORDS: Final = 20_000_000
# Two weeks: no buffer of AWS keeps a message of SQS or SNS for longer, and the series has a row a second.
LONGEST_S: Final = 1_209_600

_LARGEST_BATCH_WITHOUT_WINDOW: Final = 10
# Null stands for as many as there is time for.
_MOST_ATTEMPTS: Final = 1_000
_PUBLISHED: Final = "published"
_DURATION_KEYS: Final = ("fixed", "p50", "p99")
_TRANSIT_KEYS: Final = ("base_ms", "spread_ms", "tail_ms", "tail_sigma", "rare", "rare_ms")


def find(name_or_file: str) -> Path:
    """The scenario's file: the one of Forebay's own of that name, or the file.

    Raises:
        DocumentError: there is none.
    """
    return document.find(name_or_file, SCENARIOS, Path())


def read(path: Path, overrides: "Sequence[str]" = ()) -> Scenario:
    """Read a scenario; `overrides` are settings put in before, each KEY.KEY=VALUE.

    Raises:
        DocumentError: it cannot be read, is not as the form above says, or is what AWS refuses; the text names file,
            line, key and fault.
    """
    whole = document.read(path, "scenario")
    for override in overrides:
        whole.override(override)
    return _scenario(whole, path)


def _scenario(whole: "Value", path: Path) -> Scenario:
    top: dict[str, Reader] = {
        "name": lambda value: value.text(),
        "seed": lambda value: value.whole(),
        "until_s": _until,
        "buffer": lambda value: cast("Buffer", value.choice(BUFFERS)),
        "arrivals": lambda value: _arrivals(value, path.parent),
        "payload_bytes": lambda value: value.whole(1),
        "partition_keys": _partition_keys,
        "mapping": lambda value: MappingSettings(**_fields(value, _MAPPING)),
        "function": lambda value: Function(**_fields(value, _FUNCTION)),
        "downstream": lambda value: Downstream(**_fields(value, _DOWNSTREAM)),
        "api": lambda value: value.flag(),
        "transit_ms": lambda value: _transit(value, whole),
        "quotas": _quotas,
    }
    scenario = Scenario(**({"name": path.stem} | _fields(whole, top)))
    _refuse_what_aws_refuses(scenario, whole)
    return scenario


def _fields(value: "Value", readers: "Mapping[str, Reader]") -> dict[str, Any]:
    return {key: readers[key](below) for key, below in value.keys(readers).items()}


def _until(value: "Value") -> float:
    until = value.number(above=True)
    if until > LONGEST_S:
        raise value.error(f"{until:,.0f} is more than {LONGEST_S:,}, two weeks")
    return until


def _arrivals(value: "Value", folder: Path) -> Arrivals:
    kinds = value.keys(("burst", "rate", "workload", "poisson"))
    if "poisson" in kinds and "rate" not in kinds:
        raise kinds["poisson"].error("it goes with a rate only")
    kind, given = _one_of(value, {key: below for key, below in kinds.items() if key != "poisson"})
    if kind == "burst":
        return Burst(_up_to(MOST_RECORDS)(given))
    if kind == "rate":
        rate = read_rate(given, most=MOST_RECORDS)
        poisson = kinds["poisson"].flag() if "poisson" in kinds else True
        return Rate(tuple((knot.second, knot.rate) for knot in rate.knots), poisson)
    try:
        path = workload_file.find(given.text(), beside=folder)
        return Recorded(workload_file.arrival_times(path), path.stem)
    except workload_file.WorkloadError as error:
        raise given.error(str(error)) from None


def _partition_keys(value: "Value") -> PartitionKeys:
    kind, given = _one_of(value, value.keys(("uniform", "zipf", "hot")))
    if kind == "uniform":
        return Uniform(_up_to(MOST_KEYS)(given))
    pair = given.items()
    if len(pair) != 2:
        meaning = "[keys, s]" if kind == "zipf" else "[keys, share]"
        raise given.error(f"it has {len(pair)} numbers, not two: {meaning}")
    keys = _up_to(MOST_KEYS)(pair[0])
    return Zipf(keys, pair[1].number()) if kind == "zipf" else Hot(keys, _share(pair[1]))


def _one_of(value: "Value", kinds: "Mapping[str, Value]") -> "tuple[str, Value]":
    if len(kinds) != 1:
        raise value.error(f"it needs one kind, and has {' and '.join(kinds) or 'none'}")
    return next(iter(kinds.items()))


def _duration(value: "Value") -> Duration:
    given = value.keys((*_DURATION_KEYS, *_TRANSIT_KEYS))
    if set(given) == {"fixed"}:
        return Fixed(given["fixed"].number())
    if "base_ms" in given and not set(given) & set(_DURATION_KEYS):
        rare = _share(given["rare"]) if "rare" in given else 0.0
        return Transit(**({key: below.number() for key, below in given.items()} | {"rare": rare}))
    if set(given) != {"p50", "p99"}:
        raise value.error("it is neither {fixed: ms} nor {p50: ms, p99: ms}")
    p50, p99 = given["p50"].number(above=True), given["p99"].number(above=True)
    if p99 < p50:
        raise given["p99"].error(f"{p99:g} is less than p50, {p50:g}")
    return Lognormal(p50, p99)


def _transit(value: "Value", whole: "Value") -> Duration:
    """What a record needs to the buffer; `published`: what fits the latencies others have published of it."""
    if value.has_keys:
        return _duration(value)
    value.choice((_PUBLISHED,))
    named = whole.keys().get("buffer")
    return PUBLISHED[cast("Buffer", named.choice(BUFFERS)) if named else Scenario().buffer]


def _quotas(value: "Value") -> dict[str, float]:
    quotas = {}
    for name, given in value.keys(Quotas.table()).items():
        quotas[name] = given.number()
        try:
            Quotas.with_overrides({name: quotas[name]})
        except ValueError as error:
            raise given.error(str(error)) from None
    return quotas


def _share(value: "Value") -> float:
    share = value.number()
    if share > 1:
        raise value.error(f"{share:g} is more than 1; it is a share of all")
    return share


def _up_to(most: int) -> "Callable[[Value], int]":
    def read_whole(value: "Value") -> int:
        number = value.whole(1)
        if number > most:
            raise value.error(f"{number:,} is more than {most:,}")
        return number

    return read_whole


def _limited(name: str, *, whole: bool = True) -> "Reader":
    limit = LIMITS[name]
    least = min(limit.least, limit.least if limit.unset is None else limit.unset)

    def read_limited(value: "Value") -> float:
        # Below what any limit has, the document's own words would hide AWS's range.
        number: float = value.whole(-(2**63)) if whole else value.number(-float(2**63))
        if number < least or not limit.allows(number):
            raise value.error(f"{number:,g}: {limit}")
        return number

    return read_limited


def _or_none(read_value: "Reader") -> "Reader":
    return lambda value: None if value.is_null else read_value(value)


def _provisioned(value: "Value") -> Provisioned:
    names = ("minimum_pollers", "maximum_pollers")
    values = value.keys(names, names)
    least, most = (int(_limited(name)(values[name])) for name in names)
    if least > most:
        raise values["maximum_pollers"].error(f"{most} is less than minimum_pollers, {least}")
    return Provisioned(least, most)


_MAPPING: "Final[Mapping[str, Reader]]" = {
    "batch_size": _limited("batch_size"),
    "batching_window_s": _limited("batching_window_s", whole=False),
    "maximum_concurrency": _or_none(_limited("maximum_concurrency")),
    "provisioned": _or_none(_provisioned),
    "visibility_timeout_s": _limited("visibility_timeout_s", whole=False),
    "max_receive_count": _or_none(_limited("max_receive_count")),
    "high_throughput": lambda value: value.flag(),
    "shards": _or_none(_up_to(MOST_SHARDS)),
    "parallelization_factor": _limited("parallelization_factor"),
    "bisect": lambda value: value.flag(),
    "maximum_retry_attempts": _limited("maximum_retry_attempts"),
    "maximum_record_age_s": _or_none(_limited("maximum_record_age_s", whole=False)),
    "maximum_event_age_s": _limited("maximum_event_age_s", whole=False),
    "partial_failures": lambda value: value.flag(),
    "on_failure": lambda value: value.flag(),
}
_FUNCTION: "Final[Mapping[str, Reader]]" = {
    "reserved_concurrency": _or_none(lambda value: value.whole()),
    "timeout_s": _limited("timeout_s", whole=False),
    "cold_start_ms": _duration,
    "invocation_ms": _duration,
    "per_record_ms": _duration,
    "in_batch_concurrency": _up_to(LIMITS["batch_size"].most),
    "error_rate": _share,
    "poison_rate": _share,
    "memory_mb": _limited("memory_mb"),
}
_DOWNSTREAM: "Final[Mapping[str, Reader]]" = {
    "rate_per_s": _or_none(lambda value: value.number(above=True)),
    "sdk_attempts": _or_none(_up_to(_MOST_ATTEMPTS)),
    "backoff_first_s": lambda value: value.number(),
    "backoff_max_s": lambda value: value.number(),
    "burst_s": lambda value: value.number(above=True),
}


def _refuse_what_aws_refuses(scenario: Scenario, whole: "Value") -> None:
    """What only several settings together make impossible. Sources: Lambda developer guide, with-sqs and
    services-sqs-configure; Lambda API, CreateEventSourceMapping (H).
    """

    def refuse(key: str, fault: str) -> None:
        raise DocumentError(f"{whole.at(key).place}: {key}: {fault}")

    mapping, timeout_s = scenario.mapping, scenario.function.timeout_s
    if scenario.buffer not in ("sqs", "sqs-fifo"):
        return
    if mapping.visibility_timeout_s < timeout_s:
        refuse(
            "mapping.visibility_timeout_s",
            f"{mapping.visibility_timeout_s:g} s is less than the function's timeout, {timeout_s:g} s; AWS refuses "
            "such a mapping, and advises six times the timeout",
        )
    if mapping.provisioned is not None and mapping.maximum_concurrency is not None:
        refuse("mapping.provisioned", "AWS takes either provisioned mode or a maximum_concurrency")
    if scenario.buffer == "sqs-fifo":
        if mapping.batch_size > Quotas.sqs_fifo_batch_max:
            refuse(
                "mapping.batch_size",
                f"{mapping.batch_size:,}: AWS takes 1 to {Quotas.sqs_fifo_batch_max} of a FIFO queue",
            )
        if mapping.batching_window_s:
            refuse("mapping.batching_window_s", "AWS takes no batching window of a FIFO queue; set it to 0")
    elif mapping.batch_size > _LARGEST_BATCH_WITHOUT_WINDOW and mapping.batching_window_s < 1:
        refuse(
            "mapping.batch_size",
            f"{mapping.batch_size:,}: above {_LARGEST_BATCH_WITHOUT_WINDOW} AWS asks for a batching_window_s of 1 s "
            "or more",
        )
