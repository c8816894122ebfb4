"""A key pair in a Secret, as plans read it: facts from its bytes, never from an annotation about them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from breakwater.kernel.ownership import AUTHORITY, GENERATION, USE, mark_of
from breakwater.kernel.reading import Manifest, Projection
from breakwater.kernel.references import SECRET
from breakwater.kernel.sealed import Sealed
from breakwater.kernel.world import Index
from breakwater.pki import CertificateFacts, PkiError, key_spki, parse_chain
from breakwater.pki.recipes import CERTIFICATE, PRIVATE_KEY, TRUST

TLS_SECRET = "kubernetes.io/tls"  # noqa: S105 - a type, not a password


@dataclass(frozen=True, slots=True)
class KeyPairView:
    """What stands in a Secret of type kubernetes.io/tls.

    Attributes:
        certificate: the chain in PEM, empty when there is none.
        key: sealed; None when there is none.
        trust: `ca.crt`.
        facts: of the first certificate; None when `fault` says why.
        chain: facts of all certificates.
        fault: why this is no usable pair, empty when it is one.
        generation: how many keys stood here, 0 when not ours.
    """

    certificate: bytes
    key: Sealed | None
    trust: bytes
    facts: CertificateFacts | None
    chain: tuple[CertificateFacts, ...]
    fault: str
    generation: int


def secret_data(manifest: Manifest) -> dict[str, bytes]:
    """A Secret's data, decoded; what is no base64 (it cannot come from an API server) is left out."""
    decoded: dict[str, bytes] = {}
    for key, value in (manifest.get("data") or {}).items():
        try:
            decoded[key] = base64.b64decode(value, validate=True)
        except (binascii.Error, TypeError, ValueError):
            continue
    return decoded


def generation_of(manifest: Manifest) -> int:
    """Our count of keys that stood in this Secret."""
    text = (manifest["metadata"].get("annotations") or {}).get(GENERATION, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _view(manifest: Manifest) -> KeyPairView:
    data = secret_data(manifest)
    certificate = data.get(CERTIFICATE, b"")
    key = Sealed(data[PRIVATE_KEY]) if data.get(PRIVATE_KEY) else None
    chain: tuple[CertificateFacts, ...] = ()
    fault = ""
    try:
        chain = parse_chain(certificate)
        if key is None:
            fault = f"{PRIVATE_KEY} is missing; add it"
        elif key_spki(key) != chain[0].spki:
            fault = f"{PRIVATE_KEY} does not belong to {CERTIFICATE}; store the two that were made together"
    except PkiError as error:
        fault = str(error)
    facts = chain[0] if chain else None
    return KeyPairView(certificate, key, data.get(TRUST, b""), facts, chain, fault, generation_of(manifest))


KEY_PAIR: Projection[KeyPairView] = Projection("key-pair", _view)


def _leaf(manifest: Manifest) -> Mapping[Hashable, Any]:
    metadata = manifest["metadata"]
    annotations = metadata.get("annotations") or {}
    authority, mark = annotations.get(AUTHORITY), mark_of(manifest)
    # Only where the resource that it was made for may lie: whoever may write Secrets somewhere could plant others.
    if mark is None or mark.subject is None or mark.subject.namespace != metadata.get("namespace", ""):
        return {}
    return {authority: True} if authority and annotations.get(USE) != "Root" else {}


LEAVES = Index("leaves", (SECRET,), _leaf)
