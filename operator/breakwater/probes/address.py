"""Where a probe may go: a pure decision about one address.

A probe runs with the operator's network position, so a tenant could aim it at what he himself cannot reach. Therefore:
- without an allowance only addresses proven to be of the channel's own namespace are reached;
- some addresses are protected even then (the machine itself, link-local and metadata services, nodes, the API server,
  the operator): an allowance must *name* these, a wide network that happens to contain them does not; while nobody can
  tell whose address it is, every address counts as one of these;
- an IPv6 address that carries an IPv4 address is judged by where its packets end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Why(StrEnum):
    """Why an address is refused; the value completes the sentence "... is not probed:"."""

    NOT_PROVEN = "it is no Service or pod of the channel's own namespace"
    LOOPBACK = "it is a loopback address"
    LINK_LOCAL = "it is a link-local address"
    METADATA = "cloud providers serve machine metadata there"
    UNSPECIFIED = "it is in the range of unspecified addresses"
    MULTICAST = "it is a multicast address"
    RESERVED = "it is in a reserved range"
    NODE = "it is the address of a node"
    API_SERVER = "it is an address of the API server"
    OPERATOR = "it is an address of the operator"
    UNTOLD = (
        "whether it belongs to a node or to the API server cannot be told; grant the operator list and watch on nodes, "
        "services and endpointslices"
    )
    MALFORMED = "it is not an IP address in standard notation without zone"


_SPECIAL: tuple[tuple[Network, Why], ...] = tuple(
    (ip_network(text), why)
    for text, why in (
        ("169.254.169.254/32", Why.METADATA),
        ("169.254.170.2/32", Why.METADATA),
        ("fd00:ec2::254/128", Why.METADATA),
        ("100.100.100.200/32", Why.METADATA),
        ("168.63.129.16/32", Why.METADATA),
        ("192.0.0.0/24", Why.METADATA),
        ("127.0.0.0/8", Why.LOOPBACK),
        ("::1/128", Why.LOOPBACK),
        ("169.254.0.0/16", Why.LINK_LOCAL),
        ("fe80::/10", Why.LINK_LOCAL),
        ("0.0.0.0/8", Why.UNSPECIFIED),
        ("::/128", Why.UNSPECIFIED),
        ("224.0.0.0/4", Why.MULTICAST),
        ("ff00::/8", Why.MULTICAST),
        ("240.0.0.0/4", Why.RESERVED),
        ("fec0::/10", Why.RESERVED),
        ("64:ff9b:1::/48", Why.RESERVED),
    )
)

# IPv6 networks whose addresses carry an IPv4 address, and the bit at which it begins.
_CARRIERS: tuple[tuple[IPv6Network, int], ...] = (
    (IPv6Network("::ffff:0:0:0/96"), 96),  # IPv4-translated (RFC 2765)
    (IPv6Network("64:ff9b::/96"), 96),  # NAT64
    (IPv6Network("64:ff9b:1::/48"), 96),  # NAT64 for local use, by its usual prefix length (reserved besides)
    (IPv6Network("2002::/16"), 16),  # 6to4
    (IPv6Network("::/96"), 96),  # IPv4-compatible
)
_TEREDO = IPv6Network("2001::/32")


@dataclass(frozen=True, slots=True)
class AddressContext:
    """What the operator knows about its surroundings.

    Attributes:
        allow: the networks of --probe-allow.
        api_server: every address of the API server, its Service's cluster IPs among them.
        nodes: every address in the status of every node.
        own: the addresses of the operator's own pod and machine.
        untold: whether `api_server` or `nodes` may lack some; then a wide allowance admits nothing.
    """

    allow: tuple[Network, ...] = ()
    api_server: frozenset[Address] = frozenset()
    nodes: frozenset[Address] = frozenset()
    own: frozenset[Address] = frozenset()
    untold: bool = False

    def role(self, address: Address) -> Why | None:
        """Whose address it is, if it is a protected one."""
        roles = ((self.api_server, Why.API_SERVER), (self.nodes, Why.NODE), (self.own, Why.OPERATOR))
        return next((why for members, why in roles if not members.isdisjoint(_spellings(address))), None)


@dataclass(frozen=True, slots=True)
class Allowed:
    """The address to connect to, in the form that was judged."""

    address: Address


@dataclass(frozen=True, slots=True)
class Refused:
    """The address is not to be reached.

    Attributes:
        why: from the closed vocabulary.
        spelling: the address as we write it, or a constant where it could not be read.
        entry: the value of --probe-allow that would name this address.
    """

    why: Why
    spelling: str
    entry: str


def judge(ip: str, context: AddressContext, *, proven: bool) -> Allowed | Refused:
    """Decide about one address.

    Args:
        ip: in standard notation; other spellings of IPv4 (octal, hex, shortened) are refused.
        context: the operator's surroundings.
        proven: whether it was shown to be a pod or Service of the channel's own namespace.
    """
    address = _parse(ip)
    if address is None:
        return Refused(Why.MALFORMED, "the address", "NETWORK")
    carried = tuple(_carried(address))
    # An allowance speaks of the address as it stands: one for 192.0.2.0/24 does not extend to tunnels that lead there.
    allowances = [entry for entry in context.allow if address in entry]
    for end in (address, *carried):
        why = _special(end) or context.role(end)
        if why and not any(_names(entry, end) for entry in allowances):
            return Refused(why, str(address), _single(address))
    # What was proven is an address of a pod; an address that tunnels to somewhere else was not.
    if proven and not carried:
        return Allowed(address)
    if not allowances:
        return Refused(Why.NOT_PROVEN, str(address), _single(address))
    if context.untold and not any(_names(entry, address) for entry in allowances):
        return Refused(Why.UNTOLD, str(address), _single(address))
    return Allowed(address)


def parse_allow(text: str) -> Network:
    """Read one value of --probe-allow.

    Raises:
        ValueError: it is not a network; the message names the flag and the remedy.
    """
    try:
        network = ip_network(text.strip() if "%" not in text else "")
    except ValueError as error:
        raise ValueError(
            f"--probe-allow: {text[:64]!r} is not a network; give CIDR notation without host bits, "
            "like 10.20.0.0/16, 192.0.2.7/32 or 2001:db8::/48"
        ) from error
    if isinstance(network, IPv6Network) and (mapped := network.network_address.ipv4_mapped) and network.prefixlen >= 96:
        return IPv4Network((mapped, network.prefixlen - 96))
    return network


def _parse(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # A zone chooses a network interface of the operator; no endpoint of a tenant may do that.
    return None if "%" in text else _unmapped(address)


def _unmapped(address: Address) -> Address:
    # The kernel sends IPv4 packets for ::ffff:a.b.c.d, so that *is* the IPv4 address.
    return getattr(address, "ipv4_mapped", None) or address


def _spellings(address: Address) -> tuple[Address, ...]:
    # Clusters write down IPv4 addresses in either form; looking up both is cheaper than rewriting 5,000 nodes.
    return (address,) if isinstance(address, IPv6Address) else (address, IPv6Address(0xFFFF << 32 | int(address)))


def _carried(address: Address) -> Iterator[IPv4Address]:
    if isinstance(address, IPv4Address):
        return
    for network, bit in _CARRIERS:
        if address in network:
            yield IPv4Address(int(address) >> (96 - bit) & 0xFFFFFFFF)
    if address in _TEREDO and address.teredo:
        yield from address.teredo


def _special(address: Address) -> Why | None:
    return next((why for network, why in _SPECIAL if address in network), None)


def _names(entry: Network, end: Address) -> bool:
    """Whether an allowance is meant for a protected address: it is that single one, or inside its special range."""
    single = entry.prefixlen == entry.max_prefixlen
    return single or any(end in network and _inside(entry, network) for network, _ in _SPECIAL)


def _inside(entry: Network, network: Network) -> bool:
    return entry.network_address in network and entry.prefixlen >= network.prefixlen


def _single(address: Address) -> str:
    return f"{address}/{address.max_prefixlen}"
