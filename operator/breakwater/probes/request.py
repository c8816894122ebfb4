"""What to measure: pure data that a plan makes and the engine hands to `measure`."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

from breakwater.kernel.sealed import Sealed
from breakwater.probes.ciphers import OPENSSL_NAMES

DEFAULT_TIMEOUT = 10.0
LONGEST_TIMEOUT = 60.0
MOST_ADDRESSES = 16

_DNS_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*")
_ALPN_NAME = re.compile(r"[A-Za-z0-9./-]{1,32}")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


class TlsVersion(StrEnum):
    """The lowest protocol version that a channel may demand."""

    V1_2 = "TLSv1.2"
    V1_3 = "TLSv1.3"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Addresses proven to be pods or a Service of the channel's own namespace. Each of them must hold.

    Attributes:
        ips: at most 16; a pod that comes or goes does not change what the measurement means.
        endpoint: what they are the addresses of, as the channel names it (`endpoint.host`).
        total: how many there are of them; the rest is not measured, and the result says so.
    """

    ips: tuple[str, ...]
    endpoint: str = ""
    total: int = 0

    def __post_init__(self) -> None:
        if not 1 <= len(self.ips) <= MOST_ADDRESSES:
            raise ValueError(f"ips holds {len(self.ips)} addresses; give 1 to {MOST_ADDRESSES}")


@dataclass(frozen=True, slots=True)
class Hostname:
    """A host outside of the channel's namespace; its addresses are alternatives, the first that connects counts.

    Attributes:
        name: a DNS name, or an IP address that was written in its place.
    """

    name: str

    def __post_init__(self) -> None:
        if not (is_dns_name(self.name) or is_ip(self.name)):
            raise ValueError("name is neither a DNS name nor an IP address; write it in ASCII, without a trailing dot")


Target = Addresses | Hostname


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """What to present when the server asks, and only once the server is verified.

    Attributes:
        chain_pem: the leaf first, then its intermediates.
        key: the PEM private key, unencrypted.
    """

    chain_pem: bytes = field(repr=False)
    key: Sealed


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsProbe:
    """One TLS handshake that verifies what a channel declares.

    Attributes:
        protocol: the channel's protocol, HTTPS or TLS.
        server_name: sent as SNI and looked for in the certificate; a DNS name or an IP address.
        target: where to connect.
        trust_pem: PEM certificates that the chain must end in; None trusts the operator's system store.
        cipher_suites: IANA names; empty restricts nothing.
        alpn: offered in this order.
        timeout: seconds for everything together.
        expected_fingerprint: SHA-256 of the leaf that the server ought to show by now, lower-case hex.
        reload_until: until when another verified leaf does not fail, because the expected one is so young that kubelet
            and server may not have taken it up.
    """

    protocol: str
    server_name: str
    port: int
    target: Target
    trust_pem: bytes | None = field(default=None, repr=False)
    minimum_version: TlsVersion = TlsVersion.V1_2
    cipher_suites: tuple[str, ...] = ()
    client_certificate: ClientCertificate | None = None
    alpn: tuple[str, ...] = ()
    timeout: float = DEFAULT_TIMEOUT
    expected_fingerprint: str | None = None
    reload_until: datetime | None = None

    def __post_init__(self) -> None:
        if not (is_dns_name(self.server_name) or is_ip(self.server_name)):
            raise ValueError("server_name is neither a DNS name nor an IP address; set endpoint.serverName to one")
        if not 1 <= self.port <= 65535:
            raise ValueError(f"port is {self.port}; set endpoint.port to 1..65535")
        if not 0 < self.timeout <= LONGEST_TIMEOUT:
            raise ValueError(f"timeout is {self.timeout}; give more than 0 and at most {LONGEST_TIMEOUT} seconds")
        if any(suite not in OPENSSL_NAMES for suite in self.cipher_suites):
            raise ValueError("cipher_suites holds an unknown suite; give IANA names of suites for certificates")
        if not all(_ALPN_NAME.fullmatch(name) for name in self.alpn):
            raise ValueError("alpn holds a name that is no protocol id; give ids like h2 or http/1.1")
        if self.expected_fingerprint is not None and not _FINGERPRINT.fullmatch(self.expected_fingerprint):
            raise ValueError(
                "expected_fingerprint is not 64 lower-case hex digits; give the SHA-256 of the certificate"
            )

    def anonymous(self) -> TlsProbe:
        """Give the same probe without a client certificate."""
        return replace(self, client_certificate=None)

    def digest(self) -> str:
        """Name the question: two probes that ask the same have the same digest, in every process and release.

        Free of secrets (certificates enter by hash, keys not at all), of time limits, and of the addresses of single
        pods: those may change without a change of what is asked. The time to reload follows from the expected leaf.
        """
        return _hash(self._meaning())

    def _meaning(self) -> dict[str, Any]:
        target = self.target
        return {
            "target": f"host:{target.name}" if isinstance(target, Hostname) else f"endpoint:{target.endpoint}",
            "protocol": self.protocol,
            "serverName": self.server_name.lower(),
            "port": self.port,
            "trust": None if self.trust_pem is None else digest_of(self.trust_pem),
            "minimumVersion": self.minimum_version,
            "cipherSuites": sorted(self.cipher_suites),
            "alpn": self.alpn,
            "client": self.client_certificate and hashlib.sha256(self.client_certificate.chain_pem).hexdigest(),
            "expected": self.expected_fingerprint,
        }


class NegativeKind(StrEnum):
    """Something that a secured channel must refuse."""

    PLAINTEXT = "Plaintext"
    OLD_VERSION = "OldVersion"
    NO_CLIENT_CERTIFICATE = "NoClientCertificate"


@dataclass(frozen=True, slots=True)
class NegativeProbe:
    """An attempt that must be refused; it holds when it was. `probe` says where and what the channel declares."""

    kind: NegativeKind
    probe: TlsProbe

    def digest(self) -> str:
        """As `TlsProbe.digest`, and different for each kind."""
        return _hash({"kind": self.kind, "of": self.probe.digest()})


@lru_cache(maxsize=16)
def digest_of(pem: bytes) -> str:
    """SHA-256 of certificates. Kept for the moment: all probes of a channel ask for that of the same megabyte."""
    return hashlib.sha256(pem).hexdigest()


def is_dns_name(text: str) -> bool:
    """Whether this is a host name in ASCII without wildcard or trailing dot; underscores are met in the field."""
    return len(text) <= 253 and _DNS_NAME.fullmatch(text) is not None


def is_ip(text: str) -> bool:
    """Whether this is an IP address in standard notation, without a zone."""
    try:
        return getattr(ipaddress.ip_address(text), "scope_id", None) is None
    except ValueError:
        return False


def _hash(meaning: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()[:32]
