"""An authority as those who use it read it: its specification, its certificate, and its key where it may sign."""

from __future__ import annotations

from dataclasses import dataclass, replace

from breakwater.certificates.keypair import KEY_PAIR, KeyPairView
from breakwater.certificates.kind import CertificateAuthoritySpec
from breakwater.kernel.declaration import declared_by, specified_by
from breakwater.kernel.reading import Absent, Present, Projection, Unknown
from breakwater.kernel.references import CERTIFICATE_AUTHORITY, SECRET, Ref
from breakwater.kernel.world import World
from breakwater.pki import PkiError, build_bundle

DECLARED = declared_by(CertificateAuthoritySpec)
SPECIFIED = specified_by(CertificateAuthoritySpec)


@dataclass(frozen=True, slots=True)
class Authority:
    """A usable authority."""

    name: str
    spec: CertificateAuthoritySpec
    pair: KeyPairView
    bundle: bytes
    """What clients trust: the root, normalised."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why an authority cannot be used now; `known` tells a fact from a gap in knowledge."""

    reason: str
    message: str
    known: bool = True


def reference(name: str) -> Ref:
    """The declaration of an authority."""
    return Ref(CERTIFICATE_AUTHORITY, "", name)


def root_secret(world: World, name: str) -> Ref:
    """Where the key of a selfManaged authority lies."""
    return Ref(SECRET, world.settings.namespace, f"authority-{name}")


def key_secret(world: World, name: str, spec: CertificateAuthoritySpec) -> Ref:
    """Where an authority's key lies: in our Secret, or in the one that was brought."""
    if spec.source.secret_ref is not None:
        return Ref(SECRET, world.settings.namespace, spec.source.secret_ref.name)
    return root_secret(world, name)


def bundle_of(pair: KeyPairView) -> bytes:
    """The trust bundle for a pair: `ca.crt` when it was brought along, else the certificate itself.

    Raises:
        PkiError: there is no authority's certificate in it.
    """
    return build_bundle([pair.trust or pair.certificate])


def as_root(pair: KeyPairView) -> KeyPairView:
    """A root that we made is all there is to trust, whatever somebody wrote beside it as `ca.crt`."""
    return replace(pair, trust=pair.certificate)


def find(world: World, name: str) -> Authority | Unusable:
    """Read an authority with its key."""
    declared = world.get(reference(name), SPECIFIED)
    if isinstance(declared, Unknown):
        return Unusable(declared.reason, declared.message, known=False)
    if isinstance(declared, Absent):
        return Unusable("AuthorityNotFound", f"CertificateAuthority {name} does not exist; create it or name another")
    spec = declared.value.spec
    if spec is None:
        return Unusable("AuthorityInvalid", f"CertificateAuthority {name} is not valid: {declared.value.fault}")
    made = spec.source.secret_ref is None
    signer = world.get(key_secret(world, name, spec), MADE_SIGNER if made else BROUGHT_SIGNER)
    if isinstance(signer, Unknown):
        return Unusable(signer.reason, signer.message, known=False)
    if not isinstance(signer, Present):
        return Unusable("AuthorityNotReady", f"CertificateAuthority {name} has no key yet; see its conditions")
    if signer.value.fault:
        return Unusable("AuthorityNotReady", f"CertificateAuthority {name} cannot sign: {signer.value.fault}")
    return Authority(name, spec, signer.value.pair, signer.value.bundle)


def authority_fault(pair: KeyPairView) -> str:
    """Why this pair cannot be an authority's, empty when it can."""
    if pair.fault:
        return pair.fault
    if pair.facts is None or not pair.facts.is_ca:
        return "its certificate is not a CA certificate; use one with basicConstraints CA:TRUE"
    try:
        bundle_of(pair)
    except PkiError as error:
        return str(error)
    return ""


@dataclass(frozen=True, slots=True)
class Signer:
    """A key pair that is meant to sign, judged once per version of its Secret: thousands of plans ask for it."""

    pair: KeyPairView
    bundle: bytes
    fault: str


def _signer(pair: KeyPairView) -> Signer:
    fault = authority_fault(pair)
    return Signer(pair, b"" if fault else bundle_of(pair), fault)


MADE_SIGNER: Projection[Signer] = Projection("made-signer", lambda manifest: _signer(as_root(KEY_PAIR.of(manifest))))
BROUGHT_SIGNER: Projection[Signer] = Projection("brought-signer", lambda manifest: _signer(KEY_PAIR.of(manifest)))
