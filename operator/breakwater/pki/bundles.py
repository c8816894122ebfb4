"""Trust bundles: the certificates that a client trusts, in one canonical form."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding

from breakwater.pki.errors import PkiError, Reason
from breakwater.pki.facts import read_facts
from breakwater.pki.pem import load_certificates

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


def build_bundle(pems: Iterable[bytes], now: datetime | None = None) -> bytes:
    """The authorities of all texts, each once, ordered by fingerprint, as plain PEM.

    The order of what goes in does not show, and a bundle of a bundle is the same bytes: nothing is rolled for nothing.
    Comments are left behind.

    Args:
        pems: PEM texts of authorities; one that is no authority is an error, not left out in silence.
        now: when given, expired certificates are left out. One that is not valid yet stays: its time will come.

    Raises:
        PkiError: whatever is not exactly authorities' certificates; NoCertificate when nothing remains, for an empty
            bundle would cut every client off.
    """
    members: dict[str, bytes] = {}
    for pem in pems:
        for certificate in load_certificates(pem):
            facts = read_facts(certificate)
            if not facts.is_ca:
                raise PkiError(Reason.NOT_AN_AUTHORITY)
            if now is None or now <= facts.not_after:
                members[facts.fingerprint] = certificate.public_bytes(Encoding.PEM)
    if not members:
        raise PkiError(Reason.NO_CERTIFICATE)
    return b"".join(members[fingerprint] for fingerprint in sorted(members))


def bundle_digest(bundle: bytes) -> str:
    """SHA-256 (hex) of a bundle that `build_bundle` made: equal exactly when the same authorities are in it."""
    return hashlib.sha256(bundle).hexdigest()
