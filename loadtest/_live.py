"""The live view: what Locust's page shows of a run, as a tab of its own that draws from a JSON route of ours."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flask import Blueprint, Response, abort, jsonify, request, send_from_directory
from flask.json import dumps

from loadtest._time_left import TimeLeft

if TYPE_CHECKING:
    from locust.web import WebUI

    from loadtest._observation import Observation
    from loadtest._workload import Workload

_STATIC: Final = Path(__file__).parent / "static"
_TAB: Final = {"title": "Forebay", "key": "forebay"}
_HEAD: Final = (
    b'<link rel="stylesheet" href="./forebay/live.css"><script src="./forebay/live.js" defer></script></body>'
)
# A chart has no more pixels across than this; a longer turn is sent in wider steps.
_MOST_POINTS: Final = 600
_POINT: Final = (
    "offered", "accepted", "rejected", "unanswered", "dropped", "completed", "backlog", "dead_lettered", "throttles",
    "concurrency", "oldest_age_s",
)  # fmt: skip


@dataclass(slots=True)
class _Turn:
    route: str | None
    duration: float
    time_left: TimeLeft
    starts_at: float | None = None
    drained: bool | None = None
    left_s: float | None = None
    points: list[list[float | None]] = field(default_factory=list)

    def to_json(self, buffer: str) -> dict[str, Any]:
        step = -(-len(self.points) // _MOST_POINTS) or 1
        thinned = self.points[::step]
        if self.points and thinned[-1] is not self.points[-1]:
            thinned.append(self.points[-1])
        return {
            "buffer": buffer,
            "route": self.route,
            "began": self.starts_at is not None,
            "drained": self.drained,
            "duration": self.duration,
            "left_s": self.left_s if self.drained is None else None,
            "points": thinned,
        }


class LiveView:
    """An observer that keeps the present run, or the last, for the page."""

    def __init__(self) -> None:
        self._run: dict[str, Any] = {"run": None, "phase": "no run yet", "invalid_because": None}
        self._turns: dict[str, _Turn] = {}
        self._report: Path | None = None

    def began(self, run_id: str, workload: "Workload") -> None:
        """Begin anew."""
        self._run = {
            "run": run_id,
            "why": " ".join(workload.why.split()),
            "phase": "",
            "invalid_because": None,
        }
        self._turns = {
            way.name: _Turn(way.route, load.rate.duration, TimeLeft(load.rate.duration, load.cut_off_s))
            for way, load in ((way, workload.of(way)) for way in workload.ways)
        }
        self._report = None

    def phase(self, text: str) -> None:
        """What the run does now."""
        self._run["phase"] = text

    def turn_began(self, buffer: str, starts_at: float) -> None:
        """The chart's second 0."""
        self._turns[buffer].starts_at = starts_at

    def observed(self, observation: "Observation") -> None:
        """One more point."""
        turn = self._turns[observation.buffer]
        assert turn.starts_at is not None
        second = round(observation.at / 1_000 - turn.starts_at, 2)
        turn.points.append([second, *(getattr(observation, name) for name in _POINT)])
        turn.left_s = turn.time_left.observed(second, observation)

    def turn_ended(self, buffer: str, *, drained: bool) -> None:
        """Drained or not."""
        self._turns[buffer].drained = drained

    def ended(self, invalid_because: tuple[str, ...]) -> None:
        """Valid or not."""
        self._run["phase"] = "ended"
        self._run["invalid_because"] = list(invalid_because)

    def reported(self, report: Path) -> None:
        """The page can show it."""
        self._run["phase"] = "ended"
        self._report = report

    def to_json(self) -> dict[str, Any]:
        """What the page draws: the run, and for each buffer a list of points, named by `columns`."""
        return {
            **self._run,
            "report": f"./forebay/run/{self._report.name}" if self._report else None,
            "columns": ["second", *_POINT],
            "buffers": [turn.to_json(buffer) for buffer, turn in self._turns.items()],
        }

    def show_in(self, web_ui: "WebUI") -> None:
        """Add the tab, its route and its script to Locust's page."""
        assert web_ui.app is not None
        pages = Blueprint("forebay", __name__, url_prefix=web_ui.environment.parsed_options.web_base_path or None)  # type: ignore[union-attr]

        @pages.route("/forebay/live.json")
        @web_ui.auth_required_if_enabled
        def live() -> Response:
            return jsonify(self.to_json())

        @pages.route("/forebay/run/<name>")
        @web_ui.auth_required_if_enabled
        def report(name: str) -> Response:
            # The report leads to the data beside it.
            if self._report is None:
                abort(404)
            return send_from_directory(self._report.parent.resolve(), name)

        @pages.route("/forebay/<path:name>")
        @web_ui.auth_required_if_enabled
        def static(name: str) -> Response:
            return send_from_directory(_STATIC, name)

        @web_ui.app.after_request
        def keep_asking(response: Response) -> Response:
            # Locust's page asks on only while a run is "spawning" or "running". Should it ask in the moment between the
            # two states "cleanup" and "stopped", it would never ask again and never offer another run.
            if response.mimetype == "application/json" and request.path.endswith("/stats/requests"):
                figures = response.get_json()
                if figures["state"] in ("cleanup", "stopping"):
                    response.set_data(dumps({**figures, "state": "running"}))
            return response

        @web_ui.app.after_request
        def inject(response: Response) -> Response:
            # Locust offers tabs but nothing to put into them other than tables.
            if response.mimetype == "text/html" and not response.direct_passthrough:
                response.set_data(response.get_data().replace(b"</body>", _HEAD, 1))
            return response

        web_ui.app.register_blueprint(pages)
        web_ui.template_args["extended_tabs"] = [_TAB]
