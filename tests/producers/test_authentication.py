"""What our clients show, and what they say where there is nothing to show. Their signatures: tests/authentication."""

import hashlib
from typing import Any

import pytest

from producers.authentication import Authentication, AuthenticationError, Route, Signer, StaticCredentials, region_of

URL = "https://abc123.execute-api.eu-west-1.amazonaws.com/live"
ALICE = StaticCredentials("AKIAALICE", "alice's secret")


@pytest.mark.parametrize(
    ("url", "region"),
    [
        (URL, "eu-west-1"),
        ("wss://abc123.execute-api.us-gov-west-1.amazonaws.com/live", "us-gov-west-1"),
        ("https://abc123.execute-api.cn-north-1.amazonaws.com.cn/live", "cn-north-1"),
        ("https://api.example.com", None),
        ("http://127.0.0.1:8080/live", None),
        ("https://abc123.execute-api.eu-west-1.amazonaws.com.evil.example/live", None),
    ],
)
def test_the_region_of_an_api_is_in_its_url_if_anywhere(url: str, region: str | None) -> None:
    assert region_of(url) == region


@pytest.mark.parametrize(
    ("mode", "shown"),
    [
        ("NONE", {"Host"}),
        ("API_KEY", {"Host", "x-api-key"}),
        ("IAM", {"Host", "Authorization", "x-amz-date"}),
        ("IAM_AND_API_KEY", {"Host", "x-api-key", "Authorization", "x-amz-date"}),
    ],
)
def test_no_more_is_shown_than_is_asked(mode: str, shown: set[str]) -> None:
    authentication = Authentication.by(mode, URL, credentials=ALICE, api_key="key")

    assert set(authentication.headers("GET", URL, {})) == shown


def test_credentials_and_region_are_the_chains_where_none_are_given(alone: pytest.MonkeyPatch) -> None:
    alone.setenv("AWS_ACCESS_KEY_ID", "AKIACHAIN")
    alone.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    alone.setenv("AWS_DEFAULT_REGION", "us-west-2")

    there = Authentication.by("IAM", "http://127.0.0.1:8080/live").headers("GET", "http://127.0.0.1:8080/live", {})
    on_aws = Authentication.by("IAM", URL).headers("GET", URL, {})

    assert "Credential=AKIACHAIN/" in there["Authorization"]
    assert "/us-west-2/execute-api/" in there["Authorization"]
    assert "/eu-west-1/execute-api/" in on_aws["Authorization"], "the API's own Region goes before"


def test_for_an_api_that_does_not_say_what_is_at_hand_is_shown(alone: pytest.MonkeyPatch) -> None:
    assert Authentication.at_hand(URL, None) == Authentication()
    assert Authentication.at_hand(URL, "key").headers("GET", URL, {})["x-api-key"] == "key"

    alone.setenv("AWS_ACCESS_KEY_ID", "AKIACHAIN")
    alone.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert "Authorization" in Authentication.at_hand(URL, None).headers("GET", URL, {})


def test_a_profile_that_is_gone_is_said_with_the_cure(alone: pytest.MonkeyPatch) -> None:
    alone.setenv("AWS_PROFILE", "gone")
    with pytest.raises(AuthenticationError, match=r"The config profile \(gone\) could not be found; set AWS_PROFILE"):
        Authentication.by("IAM", URL)


@pytest.mark.parametrize(
    ("mode", "url", "options", "said"),
    [
        ("IAM", URL, {}, "there are no AWS credentials: set AWS_PROFILE"),
        (
            "IAM",
            "https://api.example.com",
            {"credentials": ALICE},
            "names no Region to sign for: set AWS_DEFAULT_REGION",
        ),
        ("API_KEY", URL, {}, "asks for an API key: set FOREBAY_API_KEY"),
        ("IAM_AND_API_KEY", URL, {"credentials": ALICE}, "asks for an API key"),
        ("PASSWORD", URL, {}, "'PASSWORD' is none of IAM, API_KEY"),
    ],
)
def test_where_there_is_nothing_to_show_it_is_said_what_to_set(
    alone: pytest.MonkeyPatch, mode: str, url: str, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(AuthenticationError, match=said):
        Authentication.by(mode, url, **options)


def test_a_route_signs_anew_when_its_second_its_day_or_its_credentials_change() -> None:
    class Turning:
        """Temporary credentials, which are renewed."""

        now = StaticCredentials("ASIA1", "secret", "token 1")

        def get_frozen_credentials(self) -> StaticCredentials:
            return self.now

    credentials, clock = Turning(), [1_732_406_399.0]
    route = Route(Authentication(Signer(credentials, "eu-west-1", now=lambda: clock[0])), "POST", URL, {})
    seen = []
    for step in (0.0, 0.5, 0.6):
        clock[0] += step
        seen.append(route.headers(b"a"))
    credentials.now = StaticCredentials("ASIA2", "secret", "token 2")
    seen.append(route.headers(b"a"))
    seen.append(route.headers(b"b"))

    assert seen[0] == seen[1], "within a second a request of one body is one text"
    assert [each["x-amz-date"] for each in seen] == ["20241123T235959Z"] * 2 + ["20241124T000000Z"] * 3
    assert "Credential=ASIA1/20241124/" in seen[2]["Authorization"]
    assert "Credential=ASIA2/20241124/" in seen[3]["Authorization"]
    assert [each["x-amz-security-token"] for each in seen[2:4]] == ["token 1", "token 2"]
    assert seen[3]["Authorization"] != seen[4]["Authorization"]


def test_header_lines_are_the_headers_but_for_the_host() -> None:
    route = Route(Authentication(api_key="key"), "POST", "http://127.0.0.1:8080/live", {})

    assert (route.host, route.lines("")) == ("127.0.0.1:8080", b"x-api-key: key\r\n")
    assert Route(Authentication(), "POST", URL, {}).lines("") == b""


def test_the_lines_of_a_body_are_those_of_its_hash() -> None:
    signer = Signer(ALICE, "eu-west-1", now=lambda: 1_732_400_000.0)
    route = Route(Authentication(signer, "key"), "POST", URL, {})

    headers = route.headers(b"a body")

    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if name != "Host")
    assert route.lines(hashlib.sha256(b"a body").hexdigest()).decode() == lines


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://api.example.com:443/live", "api.example.com"),
        ("http://api.example.com:443/live", "api.example.com:443"),
        ("ws://127.0.0.1:80/live", "127.0.0.1"),
        ("http://user:password@api.example.com/live", "api.example.com"),
        ("http://[::1]:8080/live", "[::1]:8080"),
    ],
)
def test_the_host_is_written_as_clients_send_it(url: str, host: str) -> None:
    assert Route(Authentication(), "GET", url, {}).host == host


def test_no_secret_is_in_what_is_printed() -> None:
    authentication = Authentication.by("IAM_AND_API_KEY", URL, credentials=ALICE, api_key="the key")

    assert "secret" not in repr(authentication)
    assert "the key" not in repr(authentication)
