"""A fault: at which edge, what happens there, and to whom or when.

    {"edge": "rekognition", "effect": "answer", "status": 400, "code": "AccessDeniedException",
     "requests": {"run-1": {"12": 1, "40": null}}}      the first try of request 12 of that run, every try of request 40
    {"edge": "sqs", "effect": "answer", "status": 503, "code": "ServiceUnavailable",
     "from": 1732400000.0, "until": 1732400010.0}       every call of ten seconds
    {"edge": "function", "effect": "kill", "after_ms": 80, "requests": {...}}    the invocation that carries the request

Requests are known by what a load test puts on them, `run.id` and `run.sequence`; Rekognition, which is shown nothing
but the image, by the image's mark (pipeline.image_mark).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

# A request of a load test: its run's id and its number in it.
Request = tuple[str, int]


class PlanError(ValueError):
    """A document that is no plan of faults; the text says which fault of it and why."""


class Edge(StrEnum):
    """Where a fault happens."""

    REKOGNITION = "rekognition"
    DYNAMODB = "dynamodb"
    KINESIS = "kinesis"
    SQS = "sqs"
    SNS = "sns"
    FUNCTION = "function"


class Effect(StrEnum):
    """What happens. The first three are a service's, the others an invocation's."""

    ANSWER = "answer"
    """The call is answered with an error, and nothing is done."""
    BREAK_OFF = "break-off"
    """The call is done, and the connection breaks off in place of its answer."""
    SLOW = "slow"
    """The answer takes `factor` times as long."""
    KILL = "kill"
    """The handler's process is killed (SIGKILL) `after_ms` at work."""
    HANG = "hang"
    """The handler's process is stopped (SIGSTOP) `after_ms` at work, so that its time runs out."""
    STARVE = "starve"
    """The handler's process is killed as soon as it holds more than `memory_mb`."""
    GARBLE = "garble"
    """The handler's runtime is given an event that breaks off, and ends the invocation with an error."""
    REPEAT = "repeat"
    """The event is delivered twice at once, the second time in an environment of its own if there is one left."""
    LOSE_ANSWER = "lose-answer"
    """The invocation ends as it would, and whoever delivers is told that it failed."""


_OF_SERVICES: Final = frozenset({Effect.ANSWER, Effect.BREAK_OFF, Effect.SLOW})
_KEYS: Final = frozenset(
    {"edge", "effect", "status", "code", "factor", "after_ms", "memory_mb", "requests", "from", "until"}
)


@dataclass(slots=True)
class Fault:
    """One fault. `left` says of each request it is meant for how many tries are still struck, None for every one.

    Without requests it strikes whatever comes. `after_ms`, `memory_mb` and `factor` are their effects' own. `struck`
    counts what it has done; `first_at` and `last_at` say when, in seconds since the epoch.
    """

    edge: Edge
    effect: Effect
    status: int = 500
    code: str = "InternalServerError"
    factor: float = 1.0
    after_ms: float = 0.0
    memory_mb: float = 0.0
    left: dict[Request, int | None] | None = None
    since: float = -math.inf
    until: float = math.inf
    struck: int = 0
    first_at: float | None = None
    last_at: float | None = None

    @classmethod
    def from_document(cls, document: Any) -> "Fault":
        """Read a fault.

        Raises:
            PlanError: it is none.
        """
        if not isinstance(document, dict):
            raise PlanError("it is no object")
        if unknown := sorted(set(document) - _KEYS):
            raise PlanError(f"it has {', '.join(map(str, unknown))}; a fault has {', '.join(sorted(_KEYS))}")
        edge, effect = _choice(document, "edge", Edge), _choice(document, "effect", Effect)
        if (effect in _OF_SERVICES) == (edge is Edge.FUNCTION):
            raise PlanError(f"{effect.value} is nothing that can happen at {edge.value}")
        return cls(
            edge=edge,
            effect=effect,
            status=_status(document),
            code=str(document.get("code", "InternalServerError")),
            factor=_number(document, "factor", 1.0),
            after_ms=_number(document, "after_ms", 0.0),
            memory_mb=_number(document, "memory_mb", 0.0),
            left=None if document.get("requests") is None else _requests(document["requests"]),
            since=_number(document, "from", -math.inf),
            until=_number(document, "until", math.inf),
        )

    def to_document(self) -> dict[str, Any]:
        """What it has done."""
        return {
            "edge": self.edge.value,
            "effect": self.effect.value,
            "struck": self.struck,
            "first_at": self.first_at,
            "last_at": self.last_at,
        }

    def strike(self, now: float) -> None:
        """Note that it has happened once."""
        self.struck += 1
        self.first_at = now if self.first_at is None else self.first_at
        self.last_at = now

    def take(self, request: Request) -> bool:
        """Whether it is meant for this try of a request; a try is taken off."""
        assert self.left is not None
        if request not in self.left:
            return False
        tries = self.left[request]
        if tries is not None:
            if tries <= 1:
                del self.left[request]
            else:
                self.left[request] = tries - 1
        return True


def read_faults(document: Any) -> list[Fault]:
    """Read a plan: {"faults": [...]}.

    Raises:
        PlanError: it is none.
    """
    faults = document.get("faults") if isinstance(document, dict) else None
    if not isinstance(faults, list):
        raise PlanError('a plan is an object like {"faults": []}')
    read = []
    for number, each in enumerate(faults):
        try:
            read.append(Fault.from_document(each))
        except PlanError as error:
            raise PlanError(f"faults[{number}]: {error}") from None
    return read


def _choice(document: Mapping[str, Any], name: str, of: type[Any]) -> Any:
    try:
        return of(document.get(name))
    except ValueError:
        known = ", ".join(each.value for each in of)
        raise PlanError(f"{name} is {document.get(name)!r}; there are {known}") from None


def _status(document: Mapping[str, Any]) -> int:
    status = document.get("status", 500)
    if type(status) is not int or not 100 <= status <= 599:
        raise PlanError(f"status is {status!r}, which is no status of HTTP")
    return status


def _number(document: Mapping[str, Any], name: str, otherwise: float) -> float:
    value = document.get(name, otherwise)
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise PlanError(f"{name} is {value!r}, which is no number")
    return value


def _requests(document: Any) -> dict[Request, int | None]:
    requests: dict[Request, int | None] = {}
    if not isinstance(document, dict):
        raise PlanError("requests is no object of runs")
    for run_id, numbers in document.items():
        if not isinstance(numbers, dict):
            raise PlanError(f"requests of {run_id} is no object of numbers and tries")
        for number, tries in numbers.items():
            if not number.isdecimal() or not (tries is None or (type(tries) is int and tries > 0)):
                raise PlanError(f"requests of {run_id}: {number!r}: {tries!r} is no number with its tries")
            requests[run_id, int(number)] = tries
    return requests
