import json
import os
import sys
from datetime import UTC, datetime

import pytest
import requests

from loadtest._embedded_target import EmbeddedTarget
from loadtest._image import LoadImage
from loadtest._target import BufferState, TargetError, upload
from loadtest._workload import read
from pipeline import proxies
from tests.loadtest.stack_outputs import stack_outputs

WORKLOAD = """\
name: tiny
why: a test
seed: 1
buffers: [sns]
rate: [[0, 1], [1, 1]]
cut_off_s: 1
local: {local}
"""


@pytest.fixture
def workload(tmp_path):
    def write(local="{}"):
        (tmp_path / "w.yaml").write_text(WORKLOAD.format(local=local))
        return read(tmp_path / "w.yaml")

    return write


@pytest.fixture
def patterns(tmp_path):
    def write(pattern, local="{}"):
        text = WORKLOAD.replace("buffers: [sns]", f"patterns: [{pattern}]\nbuffer: sns")
        (tmp_path / "p.yaml").write_text(text.format(local=local))
        return read(tmp_path / "p.yaml")

    return write


@pytest.fixture
def embedded(stand_in):
    target = EmbeddedTarget(stand_in)
    yield target
    target.close()


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def telling_its_arguments():
    """A command that tells the arguments it got, and ends."""
    return f"{sys.executable} -c 'import sys; sys.exit(chr(32).join(sys.argv[1:]))'"


@pytest.mark.parametrize(
    ("local", "flags"),
    [
        ("{rate: 5}", "--rate 5"),
        ("{fast: true}", "--fast"),
        ("{fast: false}", "--no-fast"),
        ("{parameter: {SqsFifo: true, SqsBatchSize: 5}}", "--parameter SqsFifo=true --parameter SqsBatchSize=5"),
    ],
)
def test_options_of_a_workload_become_flags_as_the_template_writes_them(workload, local, flags):
    with pytest.raises(TargetError) as refused:
        EmbeddedTarget(telling_its_arguments()).open(workload(local))

    assert str(refused.value).endswith(f"--json --exit-with-stdin {flags}")


def printing(text):
    return f'{sys.executable} -c \'import sys; sys.stderr.write("its last words"); print(r"""{text}""")\''


def test_no_proxy_is_asked_for_what_is_on_this_machine(embedded, workload, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    for name in proxies.VARIABLES:
        monkeypatch.setenv(name, "intra")
    embedded.open(workload())
    assert requests.get(f"{embedded.control_url}/state", timeout=60).ok


def test_it_starts_with_the_options_of_the_workload_and_serves(embedded, workload):
    embedded.open(workload("{rate: 33, lose_every: 5}"))

    assert embedded.options["rate"] == 33.0
    assert embedded.options["lose_every"] == 5
    upload(embedded, (LoadImage("a", b"x", "a.jpg", b""), LoadImage("b", b"y", None, b"")))
    state = embedded.state("sns", "r1.sns")
    assert (state.completed, state.backlog, state.ended) == (0, 0, 0)
    assert list(embedded.results("sns", "r1.sns")) == []
    assert list(embedded.dead_letters("sns", "r1.sns", datetime.now(UTC))) == []


def test_an_unused_one_is_kept_and_a_used_one_or_other_options_start_anew(embedded, workload):
    embedded.open(workload())
    first = embedded.api_url
    embedded.open(workload())
    assert embedded.api_url == first

    embedded.state("sns", "r1.sns")
    embedded.open(workload())
    second = embedded.api_url
    assert second != first

    embedded.open(workload("{rate: 5}"))
    assert embedded.api_url != second
    assert embedded.options["rate"] == 5.0


def test_closed_it_leaves_no_process(embedded, workload):
    embedded.open(workload())
    process = embedded._process

    embedded.close()
    embedded.close()

    assert process.returncode == 0
    assert not alive(process.pid)


def test_one_that_does_not_heed_its_stdin_is_ended_by_signal(workload, monkeypatch, tmp_path):
    monkeypatch.setattr("loadtest._embedded_target._STOP_S", 0.2)
    ready = {"outputs": stack_outputs(), "environment": {}, "control_url": "http://127.0.0.1:1"}
    deaf = tmp_path / "deaf.py"
    deaf.write_text(
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"print({json.dumps(ready)!r}, flush=True)\n"
        "time.sleep(60)\n"
    )
    target = EmbeddedTarget(f"{sys.executable} {deaf}")
    target.open(workload())
    process = target._process

    target.close()

    assert process.returncode == -9
    assert not alive(process.pid)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("no-such-command-here", "is Forebay installed here"),
        (printing(""), "not what --json promises"),
        (printing("not json"), "not what --json promises"),
        (printing("[]"), "not what --json promises"),
        (printing('{"outputs": {}}'), "not what --json promises"),
        (printing('{"outputs": {}, "environment": {}, "control_url": "x"}'), "has no output ApiUrl"),
        (f"{sys.executable} -c 'import sys; sys.exit(\"its last words\")'", "it ended with"),
    ],
)
def test_one_that_does_not_start_says_why_and_leaves_no_process(workload, command, says):
    target = EmbeddedTarget(command)

    with pytest.raises(TargetError, match=says) as refused:
        target.open(workload())

    assert "no-such" in command or "its last words" in str(refused.value)
    assert target._process is None


def test_a_workload_with_callbacks_has_a_receiver_that_the_stack_is_told_of(patterns):
    target = EmbeddedTarget(telling_its_arguments())

    with pytest.raises(TargetError) as refused:
        target.open(patterns("callback", "{parameter: {SqsFifo: true}}"))

    assert "--parameter SqsFifo=true" in str(refused.value)
    assert "--parameter CallbackTestReceiver=receiver.test=127.0.0.1:" in str(refused.value)
    assert "--parameter CallbackTestCertificate=-----BEGIN CERTIFICATE-----" in str(refused.value)
    assert target.callback_receiver is None, "what did not start leaves no receiver"


def test_the_receiver_stays_where_the_embedded_aws_starts_anew_and_goes_with_it(embedded, patterns, workload):
    embedded.open(patterns("callback"))
    receiver = embedded.callback_receiver
    assert receiver.url == "https://receiver.test/"
    pid = receiver.pid

    embedded.renew()
    assert embedded.callback_receiver is receiver
    assert alive(pid)

    embedded.open(workload())
    assert embedded.callback_receiver is None
    assert not alive(pid)


def test_a_receiver_that_does_not_start_is_said_and_nothing_else_starts(patterns, monkeypatch):
    monkeypatch.setattr("producers.receiver_process._COMMAND", (sys.executable, "-c", "raise SystemExit('its words')"))
    target = EmbeddedTarget(telling_its_arguments())

    with pytest.raises(TargetError, match="its words"):
        target.open(patterns("callback"))

    assert target._process is None


def test_an_option_it_does_not_know_is_refused_in_its_own_words(embedded, workload):
    with pytest.raises(TargetError, match=r"No such option.*--ratee"):
        embedded.open(workload("{ratee: 5}"))


def test_a_state_counts_from_the_start_of_the_turn_and_keeps_what_is_of_the_moment():
    before = BufferState(completed=10, dead_lettered=1, expired=0, backlog=5, throttles=3, cold_starts=2)
    now = BufferState(completed=25, dead_lettered=2, expired=None, backlog=7, throttles=3, cold_starts=2)

    state = now.since(before)

    assert state == BufferState(completed=15, dead_lettered=1, backlog=7, throttles=0, cold_starts=0)
    assert state.ended == 16
    assert BufferState().since(before).ended is None
