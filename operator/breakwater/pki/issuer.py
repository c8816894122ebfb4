"""Who may sign, and until when: what issuing and the verdict on an authority judge alike."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from cryptography.hazmat.primitives.serialization import Encoding

from breakwater.pki.errors import PkiError, Reason
from breakwater.pki.facts import CertificateFacts, read_facts
from breakwater.pki.path import authority_paths, issued, judge_strength
from breakwater.pki.pem import load_certificates, load_chain
from breakwater.pki.validity import Validity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography import x509


class Issuer(NamedTuple):
    """An authority's own certificate and those above it, as far as they were brought along."""

    certificates: list[x509.Certificate]
    facts: list[CertificateFacts]

    @property
    def validity(self) -> Validity:
        """When all of them are valid; nothing that is issued begins before or ends after."""
        return Validity.shared(self.facts)

    @property
    def sent(self) -> Issuer:
        """All but self-signed roots, which clients have and servers need not send."""
        kept = [
            (certificate, facts)
            for certificate, facts in zip(self.certificates, self.facts, strict=True)
            # A certificate of the same name by another key is cross-signed.
            if not (certificate.subject == certificate.issuer and facts.authority_key_id in {"", facts.key_id})
        ]
        return Issuer([certificate for certificate, _ in kept], [facts for _, facts in kept])


def load_issuer(chain_pem: bytes) -> Issuer:
    """The chain of an authority that may sign, its own certificate first.

    Raises:
        PkiError: what is no chain; NotAnAuthority, ChainBroken, WeakAlgorithm.
    """
    certificates = load_chain(chain_pem)
    issuer = Issuer(certificates, [read_facts(certificate) for certificate in certificates])
    if not all(each.may_sign for each in issuer.facts):
        raise PkiError(Reason.NOT_AN_AUTHORITY)
    judge_strength(certificates)
    if not all(issued(lower, upper) for lower, upper in pairwise(certificates)):
        raise PkiError(Reason.CHAIN_BROKEN)
    return issuer


def trusted_within(issuer: Issuer, trust_pem: bytes) -> Validity:
    """When clients with this trust accept what the issuer signs: from the first path's begin to the last one's end.

    Raises:
        PkiError: no path leads from the issuer to the trust, whatever the time.
    """
    own, *above = issuer.certificates
    paths = authority_paths(own, above, load_certificates(trust_pem))
    each = [Validity.shared([*issuer.facts, *map(read_facts, path)]) for path in paths]
    return Validity(min(period.not_before for period in each), max(period.not_after for period in each))


def with_intermediates(chain_pem: bytes, intermediates_pem: bytes) -> bytes:
    """The chain's first certificate, followed by other intermediates.

    Raises:
        PkiError: the chain cannot be read.
    """
    return to_pem(load_chain(chain_pem)[:1]) + intermediates_pem


def to_pem(certificates: Iterable[x509.Certificate]) -> bytes:
    """One text of all certificates, in their order."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)
