import os

import pytest
import requests

from pipeline import proxies

PROXY = {"HTTP_PROXY": "http://proxy:3128"}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    monkeypatch.setattr(os, "environ", clean)
    return clean


@pytest.mark.parametrize(
    ("variables", "asked", "after"),
    [
        ({}, False, None),
        (PROXY, True, "127.0.0.1"),
        ({**PROXY, "NO_PROXY": "intra"}, True, "127.0.0.1,intra"),
        ({**PROXY, "NO_PROXY": "localhost,127.0.0.1"}, False, "localhost,127.0.0.1"),
        ({**PROXY, "NO_PROXY": "*"}, False, "*"),
    ],
    ids=["no proxy", "a proxy for all", "for all but others", "not for this machine", "for nothing"],
)
def test_this_machine_is_added_where_a_proxy_would_be_asked_for_it(
    environment: dict[str, str], variables: dict[str, str], asked: bool, after: str | None
) -> None:
    environment.update(variables)
    assert proxies.are_asked_for_this_machine() == asked

    proxies.ask_none_for_this_machine()

    assert environment.get("NO_PROXY") == after
    assert not proxies.are_asked_for_this_machine()
    assert requests.utils.get_environ_proxies("http://127.0.0.1:80/") == {}
