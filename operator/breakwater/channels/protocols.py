"""What each protocol can do: when its TLS begins, and where its servers listen."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple


class Protocol(StrEnum):
    """What is spoken inside the channel."""

    HTTPS = "HTTPS"
    SMTP = "SMTP"
    POSTGRESQL = "PostgreSQL"
    MYSQL = "MySQL"
    SQLSERVER = "SQLServer"
    ORACLE = "Oracle"
    LDAP = "LDAP"
    TLS = "TLS"


class Security(StrEnum):
    """When TLS begins: with the first byte, or on request inside the protocol."""

    IMPLICIT = "Implicit"
    START_TLS = "StartTLS"


class Traits(NamedTuple):
    """The ports of a protocol by the securities that it knows, its default first; 0 where no port is usual."""

    ports: Mapping[Security, int]

    @property
    def default_security(self) -> Security:
        """What a channel gets that does not say."""
        return next(iter(self.ports))


def _traits(**ports: int) -> Traits:
    return Traits(MappingProxyType({Security[name.upper()]: port for name, port in ports.items()}))


TRAITS: Mapping[Protocol, Traits] = MappingProxyType(
    {
        Protocol.HTTPS: _traits(implicit=443),
        Protocol.SMTP: _traits(start_tls=587, implicit=465),
        Protocol.POSTGRESQL: _traits(start_tls=5432, implicit=5432),  # Implicit: sslnegotiation=direct, from 17 on
        Protocol.MYSQL: _traits(start_tls=3306),
        Protocol.SQLSERVER: _traits(start_tls=1433, implicit=1433),  # Implicit: TDS 8.0, Encrypt=Strict
        Protocol.ORACLE: _traits(implicit=2484),  # TCPS
        Protocol.LDAP: _traits(
            implicit=636, start_tls=389
        ),  # no plain bytes before TLS that an attacker could keep plain
        Protocol.TLS: _traits(implicit=0),
    }
)


def securities(protocol: Protocol) -> tuple[Security, ...]:
    """What the protocol knows, its default first."""
    return tuple(TRAITS[protocol].ports)


def default_security(protocol: Protocol) -> Security:
    """When TLS begins where a channel does not say."""
    return TRAITS[protocol].default_security


def default_port(protocol: Protocol, security: Security | None = None) -> int | None:
    """The usual port; None for plain TLS, which has none, and for a security that the protocol does not know."""
    return TRAITS[protocol].ports.get(security or default_security(protocol)) or None
