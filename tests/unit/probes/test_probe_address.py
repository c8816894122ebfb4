from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakwater.probes.address import AddressContext, Allowed, Refused, Why, judge, parse_allow

SURROUNDINGS = AddressContext(
    api_server=frozenset({ip_address("10.96.0.1"), ip_address("198.51.100.10")}),
    nodes=frozenset({ip_address("10.1.0.7"), ip_address("2001:db8:1::7")}),
    own=frozenset({ip_address("10.244.9.9"), ip_address("::ffff:10.244.9.10")}),
)


def allowing(*networks: str) -> AddressContext:
    return AddressContext(
        allow=tuple(parse_allow(text) for text in networks),
        api_server=SURROUNDINGS.api_server,
        nodes=SURROUNDINGS.nodes,
        own=SURROUNDINGS.own,
    )


PROTECTED = [
    ("127.0.0.1", Why.LOOPBACK),
    ("127.255.255.254", Why.LOOPBACK),
    ("::1", Why.LOOPBACK),
    ("0:0:0:0:0:0:0:1", Why.LOOPBACK),
    ("::ffff:127.0.0.1", Why.LOOPBACK),
    ("::FFFF:7f00:0001", Why.LOOPBACK),
    ("::127.0.0.1", Why.LOOPBACK),
    ("::ffff:0:127.0.0.1", Why.LOOPBACK),
    ("64:ff9b::127.0.0.1", Why.LOOPBACK),
    ("2002:7f00:1::", Why.LOOPBACK),
    ("2001:0:7f00:1::", Why.LOOPBACK),
    ("2001:0:808:808::80ff:fffe", Why.LOOPBACK),
    ("169.254.0.1", Why.LINK_LOCAL),
    ("fe80::1", Why.LINK_LOCAL),
    ("febf:ffff::1", Why.LINK_LOCAL),
    ("169.254.169.254", Why.METADATA),
    ("::ffff:169.254.169.254", Why.METADATA),
    ("64:ff9b::a9fe:a9fe", Why.METADATA),
    ("2002:a9fe:a9fe::1", Why.METADATA),
    ("fd00:ec2::254", Why.METADATA),
    ("100.100.100.200", Why.METADATA),
    ("168.63.129.16", Why.METADATA),
    ("0.0.0.0", Why.UNSPECIFIED),  # noqa: S104 - refused, not bound
    ("0.1.2.3", Why.UNSPECIFIED),
    ("::", Why.UNSPECIFIED),
    ("::ffff:0.0.0.0", Why.UNSPECIFIED),
    ("224.0.0.1", Why.MULTICAST),
    ("ff02::1", Why.MULTICAST),
    ("255.255.255.255", Why.RESERVED),
    ("fec0::1", Why.RESERVED),
    ("64:ff9b:1::10.0.0.1", Why.RESERVED),
    ("10.1.0.7", Why.NODE),
    ("::ffff:10.1.0.7", Why.NODE),
    ("2001:db8:1::7", Why.NODE),
    ("2001:0db8:0001:0000::0007", Why.NODE),
    ("64:ff9b::10.1.0.7", Why.NODE),
    ("10.96.0.1", Why.API_SERVER),
    ("198.51.100.10", Why.API_SERVER),
    ("2002:c633:640a::", Why.API_SERVER),
    ("10.244.9.9", Why.OPERATOR),
    ("10.244.9.10", Why.OPERATOR),
]


@pytest.mark.parametrize(("ip", "why"), PROTECTED)
def test_a_protected_address_is_refused_even_when_it_was_proven(ip: str, why: Why) -> None:
    for context in (SURROUNDINGS, allowing("0.0.0.0/0", "::/0"), allowing("10.0.0.0/8", "169.0.0.0/8", "fc00::/6")):
        verdict = judge(ip, context, proven=True)
        assert isinstance(verdict, Refused)
        assert verdict.why is why


@pytest.mark.parametrize(("ip", "why"), PROTECTED)
def test_the_entry_that_a_refusal_suggests_admits_exactly_this_address(ip: str, why: Why) -> None:
    refused = judge(ip, SURROUNDINGS, proven=True)
    assert isinstance(refused, Refused)
    assert isinstance(judge(ip, allowing(refused.entry), proven=False), Allowed)
    assert isinstance(judge("127.99.99.99", allowing(refused.entry), proven=True), Refused)


