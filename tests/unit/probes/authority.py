"""Certificates of every quality, for servers under test."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from breakwater.kernel.sealed import Sealed
from breakwater.probes.request import ClientCertificate

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Credential:
    key: PrivateKey
    chain: tuple[x509.Certificate, ...]

    @property
    def fingerprint(self) -> str:
        return self.chain[0].fingerprint(hashes.SHA256()).hex()

    @property
    def der(self) -> bytes:
        return self.chain[0].public_bytes(serialization.Encoding.DER)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def chain_pem(self) -> bytes:
        return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in self.chain)

    def for_client(self) -> ClientCertificate:
        return ClientCertificate(self.chain_pem, Sealed(self.key_pem))

    def load_into(self, context: ssl.SSLContext) -> None:
        with TemporaryDirectory() as folder:
            path = Path(folder, "pair.pem")
            path.write_bytes(self.key_pem + self.chain_pem)
            context.load_cert_chain(path)


class Authority:
    def __init__(
        self,
        parent: Authority | None = None,
        not_after: datetime = NOW + 365 * DAY,
        permitted: str | None = None,
    ) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.parent = parent
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Test {'Root' if parent is None else 'Sub'}")])
        builder = self._builder(self.name, self.key, NOW - 400 * DAY, not_after)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        if permitted:
            builder = builder.add_extension(x509.NameConstraints([x509.DNSName(permitted)], None), critical=True)
        signer = parent or self
        self.certificate = builder.issuer_name(signer.name).sign(signer.key, hashes.SHA256())

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def issuers(self) -> tuple[x509.Certificate, ...]:
        return () if self.parent is None else (self.certificate, *self.parent.issuers)

    def issue(
        self,
        *names: str,
        not_before: datetime = NOW - DAY,
        not_after: datetime = NOW + 30 * DAY,
        usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
        common_name: str = "server",
        key: PrivateKey | None = None,
    ) -> Credential:
        own_key = key or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        builder = self._builder(subject, own_key, not_before, not_after).issuer_name(self.name)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([_san(name) for name in names]), critical=False)
        return Credential(own_key, (builder.sign(self.key, hashes.SHA256()), *self.issuers))

    def client(self, *, not_before: datetime = NOW - DAY, not_after: datetime = NOW + 30 * DAY) -> Credential:
        usage = ExtendedKeyUsageOID.CLIENT_AUTH
        return self.issue(usage=usage, common_name="bpm", not_before=not_before, not_after=not_after)

    @staticmethod
    def _builder(
        subject: x509.Name, key: PrivateKey, not_before: datetime, not_after: datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(not_before)
            .not_valid_after(not_after)
        )


def _san(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
