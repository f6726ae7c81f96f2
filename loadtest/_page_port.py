"""The port of Locust's page, asked for first: Locust itself finds it taken only after all else has been started."""

import socket

from loadtest._target import TargetError


def must_be_free(host: str, port: int) -> None:
    """Raise unless the page can be served there; the `host` * is every interface.

    Raises:
        TargetError: it cannot.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            None if host == "*" else host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            # As the page's own server does: what a server before it has left behind is no hindrance.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise TargetError(
            f"the page cannot be at {host}:{port}: {error.strerror or error}. Give another port with --web-port, or "
            "run without a page: --headless"
        ) from None
