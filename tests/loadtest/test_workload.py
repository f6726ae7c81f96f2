import contextlib
import json
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest._groups import Groups
from loadtest._workload import DEFAULT_IMAGES, PHOTOS, read
from pipeline.request import BUFFERS
from pipeline.workload_file import WORKLOADS, WorkloadError, arrival_times, find

LONG = "x" * 1_000
GOOD = """\
name: tiny
why: to be read
seed: 1
buffers: [sns, sqs]
rate:
  - [0, 10]
  - [30, 10]
cut_off_s: 20
"""


@pytest.fixture
def workload(tmp_path):
    def write(text):
        path = tmp_path / "w.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_workload_is_read_with_the_default_images(workload):
    tiny = read(workload(GOOD))

    assert (tiny.name, tiny.seed, tiny.buffers, tiny.cut_off_s) == ("tiny", 1, ("sns", "sqs"), 20.0)
    assert tiny.rate.total == 300
    assert tiny.images == DEFAULT_IMAGES
    assert tiny.local == {}
    assert json.loads(json.dumps(tiny.document))["rate"] == [[0, 10], [30, 10]]


def test_images_and_local_options_are_read(workload):
    tiny = read(
        workload(
            GOOD
            + "images: [{photo: coffee.jpg, weight: 2, width: 200}, {photo: coffee.jpg}]\n"
            + "local: {account_concurrency: 10, prewarm: false, seed: abc, quota: {a: 1}}\n"
        )
    )

    assert [(image.name, image.weight) for image in tiny.images] == [("coffee-200", 2.0), ("coffee", 1.0)]
    assert tiny.images[0].photo == PHOTOS / "coffee.jpg"
    assert tiny.local == {"account_concurrency": 10, "prewarm": False, "seed": "abc", "quota": {"a": 1}}


