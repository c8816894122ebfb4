"""An authority as those who use it read it: its specification, its certificate, and its key where it may sign."""

from __future__ import annotations

from dataclasses import dataclass, replace

from breakwater.certificates.keypair import KEY_PAIR, KeyPairView
from breakwater.certificates.kind import CertificateAuthoritySpec
from breakwater.kernel.declaration import declared_by
from breakwater.kernel.reading import Absent, Present, Unknown
from breakwater.kernel.references import CERTIFICATE_AUTHORITY, SECRET, Ref
from breakwater.kernel.world import World
from breakwater.pki import PkiError, build_bundle

DECLARED = declared_by(CertificateAuthoritySpec)


@dataclass(frozen=True, slots=True)
class Authority:
    """A usable authority."""

    name: str
    spec: CertificateAuthoritySpec
    pair: KeyPairView

    @property
    def bundle(self) -> bytes:
        """What clients trust: the root, normalised."""
        return bundle_of(self.pair)


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
    declared = world.get(reference(name), DECLARED)
    if isinstance(declared, Unknown):
        return Unusable(declared.reason, declared.message, known=False)
    if isinstance(declared, Absent):
        return Unusable("AuthorityNotFound", f"CertificateAuthority {name} does not exist; create it or name another")
    spec = declared.value.spec
    if spec is None:
        return Unusable("AuthorityInvalid", f"CertificateAuthority {name} is not valid: {declared.value.fault}")
    pair = world.get(key_secret(world, name, spec), KEY_PAIR)
    if isinstance(pair, Unknown):
        return Unusable(pair.reason, pair.message, known=False)
    if not isinstance(pair, Present):
        return Unusable("AuthorityNotReady", f"CertificateAuthority {name} has no key yet; see its conditions")
    found = pair.value if spec.source.secret_ref is not None else as_root(pair.value)
    fault = authority_fault(found)
    if fault:
        return Unusable("AuthorityNotReady", f"CertificateAuthority {name} cannot sign: {fault}")
    return Authority(name, spec, found)


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
