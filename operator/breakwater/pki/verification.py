"""Whether a chain proves what it is shown for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.oid import PublicKeyAlgorithmOID, SignatureAlgorithmOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

from breakwater.pki.errors import PkiError, Reason
from breakwater.pki.facts import alternative_names
from breakwater.pki.names import matches_server, parse_server_name
from breakwater.pki.path import validate
from breakwater.pki.pem import load_certificates, load_chain

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from breakwater.pki.requests import Usage

# `path` judges extensions, and more of them; what is left to the second opinion is signatures, order, names, time.
_AUTHORITIES = ExtensionPolicy.permit_all().require_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)
_CLIENTS = ExtensionPolicy.permit_all()
_SERVERS = _CLIENTS.require_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)


def verify(chain_pem: bytes, trust_pem: bytes, *, server_name: str | None, usage: Usage, now: datetime) -> None:
    """Returns when the chain leads to a trusted certificate and is fit for the use, the name and the time.

    Two validators must agree: ours, which gives precise reasons, and that of `cryptography`. The latter follows the
    Web PKI and refuses every Ed25519 key, so chains with one are judged by ours alone.

    Args:
        chain_pem: the certificate, then its intermediates in any order.
        trust_pem: what is trusted: roots, intermediates or the certificate itself.
        server_name: DNS name or address that a client would ask for; None does not compare names.
        usage: what the chain is shown for.
        now: aware.

    Raises:
        PkiError: why not, in words that hold nothing of the chain.
    """
    leaf, *intermediates = load_chain(chain_pem)
    anchors = load_certificates(trust_pem)
    expected = None if server_name is None else parse_server_name(server_name)
    path = validate(leaf, intermediates, anchors, usage, now)
    if expected is not None and not matches_server(expected, alternative_names(leaf.extensions)):
        raise PkiError(Reason.NAME_MISMATCH)
    if not any(_has_ed25519(certificate) for certificate in path):
        _second_opinion(path, expected, now)


def _has_ed25519(certificate: x509.Certificate) -> bool:
    return (
        certificate.public_key_algorithm_oid == PublicKeyAlgorithmOID.ED25519
        or certificate.signature_algorithm_oid == SignatureAlgorithmOID.ED25519
    )


def _second_opinion(
    path: Sequence[x509.Certificate], expected: x509.DNSName | x509.IPAddress | None, now: datetime
) -> None:
    leaf, *issuers = path
    builder = PolicyBuilder().store(Store([path[-1]])).time(now)
    ee_policy = _CLIENTS if expected is None else _SERVERS
    builder = builder.extension_policies(ca_policy=_AUTHORITIES, ee_policy=ee_policy)
    try:
        if expected is None:
            builder.build_client_verifier().verify(leaf, issuers[:-1])
        else:
            builder.build_server_verifier(expected).verify(leaf, issuers[:-1])
    except (VerificationError, ValueError):
        raise PkiError(Reason.CHAIN_REJECTED) from None
