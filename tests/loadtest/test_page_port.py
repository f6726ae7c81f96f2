import socket

import pytest

from loadtest._page_port import must_be_free
from loadtest._target import TargetError


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "*"])
def test_a_port_that_nobody_has_is_free_and_stays_so(host):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]

    for _ in range(2):
        must_be_free(host, port)


@pytest.mark.parametrize("host", ["127.0.0.1", "*"])
def test_a_port_that_another_serves_is_refused_with_what_to_do(host):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(TargetError, match=rf"{port}: Address already in use. Give another port with --web-port"):
            must_be_free(host, port)


def test_a_host_that_is_not_here_is_refused():
    with pytest.raises(TargetError, match=r"the page cannot be at no-such-name\.invalid:8089"):
        must_be_free("no-such-name.invalid", 8089)