@pytest.mark.parametrize(
    ("ip", "entry", "allowed"),
    [
        ("127.0.0.1", "127.0.0.0/8", True),
        ("127.0.0.1", "127.0.0.1/32", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "::ffff:127.0.0.0/104", True),
        ("127.0.0.1", "126.0.0.0/7", False),
        ("127.0.0.1", "127.0.0.2/32", False),
        ("::1", "::1/128", True),
        ("::1", "127.0.0.0/8", False),
        ("fe80::1", "fe80::/10", True),
        ("fe80::1", "fe80::/9", False),
        ("64:ff9b::127.0.0.1", "64:ff9b::/96", False),
        ("64:ff9b::127.0.0.1", "127.0.0.0/8", False),
        ("64:ff9b::127.0.0.1", "64:ff9b::7f00:1/128", True),
        ("64:ff9b::203.0.113.5", "64:ff9b::/96", True),
        ("64:ff9b::203.0.113.5", "203.0.113.0/24", False),
        ("64:ff9b:1::127.0.0.1", "64:ff9b:1::/48", False),
        ("10.1.0.7", "10.1.0.7/32", True),
        ("10.1.0.7", "10.1.0.0/24", False),
        ("203.0.113.5", "203.0.113.0/24", True),
        ("203.0.113.5", "0.0.0.0/0", True),
        ("203.0.113.5", "::/0", False),
        ("::ffff:203.0.113.5", "203.0.113.0/24", True),
        ("2001:db8::5", "2001:db8::/48", True),
    ],
)
def test_an_allowance_admits_what_it_contains_and_protected_addresses_only_when_it_names_them(
    ip: str, entry: str, allowed: bool
) -> None:
    assert isinstance(judge(ip, allowing(entry), proven=False), Allowed) is allowed


def test_loopback_in_every_role_is_named_by_an_entry_within_loopback() -> None:
    here = ip_address("127.0.0.1")
    surrounded = AddressContext((ip_network("127.0.0.0/8"),), frozenset({here}), frozenset({here}), frozenset({here}))
    assert isinstance(judge("127.0.0.1", surrounded, proven=False), Allowed)


@pytest.mark.parametrize("ip", ["10.244.1.5", "192.168.3.4", "fd12::5", "2001:db8::5", "203.0.113.5", "100.64.0.9"])
def test_an_ordinary_address_is_reached_if_it_was_proven_and_not_otherwise(ip: str) -> None:
    assert judge(ip, SURROUNDINGS, proven=True) == Allowed(ip_address(ip))
    refused = judge(ip, SURROUNDINGS, proven=False)
    assert isinstance(refused, Refused)
    assert refused.why is Why.NOT_PROVEN


@pytest.mark.parametrize("ip", ["2002:cb00:7105::1", "64:ff9b::203.0.113.5", "2001:0:cb00:7105::", "::203.0.113.5"])
def test_a_tunnel_is_never_proven(ip: str) -> None:
    assert isinstance(judge(ip, SURROUNDINGS, proven=True), Refused)


@pytest.mark.parametrize(
    "ip",
    [
        *(
            "",
            "localhost",
            "127.1",
            "0177.0.0.1",
            "0x7f.0.0.1",
            "2130706433",
            "127.0.0.01",
            "127.0.0.1 ",
            "127.0.0.1/8",
        ),
        *("[::1]", "fe80::1%eth0", "::1%lo", "10.244.1.5%0", "10.244.1.\u0665", "10.244.1.5\n", "1.2.3.4.5", ":::1"),
    ],
)
def test_a_spelling_that_is_not_standard_notation_is_refused_and_not_repeated(ip: str) -> None:
    refused = judge(ip, allowing("0.0.0.0/0", "::/0", "127.0.0.0/8", "fe80::/10", "::1/128"), proven=True)
    assert refused == Refused(Why.MALFORMED, "the address", "NETWORK")


