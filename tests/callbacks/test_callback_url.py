"""The door: what may be called, told from the URL alone."""

from ipaddress import ip_address

import pytest
from hostile_urls import GOOD, HOSTILE
from hypothesis import given
from hypothesis import strategies as st

from pipeline.callback_url import CallbackUrlError, TestReceiver, check_callback_url, ports_from_text

PORTS = frozenset({443})
RECEIVER = TestReceiver("receiver.test", ip_address("127.0.0.1"), 8443)


def refusal(url: str, **more: object) -> str:
    with pytest.raises(CallbackUrlError) as caught:
        check_callback_url(url, ports=PORTS, **more)  # type: ignore[arg-type]
    return caught.value.reason


def test_the_tables_are_as_long_as_promised() -> None:
    assert len({url for url, *_ in HOSTILE}) == len(HOSTILE) >= 40
    assert len({url for url, *_ in GOOD}) == len(GOOD) >= 10


@pytest.mark.parametrize(("url", "reason", "hope"), HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_url_is_refused_at_the_door(url: str, reason: str, hope: str) -> None:
    assert reason in refusal(url), hope


@pytest.mark.parametrize(("url", "parts"), GOOD, ids=range(len(GOOD)))
def test_a_good_url_passes_in_its_parts(url: str, parts: tuple[str, int, str]) -> None:
    checked = check_callback_url(url, ports=PORTS)
    assert (checked.name, checked.port, checked.target) == parts
    assert checked.test_receiver is None


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://example.com/secret?token=x", "example.com"),
        ("https://example.com:8443/", "example.com:8443"),
        ("https://[2606:4700:4700::1111]/", "[2606:4700:4700::1111]"),
        ("https://[2606:4700:4700::1111]:8443/", "[2606:4700:4700::1111]:8443"),
    ],
)
def test_the_host_header_names_the_port_only_where_it_is_not_the_schemes_own(url: str, host: str) -> None:
    assert check_callback_url(url, ports=frozenset({443, 8443})).host == host


def test_only_a_literal_address_needs_no_resolving() -> None:
    assert check_callback_url("https://8.8.8.8/", ports=PORTS).address == ip_address("8.8.8.8")
    assert check_callback_url("https://example.com/", ports=PORTS).address is None


@pytest.mark.parametrize(
    "url", ["https://receiver.test/hook", "https://RECEIVER.test:9/hook", "https://receiver.test:443/hook"]
)
def test_the_test_receivers_name_leads_to_its_address_whatever_its_port(url: str) -> None:
    checked = check_callback_url(url, ports=PORTS, test_receiver=RECEIVER)
    assert (checked.address, checked.connect_port, checked.target) == (RECEIVER.address, 8443, "/hook")
    assert checked.test_receiver is RECEIVER


@pytest.mark.parametrize(
    "url",
    [
        "https://a.receiver.test/",
        "https://receiver.test./",
        "https://receiver.test.localhost/",
        "https://receiver-test/",
        "https://127.0.0.1:8443/",
        "https://127.0.0.1/",
        "https://localhost:8443/",
        "https://receiver.test@127.0.0.1/",
        "https://receiver%2etest/",
    ],
)
def test_the_test_receiver_opens_its_own_name_and_nothing_else(url: str) -> None:
    refusal(url, test_receiver=RECEIVER)


@pytest.mark.parametrize(
    ("text", "receiver"),
    [
        ("", None),
        ("  ", None),
        ("receiver.test=127.0.0.1:8443", RECEIVER),
        ("Receiver.Test=127.0.0.1:8443", RECEIVER),
        ("r.test=[::1]:1", TestReceiver("r.test", ip_address("::1"), 1)),
    ],
)
def test_a_test_receiver_is_read_from_the_parameters_text(text: str, receiver: TestReceiver | None) -> None:
    assert TestReceiver.from_text(text) == receiver


@pytest.mark.parametrize(
    "text",
    [
        "receiver.test",
        "=127.0.0.1:8443",
        "r.test=127.0.0.1",
        "r.test=localhost:1",
        "r.test=127.0.0.1:0",
        "r t=127.0.0.1:1",
    ],
)
def test_a_test_receiver_in_another_form_is_told_the_form(text: str) -> None:
    with pytest.raises(ValueError, match=r"receiver\.test=127\.0\.0\.1:8443"):
        TestReceiver.from_text(text)


def test_ports_are_a_comma_list() -> None:
    assert ports_from_text("443") == {443}
    assert ports_from_text("443, 8443") == {443, 8443}
    for wrong in ("", "443,", "x", "0", "65536", "-1"):
        with pytest.raises(ValueError, match="443,8443"):
            ports_from_text(wrong)


def test_a_refusal_never_repeats_path_or_query() -> None:
    assert "hunter2" not in refusal("https://example.com:22/hook?password=hunter2")


@given(st.text(max_size=40) | st.from_regex(r"(?i)https://[^/?#]{0,30}[/?#]?.{0,10}", fullmatch=True))
def test_whatever_is_sent_is_refused_or_taken_apart_into_what_can_be_put_on_the_wire(text: str) -> None:
    try:
        checked = check_callback_url(text, ports=PORTS)
    except CallbackUrlError:
        return
    assert checked.port in PORTS
    assert checked.target.isascii()
    assert checked.target.isprintable()
    assert checked.target.startswith("/")
    assert checked.name == checked.name.lower()
    # Taken apart and put together, it is the same URL: there is nothing that only one of two readers sees.
    assert check_callback_url(f"https://{checked.host}{checked.target}", ports=PORTS) == checked