def test_a_photo_beside_the_workload_is_found(workload, tmp_path):
    (tmp_path / "own.jpg").write_bytes((PHOTOS / "coffee.jpg").read_bytes())

    assert read(workload(GOOD + "images: [{photo: own.jpg}]\n")).images[0].photo == tmp_path / "own.jpg"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (GOOD.replace("seed: 1", "sede: 1"), 3, "sede: there is no such key; did you mean seed?"),
        (GOOD + "seed: 2\n", 9, "seed: it stands here a second time, first in line 3"),
        (GOOD.replace("seed: 1\n", ""), 1, "seed is missing"),
        (GOOD.replace("seed: 1", "seed: one"), 3, "seed: it is a text ('one'), not a whole number"),
        (GOOD.replace("seed: 1", "seed: true"), 3, "seed: it is true or false ('true'), not a whole number"),
        (GOOD.replace("seed: 1", "seed: -1"), 3, "seed: -1 is less than 0"),
        (GOOD.replace("seed: 1", "seed:"), 3, "seed: it is empty, not a whole number"),
        (GOOD.replace("tiny", "''"), 1, "name: it is empty"),
        (GOOD.replace("tiny", "../up"), 1, "name: '../up' is not made of"),  # it becomes a folder
        (GOOD.replace("tiny", "x" * 61), 1, "at most 60 letters"),
        (
            GOOD.replace("sqs]", "sqz]"),
            4,
            "buffers[1]: 'sqz' is none of sns, sqs, kinesis, kinesis-efo; did you mean sqs?",
        ),
        (GOOD.replace("sqs]", "sns]"), 4, "buffers[1]: sns stands here twice"),
        (GOOD.replace("[sns, sqs]", "[]"), 4, "buffers: it names none of"),
        (GOOD.replace("[sns, sqs]", "sns"), 4, "buffers: it is a text ('sns'), not a list"),
        (GOOD.replace("[30, 10]", "[30]"), 7, "rate[1]: it has 1 numbers, not two"),
        (GOOD.replace("[0, 10]", "[1, 10]"), 6, "rate[0]: the first knot is not at second 0"),
        (GOOD.replace("- [30, 10]", "- [30, 10]\n  - [20, 10]"), 8, "rate[2]: second 20 comes after second 30"),
        (GOOD.replace("[30, 10]", "[30, -1]"), 7, "rate[1][1]: -1 is less than 0"),
        (GOOD.replace("[30, 10]", "[30, .inf]"), 7, "rate[1][1]: inf is not a finite number"),
        (GOOD.replace("[30, 10]", "[30, .nan]"), 7, "rate[1][1]: nan is not a finite number"),
        (GOOD.replace("  - [30, 10]\n", ""), 6, "rate: it needs two knots"),
        (GOOD.replace("[0, 10]", "[0, 0]").replace("[30, 10]", "[30, 0]"), 6, "rate: not one arrival"),
        (
            GOOD.replace("[30, 10]", "[30, 1e9]"),
            7,
            "YAML takes 1e9 for a text, not a number; write 1.0e+9",
        ),  # YAML 1.1 wants 1.0e+9
        (GOOD.replace("[30, 10]", "[3000, 10000]"), 6, "15,015,000 arrivals; 5,000,000 are the most"),
        (GOOD.replace("20", "0"), 8, "cut_off_s: 0 is not more than 0"),
        (GOOD + "images: [{photo: cofee.jpg}]\n", 9, "there is no photo 'cofee.jpg'"),
        (GOOD + "images: [{photo: ../../../etc/passwd}]\n", 9, "there is no photo"),
        (
            GOOD + "images: [{photo: coffee.jpg, wieght: 2}]\n",
            9,
            "images[0].wieght: there is no such key; did you mean",
        ),
        (GOOD + "images: [{photo: coffee.jpg, weight: 0}]\n", 9, "images[0].weight: 0 is not more than 0"),
        (GOOD + "images: [{photo: coffee.jpg, width: 5000}]\n", 9, "images[0].width: 5000 is more than 4096"),
        (GOOD + "images: [{photo: coffee.jpg}, {photo: coffee.jpg}]\n", 9, "images[1]: coffee stands here twice"),
        (GOOD + "images: []\n", 9, "images: it names no image"),
        (
            GOOD + "images: [{photo: coffee.jpg, weight: 2000000}]\n",
            9,
            "images[0].weight: 2e+06 is more than 1,000,000",
        ),
        (GOOD.replace("20", "1.0e+300"), 8, "cut_off_s: 1e+300 seconds are more than 604,800, a week"),
        (GOOD.replace("20", "2e1"), 8, "cut_off_s: YAML takes 2e1 for a text, not a number; write 2.0e+1"),
        (GOOD.replace("20", "two"), 8, "cut_off_s: it is a text ('two'), not a number"),
        (
            GOOD.replace("buffers: [sns, sqs]", "route: /x") + "local: {a: 1}\n",
            9,
            "local: they are for buffers on this",
        ),
        (GOOD + "local: [1]\n", 9, "local: it is a list, not keys and values"),
        (GOOD + "local: {a: [1]}\n", 9, "local.a: it is a list, not a text, a number, true or false"),
        (GOOD + "local: {1: 2}\n", 9, "local: it is a whole number ('1'), not a text"),
        (GOOD + "local: &x {a: *x}\n", 9, "*x is an alias"),  # an alias can hold itself
        (GOOD + "why: [\n", 10, "this is not YAML"),
        (GOOD + "\tx: 1\n", 9, "this is not YAML"),
        ("- 1\n", 1, "it is a list, not keys and values"),
    ],
)
def test_a_faulty_workload_is_refused_with_file_line_and_key(workload, text, line, says):
    path = workload(text)

    with pytest.raises(WorkloadError) as refused:
        read(path)

    assert str(refused.value).startswith(f"{path}:{line}: ")
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it is empty"),
        ("# only a remark\n", "it is empty"),
        ("a: !!python/object/apply:os.system [ls]\n", "there is no such key"),  # nothing is built of a tag
        ("a: 1\n---\nb: 1\n", "this is not YAML"),
        ("\x00", "this is not YAML"),
        ("[" * 2_000, "nested too deeply|not YAML"),
    ],
)
def test_what_is_no_workload_at_all_is_refused(workload, text, says):
    with pytest.raises(WorkloadError, match=says):
        read(workload(text))


def test_a_file_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "w.yaml"
    path.write_bytes(b"\xff\xfe\xfa")

    with pytest.raises(WorkloadError, match="cannot be read"):
        read(path)


@given(st.text(max_size=200))
def test_any_text_is_a_workload_or_refused(text):
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(WorkloadError):
        path = Path(folder) / "w.yaml"
        path.write_text(text, encoding="utf-8", errors="replace")
        read(path)


def test_a_name_is_one_of_ours_and_anything_else_a_file(workload):
    path = workload(GOOD)

    assert find("smoke") == WORKLOADS / "smoke.yaml"
    assert find(str(path)) == path


