"""An address of the public internet, or why it is none: what a server may be made to connect to by a stranger.

The classes are ipaddress's, which follow IANA's registries of special-purpose addresses; which it lacks, or lacked in
an older Python, stand below. An IPv6 address that carries an IPv4 address is judged by that one, too: a translator or
a tunnel on the way would lead there.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

Address = IPv4Address | IPv6Address

# RFC 4291: what is delegated for global unicast. All else of IPv6 is special, or not assigned.
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
# RFC 6052: how DNS64 writes an IPv4 address, also in a VPC's subnet without IPv4.
_NAT64: Final = IPv6Network("64:ff9b::/96")
# RFC 4291, deprecated there: ::a.b.c.d.
_IPV4_COMPATIBLE: Final = IPv6Network("::/96")

# Global to some or all of the Pythons that we run on.
_ALSO_SPECIAL: Final = (
    IPv4Network("192.0.0.0/24"),  # RFC 6890: protocol assignments; a cloud's metadata service is among them
    IPv4Network("192.88.99.0/24"),  # RFC 7526: the anycast of 6to4 relays, withdrawn
    IPv6Network("2001::/23"),  # RFC 2928: protocol assignments, Teredo among them
    IPv6Network("3fff::/20"),  # RFC 9637: documentation
)


def why_not_public(address: Address) -> str | None:
    """Why an address is none of a host on the public internet; None if it is one."""
    kind = _kind(address)
    if kind is not None:
        return f"{address} is {kind}"
    for inner in _carried(address):
        kind = _kind(inner)
        if kind is not None:
            return f"{address} leads to {inner}, which is {kind}"
    return None


def _kind(address: Address) -> str | None:
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return "an address with a zone"
        if _carried(address) and address not in _GLOBAL_UNICAST:
            # Mapped, compatible or translated: what it carries decides.
            return None
    for is_so, kind in (
        (address.is_unspecified, "the unspecified address"),
        (address.is_loopback, "a loopback address"),
        (address.is_link_local, "a link-local address, where metadata services are"),
        (address.is_multicast, "a multicast address"),
        (isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST, "no global unicast address"),
        (address.is_reserved, "a reserved address"),
        (not address.is_global, "a private or special-purpose address"),
        (any(address in network for network in _ALSO_SPECIAL), "a special-purpose address"),
    ):
        if is_so:
            return kind
    return None


def _carried(address: Address) -> tuple[IPv4Address, ...]:
    if isinstance(address, IPv4Address):
        return ()
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return address.teredo
    if address in _NAT64 or (address in _IPV4_COMPATIBLE and int(address) > 1):
        return (IPv4Address(int(address) & 0xFFFF_FFFF),)
    return ()
