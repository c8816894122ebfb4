"""What a certificate says, read from its bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from breakwater.pki.errors import PkiError, Reason
from breakwater.pki.keys import describe, key_spki, spki_of
from breakwater.pki.pem import DECODING_ERRORS, load_certificates, load_chain

if TYPE_CHECKING:
    from datetime import datetime

    from breakwater.kernel.sealed import Sealed

_KEY_USAGES = {
    "digital_signature": "digitalSignature",
    "content_commitment": "contentCommitment",
    "key_encipherment": "keyEncipherment",
    "data_encipherment": "dataEncipherment",
    "key_agreement": "keyAgreement",
    "key_cert_sign": "keyCertSign",
    "crl_sign": "cRLSign",
}
_EXTENDED_KEY_USAGES = {
    ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth",
    ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth",
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: "anyExtendedKeyUsage",
}

Extension = TypeVar("Extension", bound=x509.ExtensionType)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """One certificate, decoded. Its texts are whatever the issuer wrote: escape them before showing them.

    Attributes:
        common_name: the first CN of the subject, empty when there is none.
        subject, issuer: distinguished names (RFC 4514).
        serial: lower case hex without leading zeros.
        not_before, not_after: aware, UTC, whole seconds; both belong to the validity.
        fingerprint: SHA-256 of the certificate, hex.
        spki: SHA-256 of the SubjectPublicKeyInfo, hex; the same for all certificates of one key.
        path_length: how many more authorities may stand below this one; None is any number.
        key_usages: names of RFC 5280; empty is unrestricted.
        extended_key_usages: `serverAuth`, `clientAuth`, `anyExtendedKeyUsage` or a dotted OID; empty is unrestricted.
        subject_key_id, authority_key_id: hex, empty when absent.
        key_id: hex, how what it signs names its key: `subject_key_id`, or derived from the key where that is absent.
        algorithm: of the key, spelled as `Algorithm`, also for those not among ours (`RSA-1024`).
        permitted_dns, excluded_dns: the DNS subtrees of the name constraints; empty when there are none.
    """

    common_name: str
    subject: str
    issuer: str
    serial: str
    not_before: datetime
    not_after: datetime
    fingerprint: str
    spki: str
    algorithm: str
    dns_names: tuple[str, ...]
    ip_addresses: tuple[str, ...]
    uris: tuple[str, ...]
    is_ca: bool
    path_length: int | None
    key_usages: frozenset[str]
    extended_key_usages: frozenset[str]
    subject_key_id: str
    authority_key_id: str
    key_id: str
    permitted_dns: tuple[str, ...]
    excluded_dns: tuple[str, ...]

    @property
    def may_sign(self) -> bool:
        """Whether it may sign certificates."""
        return self.is_ca and (not self.key_usages or "keyCertSign" in self.key_usages)


def parse_chain(pem: bytes) -> tuple[CertificateFacts, ...]:
    """The certificates of a chain (1 to 16), as they stand. Costs about 0.1 ms each: cache it.

    Raises:
        PkiError: whatever is not exactly certificates; private keys have their own reason.
    """
    return tuple(read_facts(certificate) for certificate in load_chain(pem))


def parse_bundle(pem: bytes) -> tuple[CertificateFacts, ...]:
    """As `parse_chain` for trust bundles: any number of certificates, also none.

    Raises:
        PkiError: whatever is not exactly certificates.
    """
    return tuple(read_facts(certificate) for certificate in load_certificates(pem))


def key_matches(key: Sealed, certificate_pem: bytes) -> bool:
    """Whether the key belongs to the first certificate of the chain.

    Raises:
        PkiError: the key or the chain cannot be read.
    """
    return key_spki(key) == parse_chain(certificate_pem)[0].spki


def read_facts(certificate: x509.Certificate) -> CertificateFacts:
    """The facts of a certificate that is decoded already.

    Raises:
        PkiError: MalformedCertificate; UnsupportedKey.
    """
    try:
        return _read(certificate)
    except UnsupportedAlgorithm:
        raise PkiError(Reason.UNSUPPORTED_KEY) from None
    except DECODING_ERRORS:
        raise PkiError(Reason.MALFORMED_CERTIFICATE) from None


def find(extensions: x509.Extensions, kind: type[Extension]) -> Extension | None:
    """The extension of that kind, or None."""
    for extension in extensions:
        if type(extension.value) is kind:  # isinstance asks an abstract base class, ten times as slow
            return extension.value
    return None


def alternative_names(extensions: x509.Extensions) -> tuple[x509.GeneralName, ...]:
    """The subject alternative names of every form, as they stand."""
    return tuple(find(extensions, x509.SubjectAlternativeName) or ())


def key_identifier(certificate: x509.Certificate) -> x509.SubjectKeyIdentifier:
    """How certificates that this one signs name its key."""
    own = find(certificate.extensions, x509.SubjectKeyIdentifier)
    return own or x509.SubjectKeyIdentifier.from_public_key(certificate.public_key())


def _read(certificate: x509.Certificate) -> CertificateFacts:
    extensions = certificate.extensions
    names = alternative_names(extensions)
    basic = find(extensions, x509.BasicConstraints)
    constraints = find(extensions, x509.NameConstraints)
    subject_key = find(extensions, x509.SubjectKeyIdentifier)
    authority_key = find(extensions, x509.AuthorityKeyIdentifier)
    public_key = certificate.public_key()
    common_names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return CertificateFacts(
        common_name=str(common_names[0].value) if common_names else "",
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        serial=f"{certificate.serial_number:x}",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        fingerprint=certificate.fingerprint(SHA256()).hex(),
        spki=spki_of(public_key),
        algorithm=describe(public_key),
        dns_names=tuple(name.value for name in names if isinstance(name, x509.DNSName)),
        ip_addresses=tuple(str(name.value) for name in names if isinstance(name, x509.IPAddress)),
        uris=tuple(name.value for name in names if isinstance(name, x509.UniformResourceIdentifier)),
        is_ca=basic is not None and basic.ca,
        path_length=basic.path_length if basic else None,
        key_usages=_key_usages(find(extensions, x509.KeyUsage)),
        extended_key_usages=_extended_key_usages(find(extensions, x509.ExtendedKeyUsage)),
        subject_key_id=subject_key.digest.hex() if subject_key else "",
        authority_key_id=(authority_key.key_identifier or b"").hex() if authority_key else "",
        key_id=key_identifier(certificate).digest.hex(),
        permitted_dns=_dns_subtrees(constraints.permitted_subtrees if constraints else None),
        excluded_dns=_dns_subtrees(constraints.excluded_subtrees if constraints else None),
    )


def _key_usages(usage: x509.KeyUsage | None) -> frozenset[str]:
    if usage is None:
        return frozenset()
    usages = frozenset(name for attribute, name in _KEY_USAGES.items() if getattr(usage, attribute))
    if not usages:
        raise ValueError("a key usage extension must allow something")  # else it would pass for no restriction
    return usages


def _extended_key_usages(usages: x509.ExtendedKeyUsage | None) -> frozenset[str]:
    return frozenset(_EXTENDED_KEY_USAGES.get(usage, usage.dotted_string) for usage in usages or ())


def _dns_subtrees(subtrees: list[x509.GeneralName] | None) -> tuple[str, ...]:
    return tuple(subtree.value for subtree in subtrees or () if isinstance(subtree, x509.DNSName))
