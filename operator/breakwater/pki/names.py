"""Names as certificates carry them: their grammar, name constraints, and the match with a server's name."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING

from cryptography import x509

from breakwater.pki.errors import PkiError, Reason, invalid, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DNS_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
_MAXIMUM_DNS_NAME = 253
MAXIMUM_COMMON_NAME = 64  # ub-common-name, RFC 5280 appendix A; octets, which is how certificates are commonly built

Address = IPv4Address | IPv6Address


def check_dns_name(field: str, name: str, *, wildcard: bool = False) -> None:
    """Accepts one spelling of each name, lower case and without a final dot, so that names compare as text.

    Raises:
        PkiError: InvalidField.
    """
    plain = name.removeprefix("*.") if wildcard else name
    if len(name) > _MAXIMUM_DNS_NAME or not _DNS_NAME.fullmatch(plain):
        allowed = "lower case letters, digits, hyphens and dots; internationalised names in their xn-- form"
        raise invalid(field, f"{quoted(name)} is not a DNS name: {allowed}{' ; * only as first label' * wildcard}")
    if plain.rpartition(".")[2].isdigit():
        raise invalid(field, f"{quoted(name)} looks like an address; list addresses in ipAddresses")
    if plain != name and "." not in plain:
        raise invalid(field, f"{quoted(name)} is too wide, no client accepts it; name two labels after the *")


def check_ip_address(field: str, address: str) -> None:
    """Accepts the canonical spelling of an address only.

    Raises:
        PkiError: InvalidField.
    """
    try:
        canonical = str(ip_address(address))
    except ValueError:
        raise invalid(field, f"{quoted(address)} is not an IP address; list DNS names in dnsNames") from None
    if canonical != address or "%" in address:
        raise invalid(field, f"{quoted(address)} must be written as {quoted(canonical.partition('%')[0])}")


def fits_common_name(name: str) -> bool:
    """Whether a certificate's subject can hold it."""
    return 0 < len(name.encode()) <= MAXIMUM_COMMON_NAME


def check_common_name(field: str, name: str) -> None:
    """Accepts printable characters without blanks around them, 1 to 64 octets of UTF-8.

    Raises:
        PkiError: InvalidField.
    """
    if not name:
        raise invalid(field, "must not be empty")
    if not fits_common_name(name):
        raise invalid(field, f"has {len(name.encode())} octets; a certificate holds at most {MAXIMUM_COMMON_NAME}")
    if not name.isprintable() or name != name.strip():
        raise invalid(field, f"{quoted(name)} has control characters or blanks around it; remove them")


def parse_server_name(name: str) -> x509.DNSName | x509.IPAddress:
    """A server's name or address as a client spells it, in any case, with or without final dot.

    Raises:
        PkiError: InvalidField.
    """
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        plain = name.lower().removesuffix(".")
    check_dns_name("serverName", plain)
    return x509.DNSName(plain)


def matches_server(expected: x509.DNSName | x509.IPAddress, names: Iterable[x509.GeneralName]) -> bool:
    """Whether a certificate with these alternative names is for the server (RFC 9525: a * is one whole first label)."""
    if isinstance(expected, x509.IPAddress):
        return expected in names
    _, _, parent = expected.value.partition(".")
    accepted = {expected.value, f"*.{parent}"} if "." in parent else {expected.value}
    return any(isinstance(name, x509.DNSName) and name.value.lower() in accepted for name in names)


def forbidden_name(constraints: x509.NameConstraints, names: Iterable[x509.GeneralName]) -> x509.GeneralName | None:
    """The first of the names that the constraints do not allow (RFC 5280, 4.2.1.10), or None.

    DNS names and addresses are judged. Other forms are left alone as long as no name has that form.

    Raises:
        PkiError: UnsupportedExtension for a constraint that bears on the names and cannot be judged.
    """
    permitted, excluded = constraints.permitted_subtrees or [], constraints.excluded_subtrees or []
    names = tuple(names)
    _refuse_unjudged((*permitted, *excluded), {type(name) for name in names})
    for name in names:
        same_form = [subtree for subtree in permitted if type(subtree) is type(name)]
        if same_form and not any(_covers(subtree, name) for subtree in same_form):
            return name
        if any(_overlaps(subtree, name) for subtree in excluded if type(subtree) is type(name)):
            return name
    return None


def _refuse_unjudged(subtrees: Iterable[x509.GeneralName], forms: set[type[x509.GeneralName]]) -> None:
    judged = {x509.DNSName, x509.IPAddress}
    for subtree in subtrees:
        unjudged = type(subtree) in forms - judged or isinstance(subtree, x509.DirectoryName)
        if unjudged or (isinstance(subtree, x509.DNSName) and subtree.value.startswith(".")):
            raise PkiError(Reason.UNSUPPORTED_EXTENSION)


def _covers(subtree: x509.GeneralName, name: x509.GeneralName) -> bool:
    """Whether all that the name stands for lies in the subtree."""
    if isinstance(subtree, x509.DNSName) and isinstance(name, x509.DNSName):
        return _is_within(name.value.lower().removeprefix("*."), subtree.value.lower())
    network, address = subtree.value, name.value
    return isinstance(network, IPv4Network | IPv6Network) and isinstance(address, Address) and address in network


def _overlaps(subtree: x509.GeneralName, name: x509.GeneralName) -> bool:
    """Whether anything that the name stands for lies in the subtree."""
    if _covers(subtree, name):
        return True
    if isinstance(subtree, x509.DNSName) and isinstance(name, x509.DNSName) and name.value.startswith("*."):
        _, _, parent = subtree.value.lower().partition(".")
        return parent == name.value.lower()[2:]
    return False


def _is_within(name: str, subtree: str) -> bool:
    return not subtree or name == subtree or name.endswith(f".{subtree}")
