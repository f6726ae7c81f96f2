import json
from types import SimpleNamespace

import pytest
from flask import Flask, jsonify

from loadtest._live import LiveView
from loadtest._observation import Observation
from loadtest._workload import read
from pipeline.workload_file import find


def view_of(seconds):
    live = LiveView()
    live.began("r1", read(find("spike")))
    live.turn_began("sns", 1_000.0)
    for second in range(1, seconds + 1):
        live.observed(
            Observation("sns", (1_000 + second) * 1_000.0, second, second, None, 0, 3, 0, 1, 0, 0, oldest_age_s=1.5)
        )
    return live


def served(live, state="ready"):
    """A client of a page like Locust's, with the view in it."""
    app = Flask(__name__)
    app.add_url_rule("/stats/requests", view_func=lambda: jsonify({"state": state, "user_count": 1}))
    environment = SimpleNamespace(parsed_options=SimpleNamespace(web_base_path=""))
    live.show_in(
        SimpleNamespace(app=app, environment=environment, template_args={}, auth_required_if_enabled=lambda view: view)
    )
    return app.test_client()


def test_before_a_run_there_is_none():
    live = LiveView().to_json()

    assert live["run"] is None
    assert live["buffers"] == []


def test_a_run_has_its_buffers_in_turn_with_points_named_by_columns():
    live = view_of(2).to_json()

    assert json.loads(json.dumps(live)) == live
    assert [(turn["buffer"], turn["began"], turn["drained"]) for turn in live["buffers"]] == [
        ("sns", True, None), ("sqs", False, None), ("kinesis", False, None), ("kinesis-efo", False, None),
    ]  # fmt: skip
    last = dict(zip(live["columns"], live["buffers"][0]["points"][-1], strict=True))
    assert last["second"] == 2.0
    assert (last["offered"], last["completed"], last["backlog"], last["oldest_age_s"]) == (2, None, 3, 1.5)


def test_a_turn_tells_how_long_it_sends_and_how_much_longer_it_takes():
    waiting, over = view_of(4), view_of(4)
    over.turn_ended("sns", drained=True)

    sending, *others = waiting.to_json()["buffers"]
    assert sending["duration"] == 25.0
    assert sending["left_s"] is None, "a target that does not tell what is completed"
    assert {turn["left_s"] for turn in others} == {None}
    waiting.observed(Observation("sns", 1_010_000.0, 50, 50, 40, 0, 10, 0, 1, 0, 0, oldest_age_s=1.5))
    assert waiting.to_json()["buffers"][0]["left_s"] == 15 + 10 / (40 / 10)
    over.observed(Observation("sns", 1_010_000.0, 50, 50, 40, 0, 10, 0, 1, 0, 0, oldest_age_s=1.5))
    assert over.to_json()["buffers"][0]["left_s"] is None, "it is over"


def test_a_long_turn_is_thinned_out_and_keeps_its_last_point():
    points = view_of(5_000).to_json()["buffers"][0]["points"]

    assert len(points) <= 601
    assert points[0][0] == 1.0
    assert points[-1][0] == 5_000.0


def test_a_run_whose_report_is_made_has_ended(tmp_path):
    live = view_of(3)
    live.ended(())
    live.phase("making the report")

    live.reported(tmp_path / "report.html")

    assert live.to_json()["phase"] == "ended"


def test_a_report_leads_to_the_data_beside_it_and_to_nothing_else(tmp_path):
    run = tmp_path / "runs" / "r1"
    run.mkdir(parents=True)
    (run / "report.html").write_text('<a href="joined.parquet">')
    (run / "joined.parquet").write_bytes(b"PAR1")
    (tmp_path / "runs" / "secret").write_text("of another run")
    live = view_of(1)
    client = served(live)
    assert client.get("/forebay/run/report.html").status_code == 404, "there is none yet"

    live.reported(run / "report.html")

    report = live.to_json()["report"].removeprefix(".")
    assert b"joined.parquet" in client.get(report).data
    assert client.get(report.replace("report.html", "joined.parquet")).data == b"PAR1"
    assert client.get("/forebay/run/../secret").status_code == 404
    assert client.get("/forebay/run/%2e%2e%2fsecret").status_code == 404


def test_the_next_run_begins_with_an_empty_view(tmp_path):
    live = view_of(3)
    live.turn_ended("sns", drained=True)
    live.ended(("it was late",))
    live.reported(tmp_path / "report.html")
    assert live.to_json()["invalid_because"] == ["it was late"]
    assert live.to_json()["report"] is not None

    live.began("r2", read(find("spike")))

    assert live.to_json()["run"] == "r2"
    assert live.to_json()["invalid_because"] is None
    assert live.to_json()["report"] is None
    assert all(turn["points"] == [] for turn in live.to_json()["buffers"])


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("ready", "ready"),
        ("spawning", "spawning"),
        ("running", "running"),
        # Told these two, the page would stop asking, and never learn that the run has ended.
        ("cleanup", "running"),
        ("stopping", "running"),
        ("stopped", "stopped"),
    ],
)
def test_locusts_page_asks_on_until_a_run_has_stopped(state, told):
    asked = served(LiveView(), state).get("/stats/requests")

    assert asked.get_json() == {"state": told, "user_count": 1}
