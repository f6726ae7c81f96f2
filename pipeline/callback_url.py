"""The callback URL: where a client wants its result, and what a stranger's URL may not make us connect to.

It is checked twice by the same code: at the door, before a request is accepted, and by the notifier before it connects,
which then checks each address that the name resolves to (consumers/callback_post.py). There is one parser, strict, and
the connection is made of its parts: no second parser ever reads the URL, so that none can read it otherwise.
"""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_address
from typing import ClassVar, Final

from pipeline.internet_address import Address, why_not_public

LONGEST_URL: Final = 2_048
HTTPS_PORT: Final = 443

_SCHEME: Final = "https://"
_LABEL: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_LONGEST_NAME: Final = 253
_HIGHEST_PORT: Final = 65_535

# Names that the public DNS never has, and somebody's private one may: RFC 6761 (localhost, test, invalid), RFC 6762
# (local), RFC 7686 (onion), RFC 8375 (home.arpa), RFC 9476 (alt), ICANN's for private use (internal, 2024) and those it
# will not delegate because networks use them (corp, home, mail), and common ones of routers and companies.
_NOT_PUBLIC: Final = frozenset(
    "localhost test invalid local onion home.arpa alt internal corp home mail lan localdomain intranet private".split()
)


class CallbackUrlError(ValueError):
    """A URL that is not called. `reason` says what is wrong with it and what to do; it never repeats the whole URL."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class TestReceiver:
    """The one name that connects to a given address, be it loopback, whatever port its URL names: for tests.

    A stack has none by default.
    """

    __test__: ClassVar[bool] = False  # no test class, whatever pytest makes of its name

    name: str
    address: Address
    port: int

    @classmethod
    def from_text(cls, text: str) -> "TestReceiver | None":
        """Read `NAME=ADDRESS:PORT` (an IPv6 address in brackets), the form of CallbackTestReceiver. Empty is None.

        Raises:
            ValueError: it is not of that form; the text says what is.
        """
        if not text.strip():
            return None
        form = f"{text[:200]!r} is not of the form NAME=ADDRESS:PORT, such as receiver.test=127.0.0.1:8443"
        name, _, place = text.strip().partition("=")
        address, _, port = place.rpartition(":")
        if address.startswith("[") and address.endswith("]"):
            address = address[1:-1]
        try:
            return cls(_dns_name(name.lower()), ip_address(address), _port(port))
        except ValueError:
            raise ValueError(form) from None


@dataclass(frozen=True, slots=True)
class CallbackUrl:
    """A URL that may be called, taken apart.

    `name` is lower-case ASCII: for the Host header, for SNI and for the certificate. `target` is the path and query as
    they are sent. `address` is the one to connect to where no name has to be resolved: the URL's own, or that of the
    test receiver, which is the only one that may not be public.
    """

    name: str
    port: int
    target: str
    address: Address | None = None
    test_receiver: TestReceiver | None = None

    @property
    def connect_port(self) -> int:
        """The port to connect to."""
        return self.port if self.test_receiver is None else self.test_receiver.port

    @property
    def host(self) -> str:
        """The Host header; also what a log may show, for path and query can hold secrets."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port == HTTPS_PORT else f"{name}:{self.port}"


def ports_from_text(text: str) -> frozenset[int]:
    """Read a comma list of ports, the form of CallbackPorts.

    Raises:
        ValueError: it is none; the text says what is.
    """
    try:
        return frozenset(_port(port.strip()) for port in text.split(","))
    except ValueError:
        raise ValueError(f"{text[:200]!r} is not a comma list of ports, such as 443,8443") from None


def check_callback_url(url: str, *, ports: frozenset[int], test_receiver: TestReceiver | None = None) -> CallbackUrl:
    """Take a URL apart and say whether it may be called, as far as that can be told without resolving its name.

    Raises:
        CallbackUrlError: it may not.
    """
    _check_characters(url)
    if url[: len(_SCHEME)].lower() != _SCHEME:
        raise CallbackUrlError("only https:// is called: write the URL with it")
    if "#" in url:
        raise CallbackUrlError("a fragment (#) is never sent to a server: leave it out")
    authority, target = _split(url[len(_SCHEME) :])
    if "@" in authority:
        raise CallbackUrlError("a URL with user name or password is not called: every callback is signed instead")
    host, port = _host_and_port(authority)
    if host.startswith("["):
        return _literal(host, _ipv6(host), port, target, ports)
    name = _name(host)
    if test_receiver is not None and name == test_receiver.name:
        return CallbackUrl(name, port, target, test_receiver.address, test_receiver)
    if not name.rpartition(".")[2][0].isalpha():
        return _literal(name, _ipv4(name), port, target, ports)
    _check_name(name)
    _check_port(port, ports)
    return CallbackUrl(name, port, target)


