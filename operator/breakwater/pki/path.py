"""Path validation of our own (RFC 5280, section 6): it gives reasons, and judges keys that others refuse."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.x509.oid import ExtensionOID, SignatureAlgorithmOID

from breakwater.pki.errors import PkiError, Reason
from breakwater.pki.facts import CertificateFacts, alternative_names, find, read_facts
from breakwater.pki.keys import is_weak
from breakwater.pki.names import forbidden_name
from breakwater.pki.pem import DECODING_ERRORS
from breakwater.pki.requests import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

Path = tuple[x509.Certificate, ...]

_MAXIMUM_PATH = 8
_SIGNATURE_BUDGET = 64  # verifications that one hostile chain may cost us
_PURPOSES = {Usage.SERVER: "serverAuth", Usage.CLIENT: "clientAuth"}
_STRONG_HASHES = (SHA256, SHA384, SHA512)
_UNDERSTOOD = {
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    ExtensionOID.NAME_CONSTRAINTS,
    ExtensionOID.SUBJECT_KEY_IDENTIFIER,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
}


def validate(
    leaf: x509.Certificate,
    intermediates: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    usage: Usage,
    now: datetime,
) -> Path:
    """The first valid path from the leaf to an anchor, both included; a leaf that is an anchor itself is one.

    Stricter than the RFC in one point: an anchor must be valid in time too, as most clients want it.

    Raises:
        PkiError: why the first path that was found is not valid; UnknownIssuer when there is none.
    """
    read_facts(leaf)
    refusal = PkiError(Reason.UNKNOWN_ISSUER)
    for number, path in enumerate(_Search(intermediates, anchors).paths((leaf,))):
        try:
            _judge(path, usage, now)
        except PkiError as error:
            refusal = error if number == 0 else refusal
        else:
            return path
    raise refusal


def authority_paths(
    authority: x509.Certificate, above: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate]
) -> list[Path]:
    """All paths from an authority to an anchor by which certificates that it signs are accepted, whatever the time.

    Raises:
        PkiError: why the first path that was found will not do; UnknownIssuer when there is none.
    """
    accepted: list[Path] = []
    refusals: list[PkiError] = []
    for path in _Search(above, anchors).paths((authority,)):
        try:
            _judge_form(path, [read_facts(certificate) for certificate in path])
        except PkiError as error:
            refusals.append(error)
        else:
            accepted.append(path)
    if not accepted:
        raise next(iter(refusals), PkiError(Reason.UNKNOWN_ISSUER))
    return accepted


class _Search:
    """Depth first, anchors before intermediates, within a budget."""

    def __init__(self, intermediates: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate]) -> None:
        self._anchors = anchors
        self._issuers = (*anchors, *intermediates)
        self._budget = _SIGNATURE_BUDGET

    def paths(self, path: Path) -> Iterator[Path]:
        lowest = path[-1]
        if lowest in self._anchors:
            yield path
        elif len(path) < _MAXIMUM_PATH:
            for issuer in self._issuers:
                if issuer not in path and self._issued(lowest, issuer):
                    yield from self.paths((*path, issuer))

    def _issued(self, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
        try:
            if certificate.issuer != issuer.subject or self._budget == 0:
                return False
        except DECODING_ERRORS:
            return False
        self._budget -= 1
        return issued(certificate, issuer)


def issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether the one names and bears the signature of the other."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, *DECODING_ERRORS):
        return False
    return True


def _judge(path: Path, usage: Usage, now: datetime) -> None:
    facts = [read_facts(certificate) for certificate in path]
    _judge_times(facts, now)
    _judge_form(path, facts[1:])
    _judge_usage(facts, usage)
    for depth, authority in enumerate(path):
        _judge_names(authority, path[:depth])


def _judge_form(path: Path, authorities: Sequence[CertificateFacts]) -> None:
    for certificate in path:
        _judge_extensions(certificate)
    judge_strength(path)
    _judge_authorities(authorities)


def _judge_times(facts: Sequence[CertificateFacts], now: datetime) -> None:
    for number, each in enumerate(facts):
        if now < each.not_before:
            raise PkiError(Reason.ISSUER_NOT_YET_VALID if number else Reason.CERTIFICATE_NOT_YET_VALID)
        if now > each.not_after:
            raise PkiError(Reason.ISSUER_EXPIRED if number else Reason.CERTIFICATE_EXPIRED)


def _judge_extensions(certificate: x509.Certificate) -> None:
    if any(extension.critical and extension.oid not in _UNDERSTOOD for extension in certificate.extensions):
        raise PkiError(Reason.UNSUPPORTED_EXTENSION)


def judge_strength(path: Sequence[x509.Certificate]) -> None:
    """Returns when no key is weak, and no signature but that of the last.

    Raises:
        PkiError: WeakAlgorithm.
    """
    if any(is_weak(certificate.public_key()) for certificate in path):
        raise PkiError(Reason.WEAK_ALGORITHM)
    for certificate, _ in pairwise(path):  # an anchor is trusted for its key, its own signature says nothing
        if not _has_strong_signature(certificate):
            raise PkiError(Reason.WEAK_ALGORITHM)


def _has_strong_signature(certificate: x509.Certificate) -> bool:
    if certificate.signature_algorithm_oid == SignatureAlgorithmOID.ED25519:
        return True
    try:
        return isinstance(certificate.signature_hash_algorithm, _STRONG_HASHES)
    except UnsupportedAlgorithm:
        return False


def _judge_authorities(authorities: Sequence[CertificateFacts]) -> None:
    below = 0
    for authority in authorities:
        if not authority.may_sign:
            raise PkiError(Reason.NOT_AN_AUTHORITY)
        if authority.path_length is not None and below > authority.path_length:
            raise PkiError(Reason.PATH_TOO_LONG)
        below += authority.subject != authority.issuer  # self-issued ones are roll-overs and do not count


def _judge_usage(facts: Sequence[CertificateFacts], usage: Usage) -> None:
    accepted = {_PURPOSES[usage], "anyExtendedKeyUsage"}
    if any(each.extended_key_usages and not each.extended_key_usages & accepted for each in facts):
        raise PkiError(Reason.USAGE_MISMATCH)


def _judge_names(authority: x509.Certificate, below: Path) -> None:
    constraints = find(authority.extensions, x509.NameConstraints)
    if constraints is None:
        return
    for certificate in below:
        if forbidden_name(constraints, alternative_names(certificate.extensions)) is not None:
            raise PkiError(Reason.NAME_NOT_PERMITTED)
