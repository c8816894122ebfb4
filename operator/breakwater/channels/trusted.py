"""Whom the channel's clients trust: an authority of ours, a bundle of others, or the system's store."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from breakwater.certificates import authority as authorities
from breakwater.certificates.authority import Unusable
from breakwater.channels.encryption import BundleKind, BundleRef
from breakwater.channels.part import Asked, Part, in_place, waiting
from breakwater.kernel.reading import Absent, Manifest, Projection, Unknown
from breakwater.kernel.references import CONFIG_MAP, SECRET, Ref
from breakwater.kernel.sealed import Sealed
from breakwater.pki import PkiError, build_bundle

NAME = "Trust"


@dataclass(frozen=True, slots=True)
class Trusted:
    """The certificates in PEM; None stands for the system's store."""

    bundle: bytes | None


Data = Mapping[str, Sealed]
"""Sealed until it has been shown to be certificates: beside a bundle, or by mistake in its place, keys may lie."""


def _texts(manifest: Manifest) -> Data:
    texts = {key: Sealed(str(value).encode()) for key, value in (manifest.get("data") or {}).items()}
    return {**texts, **_decoded(manifest.get("binaryData"))}


def _decoded(data: object) -> Data:
    decoded: dict[str, Sealed] = {}
    for key, value in data.items() if isinstance(data, Mapping) else ():
        try:
            decoded[key] = Sealed(base64.b64decode(value, validate=True))
        except (binascii.Error, TypeError, ValueError):
            continue
    return decoded


CONFIG_DATA: Projection[Data] = Projection("config-data", _texts)
SECRET_DATA: Projection[Data] = Projection("secret-data", lambda manifest: _decoded(manifest.get("data")))


def trust_part(asked: Asked) -> Part:
    """The part; `found` is a Trusted."""
    trust = asked.spec.encryption.trust
    if trust.authority_ref is not None:
        authority = authorities.find(asked.world, trust.authority_ref.name)
        if isinstance(authority, Unusable):
            message = f"spec.encryption.trust.authorityRef: {authority.message}"
            return waiting(NAME, authority.reason, message, known=authority.known)
        return in_place(NAME, found=Trusted(authority.bundle))
    if trust.bundle_ref is not None:
        return _brought(asked, trust.bundle_ref)
    return in_place(NAME, found=Trusted(None))


def _brought(asked: Asked, reference: BundleRef) -> Part:
    field = f"spec.encryption.trust.bundleRef: {reference.kind.value} {reference.name}"
    if reference.kind is BundleKind.SECRET:
        reading = asked.world.get(Ref(SECRET, asked.namespace, reference.name), SECRET_DATA)
    else:
        reading = asked.world.get(Ref(CONFIG_MAP, asked.namespace, reference.name), CONFIG_DATA)
    if isinstance(reading, Unknown):
        return waiting(NAME, reading.reason, reading.message, known=False)
    if isinstance(reading, Absent):
        return waiting(NAME, "BundleNotFound", f"{field} does not exist; create it with the key {reference.key}")
    if reference.key not in reading.value:
        return waiting(NAME, "BundleInvalid", f"{field} has no key {reference.key}; add it or name another key")
    bundle = _bundle(reading.value[reference.key])
    if isinstance(bundle, PkiError):
        return waiting(NAME, "BundleInvalid", f"{field}, key {reference.key}: {bundle}")
    return in_place(NAME, found=Trusted(bundle))


@lru_cache(maxsize=64)
def _bundle(content: Sealed) -> bytes | PkiError:
    """What is a bundle, and why not. Kept, because one of hundreds of authorities takes a while to read."""
    try:
        return build_bundle([content.open()])
    except PkiError as error:
        return error.with_traceback(None)
