"""Chains of any kind, also those that we would never issue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from breakwater.pki import KeyPair, LeafRequest, RootRequest, Usage
from breakwater.pki.keys import Algorithm, PrivateKey, new_key, seal_key

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)
DAY = timedelta(days=1)
CHEAP = Algorithm.ECDSA_P256


def root_request(**changes: object) -> RootRequest:
    return RootRequest(**{"common_name": "test root", "algorithm": CHEAP, "lifetime": 3650 * DAY, **changes})  # type: ignore[arg-type]


def leaf_request(**changes: object) -> LeafRequest:
    server = {"usages": frozenset({Usage.SERVER}), "algorithm": CHEAP, "lifetime": 90 * DAY}
    return LeafRequest(**{**server, "dns_names": ("db.bpm.svc",), **changes})  # type: ignore[arg-type]


def client_request(**changes: object) -> LeafRequest:
    return leaf_request(**{"usages": frozenset({Usage.CLIENT}), "dns_names": (), "common_name": "bpm", **changes})


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


@dataclass(frozen=True)
class Made:
    certificate: x509.Certificate
    key: PrivateKey

    @property
    def pair(self) -> KeyPair:
        return KeyPair(pem(self.certificate), seal_key(self.key))


def forge(
    name: str,
    signer: Made | None = None,
    *,
    algorithm: Algorithm = CHEAP,
    key: PrivateKey | None = None,
    ca: bool = True,
    path_length: int | None = None,
    period: tuple[datetime, datetime] = (NOW - DAY, NOW + 10 * DAY),
    dns: Sequence[str] = (),
    usages: Sequence[x509.ObjectIdentifier] = (),
    sign_certs: bool | None = None,
    extra: Sequence[tuple[x509.ExtensionType, bool]] = (),
    weak_hash: bool = False,
    key_id: bool = True,
) -> Made:
    """One certificate, self-signed without a signer."""
    key = key or new_key(algorithm)
    signing_key = signer.key if signer else key
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(
        issuer_name=signer.certificate.subject if signer else subject,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=period[0],
        not_valid_after=period[1],
    )
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=ca, path_length=path_length if ca else None), True),
        *([(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)] if key_id else []),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), False),
        (key_usage(sign_certs=ca if sign_certs is None else sign_certs), True),
        *([(x509.SubjectAlternativeName([x509.DNSName(each) for each in dns]), False)] if dns else []),
        *([(x509.ExtendedKeyUsage(usages), False)] if usages else []),
        *extra,
    ]
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    digest = None if type(signing_key).__name__.startswith("Ed25519") else hashes.SHA256()
    weak = hashes.SHA224() if weak_hash else digest
    return Made(builder.sign(signing_key, weak), key)


def forge_server(signer: Made | None, dns: Sequence[str] = ("db.bpm.svc",), **changes: object) -> Made:
    defaults = {"ca": False, "dns": dns, "usages": [ExtendedKeyUsageOID.SERVER_AUTH]}
    return forge("leaf", signer, **{**defaults, **changes})  # type: ignore[arg-type]


def key_usage(*, sign_certs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certs,
        crl_sign=sign_certs,
        encipher_only=False,
        decipher_only=False,
    )