def _check_characters(url: str) -> None:
    if len(url) > LONGEST_URL:
        raise CallbackUrlError(f"the URL has {len(url):,} characters; {LONGEST_URL:,} are taken")
    # Not printable are control characters, every space but the one, unpaired surrogates and invisible format
    # characters, such as those that turn the direction of writing.
    if " " in url or not url.isprintable():
        raise CallbackUrlError("the URL has a space, a control or an invisible character: percent-encode it")
    if "\\" in url:
        raise CallbackUrlError("the URL has a backslash, which programs read differently: percent-encode it as %5C")


def _split(rest: str) -> tuple[str, str]:
    """Authority and target of what stands behind the scheme."""
    end = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    authority, target = rest[:end], rest[end:]
    if not target.isascii():
        raise CallbackUrlError("the URL's path or query has a character outside ASCII: percent-encode it")
    return authority, target if target.startswith("/") else f"/{target}"


def _host_and_port(authority: str) -> tuple[str, int]:
    # Of a bracket that never closes, all is the host.
    colon = authority.find(":", (authority.find("]") + 1 or len(authority)) if authority.startswith("[") else 0)
    if colon < 0:
        return authority, HTTPS_PORT
    try:
        return authority[:colon], _port(authority[colon + 1 :])
    except ValueError:
        raise CallbackUrlError("what follows the colon behind the URL's host is not a port, 1 to 65535") from None


def _port(text: str) -> int:
    # int() alone would take "+443", "4_43" and the digits of other scripts.
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(_HIGHEST_PORT))):
        raise ValueError
    port = int(text)
    if not 1 <= port <= _HIGHEST_PORT:
        raise ValueError
    return port


def _check_port(port: int, ports: frozenset[int]) -> None:
    if port not in ports:
        taken = ", ".join(str(each) for each in sorted(ports))
        raise CallbackUrlError(f"port {port} is not called here: use {taken}")


def _ipv6(host: str) -> IPv6Address:
    try:
        # Of a zone (%eth0), even percent-encoded, nothing is taken.
        if not host.endswith("]") or "%" in host:
            raise AddressValueError
        return IPv6Address(host[1:-1])
    except AddressValueError:
        raise CallbackUrlError("what stands in the URL's brackets is not an IPv6 address") from None


def _ipv4(name: str) -> IPv4Address:
    try:
        return IPv4Address(name)
    except AddressValueError:
        raise CallbackUrlError(
            "the URL's host ends in a number and is no plain IPv4 address: other ways to write one, such as "
            "hexadecimal, octal or short, are not taken. Write a DNS name"
        ) from None


def _literal(host: str, address: Address, port: int, target: str, ports: frozenset[int]) -> CallbackUrl:
    reason = why_not_public(address)
    if reason is not None:
        raise CallbackUrlError(f"{reason}: only hosts on the public internet are called")
    _check_port(port, ports)
    return CallbackUrl(host.strip("[]"), port, target, address)


def _name(host: str) -> str:
    if not host:
        raise CallbackUrlError("the URL has no host")
    if "%" in host:
        raise CallbackUrlError("the URL's host is percent-encoded: write it as it is")
    if host.endswith("."):
        raise CallbackUrlError("the URL's host ends in a dot: leave it out")
    name = host.lower() if host.isascii() else _ascii(host)
    try:
        return _dns_name(name)
    except ValueError:
        raise CallbackUrlError(
            "the URL's host is not a DNS name: labels of letters, digits and inner hyphens, with dots between"
        ) from None


def _ascii(host: str) -> str:
    # Few hosts need it, and its tables take longer to import than all else here.
    import idna

    try:
        # IDNA 2008 without the mapping that browsers do before: full-width digits and dots, circled letters and
        # the like, whose use in a host is to look like another one to a filter, are no letters of names.
        return idna.encode(host.lower(), strict=True, std3_rules=True).decode("ascii")
    except idna.IDNAError:
        raise CallbackUrlError(
            "the URL's host has a character that names do not have (IDNA 2008): write the name in its own form, or "
            "in ASCII (xn--...)"
        ) from None


def _dns_name(name: str) -> str:
    """The name itself, if it is one in lower-case ASCII.

    Raises:
        ValueError: it is none.
    """
    if len(name) > _LONGEST_NAME or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise ValueError
    return name


def _check_name(name: str) -> None:
    labels = name.split(".")
    for first in range(len(labels)):
        if ".".join(labels[first:]) in _NOT_PUBLIC:
            raise CallbackUrlError(f"{name} is not a name of the public internet: only those are called")
    if len(labels) == 1:
        raise CallbackUrlError(f"{name} has no dot, so that only a private network can know it: write the whole name")
