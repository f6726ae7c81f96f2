"""The settings of a consumer function, as infra.yaml gives them in its environment."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class SettingsError(ValueError):
    """A variable that is missing or wrong; the text names it and the cure."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a consumer function needs to know.

    `min_confidence` is in percent. `in_batch_concurrency` is how many images of one batch are at Rekognition at once.
    """

    results_table: str
    result_ttl_days: int
    min_confidence: float
    max_labels: int
    in_batch_concurrency: int

    @classmethod
    def from_environment(cls, environment: "Mapping[str, str]") -> "Settings":
        """Read the variables RESULTS_TABLE, RESULT_TTL_DAYS, MIN_CONFIDENCE, MAX_LABELS, IN_BATCH_CONCURRENCY.

        Raises:
            SettingsError: one is missing, or is not of its range.
        """
        return cls(
            results_table=_read(environment, "RESULTS_TABLE", str, None, "the name of the results table"),
            result_ttl_days=_read(environment, "RESULT_TTL_DAYS", int, (1, 3_650), "a whole number of days"),
            min_confidence=_read(environment, "MIN_CONFIDENCE", float, (0, 100), "a number in percent"),
            # The range of DetectLabels' MaxLabels that yields anything (API:MaxLabels, default 1,000).
            max_labels=_read(environment, "MAX_LABELS", int, (1, 1_000), "a whole number"),
            in_batch_concurrency=_read(environment, "IN_BATCH_CONCURRENCY", int, (1, 256), "a whole number"),
        )


@dataclass(frozen=True, slots=True)
class SyncSettings:
    """What the synchronous function needs to know, beside `Settings`. The timeout is that of the integration."""

    image_bucket: str
    integration_timeout_ms: int

    @classmethod
    def from_environment(cls, environment: "Mapping[str, str]") -> "SyncSettings":
        """Read the variables IMAGE_BUCKET and INTEGRATION_TIMEOUT_MS.

        Raises:
            SettingsError: one is missing, or is not of its range.
        """
        return cls(
            image_bucket=text_setting(environment, "IMAGE_BUCKET", "the name of the image bucket"),
            # API:PutIntegration.timeoutInMillis: 50 ms at the least; a Regional API's may be raised above 29 s, and a
            # function's own end is at 900 s.
            integration_timeout_ms=whole_setting(
                environment, "INTEGRATION_TIMEOUT_MS", "a whole number of ms", 50, 900_000
            ),
        )


@dataclass(frozen=True, slots=True)
class NotificationSettings:
    """Where a worker says that a result is stored."""

    callback_queue_url: str
    push_queue_url: str

    @classmethod
    def from_environment(cls, environment: "Mapping[str, str]") -> "NotificationSettings":
        """Read the variables CALLBACK_QUEUE_URL and PUSH_QUEUE_URL.

        Raises:
            SettingsError: one is missing.
        """
        return cls(
            callback_queue_url=text_setting(environment, "CALLBACK_QUEUE_URL", "the URL of the callbacks' queue"),
            push_queue_url=text_setting(environment, "PUSH_QUEUE_URL", "the URL of the pushes' queue"),
        )


@dataclass(frozen=True, slots=True)
class WebSocketSettings:
    """What the WebSocket function needs to know, beside what its intake does."""

    results_table: str
    connections_table: str
    watchers_table: str
    push_queue_url: str

    @classmethod
    def from_environment(cls, environment: "Mapping[str, str]") -> "WebSocketSettings":
        """Read the variables RESULTS_TABLE, CONNECTIONS_TABLE, WATCHERS_TABLE, PUSH_QUEUE_URL.

        Raises:
            SettingsError: one is missing.
        """
        return cls(
            results_table=text_setting(environment, "RESULTS_TABLE", "the name of the results table"),
            connections_table=text_setting(environment, "CONNECTIONS_TABLE", "the name of the connections table"),
            watchers_table=text_setting(environment, "WATCHERS_TABLE", "the name of the watchers table"),
            push_queue_url=text_setting(environment, "PUSH_QUEUE_URL", "the URL of the pushes' queue"),
        )


@dataclass(frozen=True, slots=True)
class PushSettings:
    """What the push function needs to know. `endpoint` is the WebSocket stage's, for @connections."""

    results_table: str
    connections_table: str
    watchers_table: str
    endpoint: str

    @classmethod
    def from_environment(cls, environment: "Mapping[str, str]") -> "PushSettings":
        """Read the variables RESULTS_TABLE, CONNECTIONS_TABLE, WATCHERS_TABLE, WEBSOCKET_ENDPOINT.

        Raises:
            SettingsError: one is missing.
        """
        return cls(
            results_table=text_setting(environment, "RESULTS_TABLE", "the name of the results table"),
            connections_table=text_setting(environment, "CONNECTIONS_TABLE", "the name of the connections table"),
            watchers_table=text_setting(environment, "WATCHERS_TABLE", "the name of the watchers table"),
            endpoint=text_setting(environment, "WEBSOCKET_ENDPOINT", "the https URL of the WebSocket API's stage"),
        )


def text_setting(environment: "Mapping[str, str]", name: str, what: str) -> str:
    """Read a variable that is a text; `what` says what it has to be set to.

    Raises:
        SettingsError: it is missing or empty.
    """
    return str(_read(environment, name, str, None, what))


def whole_setting(environment: "Mapping[str, str]", name: str, what: str, least: int, most: int) -> int:
    """Read a variable that is a whole number from `least` to `most`; `what` says what of.

    Raises:
        SettingsError: it is missing, or is not of its range.
    """
    return int(_read(environment, name, int, (least, most), what))


def _read(
    environment: "Mapping[str, str]",
    name: str,
    kind: "Callable[[str], Any]",
    bounds: tuple[float, float] | None,
    what: str,
) -> Any:
    form = what if bounds is None else f"{what} from {bounds[0]:,} to {bounds[1]:,}"
    text = environment.get(name, "").strip()
    if not text:
        raise SettingsError(f"the variable {name} is not set: set it to {form}, as infra.yaml does")
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or (bounds is not None and not bounds[0] <= value <= bounds[1]):
        raise SettingsError(f"the variable {name} is {text[:80]!r}: set it to {form}")
    return value
