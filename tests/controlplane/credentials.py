"""Certificates and kubeconfig files of a control plane.

Made here and not by the package under test: a control plane that trusted its code could not judge it.
"""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Iterable

_LIFETIME = dt.timedelta(days=365)
_BACK_DATED = dt.timedelta(minutes=5)


@dataclass(frozen=True, repr=False)
class SigningKeys:
    """What signs service account tokens, and what verifies them, as PEM."""

    key: str
    public: str

    def write(self, folder: Path, name: str) -> None:
        """Write `name`.key (for the owner's eyes only) and `name`.pub."""
        write_private(folder / f"{name}.key", self.key)
        (folder / f"{name}.pub").write_text(self.public)


@dataclass(frozen=True, repr=False)
class KeyPair:
    """A certificate and its key as PEM."""

    certificate: str
    key: str

    def write(self, folder: Path, name: str) -> None:
        """Write `name`.crt and `name`.key (for the owner's eyes only)."""
        (folder / f"{name}.crt").write_text(self.certificate)
        write_private(folder / f"{name}.key", self.key)


class Authority:
    """The one certificate authority of a control plane: its server certificate and all client certificates."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("breakwater-test-cluster")
        usage = _usage(key_cert_sign=True, crl_sign=True)
        certificate = (
            _builder(self._name, self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.pair = KeyPair(_pem(certificate), _private_pem(self._key))

    def server(self, dns_names: Iterable[str], addresses: Iterable[str]) -> KeyPair:
        """Issue a server certificate."""
        names: list[x509.GeneralName] = [x509.DNSName(name) for name in dns_names]
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        return self._issue(_name("kube-apiserver"), ExtendedKeyUsageOID.SERVER_AUTH, x509.SubjectAlternativeName(names))

    def client(self, user: str, groups: Iterable[str]) -> KeyPair:
        """Issue a client certificate: Kubernetes reads the user in its common name, the groups in its organizations."""
        return self._issue(_name(user, groups), ExtendedKeyUsageOID.CLIENT_AUTH, None)

    def _issue(self, subject: x509.Name, purpose: x509.ObjectIdentifier, names: x509.ExtensionType | None) -> KeyPair:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _builder(subject, self._name, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        )
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        return KeyPair(_pem(builder.sign(self._key, hashes.SHA256())), _private_pem(key))


def signing_request(user: str, groups: Iterable[str]) -> tuple[str, str]:
    """Return (certificate signing request, private key), both PEM, for a user of the API server."""
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(_name(user, groups)).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode(), _private_pem(key)


def service_account_keys() -> SigningKeys:
    """Make the keys of service account tokens."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return SigningKeys(_private_pem(key), public.decode())


def client_login(pair: KeyPair) -> dict[str, Any]:
    """Return a kubeconfig's `user` that signs in with a client certificate."""
    return {"client-certificate-data": _base64(pair.certificate), "client-key-data": _base64(pair.key)}


def token_login(token: str) -> dict[str, Any]:
    """Return a kubeconfig's `user` that signs in with a bearer token."""
    return {"token": token}


def write_kubeconfig(path: Path, *, name: str, server: str, authority: str | Path, login: dict[str, Any]) -> Path:
    """Write a kubeconfig with one context `name`; `authority` is PEM, or the path of a file that holds it."""
    trust = (
        {"certificate-authority": str(authority)}
        if isinstance(authority, Path)
        else {"certificate-authority-data": _base64(authority)}
    )
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server, **trust}}],
        "users": [{"name": name, "user": login}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    return write_private(path, yaml.safe_dump(document, sort_keys=False))


def write_private(path: Path, text: str) -> Path:
    """Write a file that only its owner may read, from its first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    return path


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACK_DATED)
        .not_valid_after(now + _LIFETIME)
    )


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str, organizations: Iterable[str] = ()) -> x509.Name:
    organization = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in organizations]
    return x509.Name([*organization, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _private_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
