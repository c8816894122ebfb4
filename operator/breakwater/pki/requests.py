"""What a certificate shall be: pure data that a plan can hold, compare and check."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography import x509

from breakwater.pki.errors import invalid
from breakwater.pki.names import check_common_name, check_dns_name, check_ip_address, fits_common_name

if TYPE_CHECKING:
    from breakwater.pki.keys import Algorithm

MINIMUM_LIFETIME = timedelta(seconds=10)


class Usage(StrEnum):
    """What a leaf may be shown for."""

    SERVER = "Server"
    CLIENT = "Client"


@dataclass(frozen=True, slots=True, kw_only=True)
class RootRequest:
    """A self-signed authority.

    Attributes:
        common_name: its whole subject. Give each generation its own: two keys under one name break path building in
            some clients.
        lifetime: from now on; the back-dating comes on top.
        permitted_dns: the only DNS subtrees that it may name; empty permits all.
        excluded_dns: the DNS subtrees that it may not name; they win over the permitted. Neither bears on addresses.
        path_length: authorities that may stand below it; one leaves room for a cross-signed successor.
    """

    common_name: str
    algorithm: Algorithm
    lifetime: timedelta
    permitted_dns: tuple[str, ...] = ()
    excluded_dns: tuple[str, ...] = ()
    path_length: int | None = 1

    def check(self) -> None:
        """Tells before issuing whether it can be done.

        Raises:
            PkiError: InvalidField, with the field's name.
        """
        check_common_name("commonName", self.common_name)
        _check_lifetime(self.lifetime)
        for name in self.permitted_dns:
            check_dns_name("permittedDNS", name)
        for name in self.excluded_dns:
            check_dns_name("excludedDNS", name)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafRequest:
    """A certificate for a server, a client, or both.

    Attributes:
        usages: becomes the extended key usage.
        common_name: a client's identity, needed for one. For a server alone a wish: the first of it and the DNS names
            that fits into 64 octets becomes the subject, which may hence be empty.
        dns_names: lower case; the first label may be `*`.
        ip_addresses: canonical spelling.
        lifetime: from now on, unless the issuer ends before; the back-dating comes on top.
    """

    usages: frozenset[Usage]
    algorithm: Algorithm
    lifetime: timedelta
    common_name: str = ""
    dns_names: tuple[str, ...] = ()
    ip_addresses: tuple[str, ...] = ()

    def check(self) -> None:
        """Tells before issuing whether it can be done, the issuer's constraints aside.

        Raises:
            PkiError: InvalidField, with the field's name.
        """
        if not self.usages:
            raise invalid("usages", "must name Server, Client or both")
        if Usage.CLIENT in self.usages or fits_common_name(self.common_name):
            check_common_name("commonName", self.common_name)
        if Usage.SERVER in self.usages and not (self.dns_names or self.ip_addresses):
            raise invalid("dnsNames", "a server certificate needs at least one name or address")
        _check_lifetime(self.lifetime)
        for name in self.dns_names:
            check_dns_name("dnsNames", name, wildcard=True)
        for address in self.ip_addresses:
            check_ip_address("ipAddresses", address)

    @property
    def subject(self) -> str:
        """The common name that the certificate will carry, empty for none."""
        candidates = (self.common_name, *(self.dns_names if Usage.SERVER in self.usages else ()))
        return next((name for name in candidates if fits_common_name(name)), "")

    @property
    def alternative_names(self) -> tuple[x509.GeneralName, ...]:
        """The subject alternative names, each once."""
        dns = [x509.DNSName(name) for name in dict.fromkeys(self.dns_names)]
        return (*dns, *(x509.IPAddress(ip_address(address)) for address in dict.fromkeys(self.ip_addresses)))


def _check_lifetime(lifetime: timedelta) -> None:
    if lifetime < MINIMUM_LIFETIME:
        raise invalid("lifetime", f"must be at least {MINIMUM_LIFETIME.total_seconds():.0f}s")
