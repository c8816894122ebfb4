"""Certificates, signed with a key that is at hand. Pure but for random numbers: the time comes with the call."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from breakwater.pki.errors import PkiError, Reason, invalid, quoted
from breakwater.pki.facts import find, key_identifier
from breakwater.pki.issuer import Issuer, load_issuer, to_pem
from breakwater.pki.keys import PrivateKey, load_key, new_key, seal_key, spki_of
from breakwater.pki.names import forbidden_name
from breakwater.pki.requests import LeafRequest, RootRequest, Usage
from breakwater.pki.validity import Validity

if TYPE_CHECKING:
    from breakwater.kernel.sealed import Sealed

BACK_DATING = timedelta(minutes=5)
_HOST_LIKE = re.compile(r"[A-Za-z0-9_.-]+")
_USAGE_OIDS = {Usage.SERVER: ExtendedKeyUsageOID.SERVER_AUTH, Usage.CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH}


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate, followed by the intermediates that clients need to reach the root, and its private key."""

    certificate_pem: bytes = field(repr=False)
    key: Sealed


class _Signing(NamedTuple):
    issuer: Issuer
    key: PrivateKey


def validity(now: datetime, lifetime: timedelta) -> Validity:
    """From min(5 minutes, a tenth of the lifetime) before now, for clocks that go slow, to now + lifetime.

    Raises:
        ValueError: `now` is naive.
        PkiError: InvalidField, the lifetime ends after the year 9999.
    """
    if now.tzinfo is None:
        raise ValueError("now must be aware")
    now = now.astimezone(UTC).replace(microsecond=0)
    try:
        not_after = now + lifetime
    except OverflowError:
        raise invalid("lifetime", "must end before the year 10000") from None
    return Validity((now - min(BACK_DATING, lifetime / 10)).replace(microsecond=0), not_after.replace(microsecond=0))


def issue_root(request: RootRequest, now: datetime) -> KeyPair:
    """A self-signed authority with a fresh key.

    Name constraints stand in the root itself, critical, so that every client enforces them; empty lists are none.

    Raises:
        PkiError: InvalidField; SelfCheckFailed.
    """
    request.check()
    period = validity(now, request.lifetime)
    key = new_key(request.algorithm)
    name = _name(request.common_name)
    builder = _builder(name, name, key, period)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=request.path_length), critical=True)
    builder = builder.add_extension(_key_usage(authority=True), critical=True)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
    )
    if request.permitted_dns or request.excluded_dns:
        builder = builder.add_extension(_constraints(request), critical=True)
    certificate = builder.sign(key, _hash_for(key))
    _check_signature(certificate, certificate)
    return KeyPair(to_pem([certificate]), seal_key(key))


def issue_leaf(request: LeafRequest, issuer: KeyPair, now: datetime) -> KeyPair:
    """A certificate with a fresh key, never valid outside the validity of any certificate in the issuer's chain.

    Raises:
        PkiError: InvalidField; NameNotPermitted, with the name; what is wrong with the issuer (NotAnAuthority,
            KeyMismatch, IssuerExpired, ChainBroken, ...); SelfCheckFailed.
    """
    request.check()
    authority, signing_key = _load_signing(issuer)
    _check_names(request, authority)
    period = _clamp(validity(now, request.lifetime), authority.validity, now)
    key = new_key(request.algorithm)
    own = authority.certificates[0]
    certificate = _leaf_builder(request, own, key, period).sign(signing_key, _hash_for(signing_key))
    _check_signature(certificate, own)
    return KeyPair(to_pem([certificate, *authority.sent.certificates]), seal_key(key))


def _leaf_builder(
    request: LeafRequest, issuer: x509.Certificate, key: PrivateKey, period: Validity
) -> x509.CertificateBuilder:
    builder = _builder(_name(request.subject), issuer.subject, key, period)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    rsa_key = isinstance(key, rsa.RSAPrivateKey)
    builder = builder.add_extension(_key_usage(authority=False, encipherment=rsa_key), critical=True)
    usages = [_USAGE_OIDS[usage] for usage in sorted(request.usages)]
    builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    key_id = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_identifier(issuer))
    builder = builder.add_extension(key_id, critical=False)
    if names := request.alternative_names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not request.subject)
    return builder


def _builder(subject: x509.Name, issuer: x509.Name, key: PrivateKey, period: Validity) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder(issuer_name=issuer, subject_name=subject, public_key=key.public_key())
    builder = builder.serial_number(x509.random_serial_number())  # 159 random bits: positive, at most 20 octets
    builder = builder.not_valid_before(period.not_before).not_valid_after(period.not_after)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)


def _load_signing(pair: KeyPair) -> _Signing:
    issuer, key = load_issuer(pair.certificate_pem), load_key(pair.key)
    if issuer.facts[0].spki != spki_of(key.public_key()):
        raise PkiError(Reason.KEY_MISMATCH)
    return _Signing(issuer, key)


def _check_names(request: LeafRequest, authority: Issuer) -> None:
    for certificate in authority.certificates:
        constraints = find(certificate.extensions, x509.NameConstraints)
        if constraints is None:
            continue
        for field_name, names in _constrained_names(request).items():
            name = forbidden_name(constraints, names)
            if name is not None:
                remedy = "remove it or use another authority"
                message = f"{quoted(str(name.value))} is outside the name constraints of the authority; {remedy}"
                raise PkiError(Reason.NAME_NOT_PERMITTED, message, field_name)


def _constrained_names(request: LeafRequest) -> dict[str, list[x509.GeneralName]]:
    names = request.alternative_names
    # Without a DNS name clients may take a CN that looks like one for the server's name, and constrain it so.
    stands_in = not request.dns_names and "." in request.subject and _HOST_LIKE.fullmatch(request.subject)
    return {
        "dnsNames": [name for name in names if isinstance(name, x509.DNSName)],
        "ipAddresses": [name for name in names if isinstance(name, x509.IPAddress)],
        "commonName": [x509.DNSName(request.subject)] if stands_in else [],
    }


def _clamp(period: Validity, authority: Validity, now: datetime) -> Validity:
    not_before = max(period.not_before, authority.not_before)
    not_after = min(period.not_after, authority.not_after)
    if not_before > now:
        raise PkiError(Reason.ISSUER_NOT_YET_VALID)
    if not_after <= now:
        raise PkiError(Reason.ISSUER_EXPIRED)
    return Validity(not_before, not_after)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else [])


def _constraints(request: RootRequest) -> x509.NameConstraints:
    permitted = [x509.DNSName(name) for name in request.permitted_dns]
    excluded = [x509.DNSName(name) for name in request.excluded_dns]
    return x509.NameConstraints(permitted or None, excluded or None)


def _key_usage(*, authority: bool, encipherment: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _hash_for(key: PrivateKey) -> SHA256 | SHA384 | SHA512 | None:
    """The hash of the signature, as strong as the signing key; Ed25519 has its own."""
    match key:
        case ed25519.Ed25519PrivateKey():
            return None
        case ec.EllipticCurvePrivateKey() if key.key_size > 384:
            return SHA512()
        case ec.EllipticCurvePrivateKey() if key.key_size > 256:
            return SHA384()
        case _:
            return SHA256()


def _check_signature(certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    """Keeps a signature made by a faulty key or machine inside: with RSA it could reveal the key."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        raise PkiError(Reason.SELF_CHECK_FAILED) from None