@pytest.mark.parametrize(
    "text",
    [
        LONG,  # any text file, given by mistake
        f"? {LONG}\n: 1\n",
        f"!{LONG} 1",
        GOOD.replace("tiny", LONG),
        GOOD.replace("seed: 1", f"seed: {LONG}"),
        GOOD.replace("seed: 1", "seed: -" + "1" * 1_000),
        GOOD.replace("20", "1" * 300 + "e1"),
        GOOD.replace("[sns, sqs]", f"[{LONG}]"),
        GOOD.replace("buffers: [sns, sqs]", f"buffer: sqs\npatterns: [{LONG}]"),
        GOOD.replace("buffers: [sns, sqs]", f"route: {LONG}"),
        GOOD + f"images: [{{photo: {LONG}}}]\n",
        GOOD + f"local: *{LONG}\n",
    ],
)
def test_an_error_quotes_no_more_than_the_beginning_of_a_long_text(workload, text):
    with pytest.raises(WorkloadError) as refused:
        read(workload(text))
    assert re.search(r"(x{70}|1{70}).*\.\.\.", str(refused.value))
    assert not re.search("x{81}|1{81}", str(refused.value))


@pytest.mark.parametrize(
    ("name", "says"), [("smoek", "did you mean smoke?"), ("qqq", "there are patterns, smoke, spike, stall, steady")]
)
def test_a_workload_that_is_not_there_is_refused_with_those_that_are(name, says):
    with pytest.raises(WorkloadError) as refused:
        find(name)

    assert says in str(refused.value)


@pytest.mark.parametrize("path", sorted(WORKLOADS.glob("*.yaml")), ids=lambda path: path.stem)
def test_each_workload_of_ours_is_sound_and_called_as_its_file(path):
    workload = read(path)

    assert workload.name == path.stem
    assert workload.buffers == (() if workload.route else ("sqs",) if workload.has_patterns else BUFFERS)


@pytest.mark.parametrize(("name", "seconds"), [("spike", 360), ("smoke", 90)])
def test_a_workload_fits_its_time_even_if_every_buffer_is_cut_off(name, seconds):
    workload = read(find(name))

    assert len(workload.ways) * (workload.rate.duration + workload.cut_off_s) < seconds


PATTERNS = GOOD.replace("buffers: [sns, sqs]", "patterns: [sync, polling-1s, callback, websocket]\nbuffer: kinesis")


def test_patterns_in_place_of_buffers_go_through_one_buffer(workload):
    tiny = read(workload(PATTERNS))

    assert [way.name for way in tiny.ways] == ["sync", "polling-1s", "callback", "websocket"]
    assert tiny.buffers == ("kinesis",)
    assert (tiny.has_patterns, tiny.has("callback"), tiny.has("polling"), tiny.warm_up) == (True, True, True, 0)
    assert read(workload(GOOD)).has_patterns is False
    assert read(workload(GOOD)).has("callback") is False


def test_patterns_by_two_doors_and_warmed_up(workload):
    tiny = read(workload(PATTERNS + "via: [proxy, handler]\nwarm_up: 5\n"))

    assert [way.name for way in tiny.ways] == [
        "sync", "polling-1s", "polling-1s-handler", "callback", "callback-handler", "websocket",
    ]  # fmt: skip
    assert tiny.warm_up == 5


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (PATTERNS.replace("callback", "calback"), 4, "patterns[2]: 'calback' is none of sync, polling,"),
        (PATTERNS.replace("callback", "sync"), 4, "patterns[2]: sync stands here twice"),
        (PATTERNS.replace("[sync, polling-1s, callback, websocket]", "[]"), 4, "patterns: it names no pattern"),
        (PATTERNS.replace("kinesis", "kinesiz"), 5, "buffer: 'kinesiz' is none of sns, sqs, kinesis"),
        (PATTERNS.replace("buffer: kinesis\n", ""), 1, "buffer is missing, beside patterns"),
        (GOOD.replace("buffers: [sns, sqs]\n", ""), 1, "buffers is missing"),
        (PATTERNS + "buffers: [sns]\n", 4, "patterns: a workload has either buffers"),
        (GOOD + "warm_up: 5\n", 9, "warm_up: a workload has either buffers"),
        (PATTERNS + "via: []\n", 10, "via: it names none of proxy, handler"),
        (PATTERNS + "via: [handler, handler]\n", 10, "via[1]: handler stands here twice"),
        (PATTERNS + "via: [door]\n", 10, "via[0]: 'door' is none of proxy, handler"),
        (PATTERNS + "warm_up: 1001\n", 10, "warm_up: 1001 is more than 1,000"),
    ],
)
def test_faulty_patterns_are_refused_with_file_line_and_key(workload, text, line, says):
    path = workload(text)

    with pytest.raises(WorkloadError) as refused:
        read(path)

    assert str(refused.value).startswith(f"{path}:{line}: ")
    assert says in str(refused.value)