WRAPPINGS = {
    "mapped": lambda v4: IPv6Address(0xFFFF << 32 | int(v4)),
    "translated": lambda v4: IPv6Address(0xFFFF << 48 | int(v4)),
    "compatible": lambda v4: IPv6Address(int(v4)),
    "nat64": lambda v4: IPv6Address(0x64FF9B << 96 | int(v4)),
    "6to4": lambda v4: IPv6Address(0x2002 << 112 | int(v4) << 80),
    "teredo client": lambda v4: IPv6Address(0x20010000 << 96 | (~int(v4) & 0xFFFFFFFF)),
    "teredo server": lambda v4: IPv6Address(0x20010000 << 96 | int(v4) << 64),
}


@given(st.ip_addresses(v=4), st.sampled_from(sorted(WRAPPINGS)), st.booleans())
def test_wrapping_never_opens_what_is_closed(v4: IPv4Address, wrapping: str, proven: bool) -> None:
    for context in (SURROUNDINGS, allowing("0.0.0.0/0", "::/0")):
        plain = judge(str(v4), context, proven=proven)
        wrapped = judge(str(WRAPPINGS[wrapping](v4)), context, proven=proven)
        assert isinstance(plain, Allowed) or isinstance(wrapped, Refused)


@given(st.ip_addresses(v=4), st.booleans())
def test_a_mapped_address_is_judged_and_connected_to_as_the_ipv4_address_that_it_is(
    v4: IPv4Address, proven: bool
) -> None:
    mapped = WRAPPINGS["mapped"](v4)
    for spelling in (str(mapped), mapped.exploded, f"::ffff:{v4}"):
        assert judge(spelling, SURROUNDINGS, proven=proven) == judge(str(v4), SURROUNDINGS, proven=proven)


@given(st.ip_addresses())
def test_what_python_knows_to_be_local_is_never_proven(address: IPv4Address | IPv6Address) -> None:
    if address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified:
        assert isinstance(judge(str(address), SURROUNDINGS, proven=True), Refused)


@given(st.text(max_size=60))
def test_any_text_gets_a_verdict(text: str) -> None:
    judge(text, SURROUNDINGS, proven=True)


@pytest.mark.parametrize(
    "text", ["", "10.0.0.1/8", "10.0.0.0/33", "db.example.com", "10.0.0.0/255.0", "*", "fe80::%1/64"]
)
def test_a_bad_allowance_names_the_flag_and_shows_how_it_is_written(text: str) -> None:
    with pytest.raises(ValueError, match=r"--probe-allow: .* is not a network; give CIDR notation .*10\.20\.0\.0/16"):
        parse_allow(text)


@pytest.mark.parametrize(
    ("text", "network"),
    [
        (" 10.20.0.0/16 ", "10.20.0.0/16"),
        ("192.0.2.7", "192.0.2.7/32"),
        ("2001:db8::/48", "2001:db8::/48"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
    ],
)
def test_an_allowance_is_read_as_the_network_that_packets_see(text: str, network: str) -> None:
    assert parse_allow(text) == ip_network(network)


# Address, whether it is proven, allowances, and why it is refused while nobody can tell nodes and API server apart.
UNTOLD: list[tuple[str, bool, tuple[str, ...], Why | None]] = [
    ("10.244.3.3", True, (), None),
    ("10.244.3.3", False, (), Why.NOT_PROVEN),
    ("10.244.3.3", False, ("10.0.0.0/8",), Why.UNTOLD),
    ("10.244.3.3", False, ("10.0.0.0/8", "10.244.3.3/32"), None),
    ("64:ff9b::10.244.3.3", True, ("64:ff9b::/96",), Why.UNTOLD),
    ("127.0.0.1", False, ("127.0.0.0/8",), None),
    ("10.1.0.7", True, (), Why.NODE),
]


@pytest.mark.parametrize(("address", "proven", "allowed", "why"), UNTOLD)
def test_while_nodes_or_the_api_server_cannot_be_told_only_pods_and_named_addresses_are_reached(
    address: str, proven: bool, allowed: tuple[str, ...], why: Why | None
) -> None:
    verdict = judge(address, replace(allowing(*allowed), untold=True), proven=proven)
    assert (verdict.why if isinstance(verdict, Refused) else None) is why