def test_recorded_arrivals_stand_for_the_rate_and_groups_are_read(workload, tmp_path):
    (tmp_path / "r.csv").write_text("at\n2000\n1000\n4000\n")
    text = GOOD[: GOOD.index("rate:")] + "cut_off_s: 20\narrivals: {file: r.csv, column: at, unit: ms}\n"

    tiny = read(workload(text + "groups: {number: 5, skew: zipf}\n"))

    assert list(tiny.rate.times) == [0, 1, 3]
    assert tiny.groups == Groups(5, "zipf", exponent=1)
    assert list(arrival_times(tmp_path / "w.yaml")) == [0, 1, 3]  # as a simulation takes them


def test_a_buffer_has_its_overrides_and_the_rest_of_the_workload(workload):
    tiny = read(
        workload(
            GOOD
            + "groups: {number: 5}\noverrides:\n"
            + "  sqs: {rate: [[0, 1], [4, 1]], cut_off_s: 3, images: [{photo: coffee.jpg}], groups: {number: 2}}\n"
        )
    )

    sns, sqs = (tiny.of(way) for way in tiny.ways)
    assert sns is tiny
    assert (sqs.rate.total, sqs.cut_off_s, [image.name for image in sqs.images]) == (4, 3.0, ["coffee"])
    assert (sqs.groups, sqs.seed) == (Groups(2), tiny.seed)
    assert tiny.groups == Groups(5)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("groups: {number: 0}", 9, "groups.number: 0 is less than 1"),
        ("groups: {}", 9, "groups: number is missing"),
        ("groups: {number: 1, skew: hot}", 9, "groups.number: 1 is less than 2"),
        ("groups: {number: 9, exponent: 2}", 9, "groups.exponent: only the skew zipf has it, and this is uniform"),
        ("groups: {number: 9, skew: hot, share: 1}", 9, "groups.share: 1 is not less than 1"),
        ("groups: {number: 9, skew: zipf, exponent: 0}", 9, "groups.exponent: 0 is not more than 0"),
        ("arrivals: {file: r.csv, column: at}", 9, "arrivals: a workload has either a rate or recorded arrivals"),
        ("overrides:\n  sqs: {seed: 2}", 10, "overrides.sqs.seed: there is no such key"),
        ("overrides:\n  kinesis: {cut_off_s: 2}", 10, "overrides.kinesis: there is no such key; there are sns, sqs"),
        ("overrides:\n  sqs:\n    arrivals: {file: no.csv, column: at}", 11, "overrides.sqs.arrivals.file: "),
        ("overrides:\n  sqs:\n    rate: [[0, 1]]", 11, "overrides.sqs.rate: it needs two knots"),
        ("route: /x", 9, "route: a workload has either buffers, patterns or a route"),
    ],
)
def test_what_is_wrong_with_the_newer_keys_is_said_with_its_line_too(workload, text, line, says):
    with pytest.raises(WorkloadError) as refused:
        read(workload(GOOD + text + "\n"))

    assert f"w.yaml:{line}: {says}" in str(refused.value)


@pytest.mark.parametrize("path", ["orders", "''", "/a b", "/a#b", "/\u00e4", "http://x/"])
def test_a_route_is_a_path(workload, path):
    with pytest.raises(WorkloadError, match=r"w.yaml:4: route: "):
        read(workload(GOOD.replace("buffers: [sns, sqs]", f"route: {path}")))


def test_patterns_name_no_groups(workload):
    text = GOOD.replace("buffers: [sns, sqs]", "patterns: [polling]\nbuffer: sqs")

    with pytest.raises(WorkloadError, match="groups: requests of patterns name no group"):
        read(workload(text + "groups: {number: 2}\n"))
    with pytest.raises(WorkloadError, match="overrides: only buffers have overrides"):
        read(workload(text + "overrides: {sqs: {cut_off_s: 3}}\n"))
