"""An authority as those who use it read it: its specification, its certificate, and its key where it may sign."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from breakwater.certificates.keypair import KEY_PAIR, KeyPairView
from breakwater.certificates.kind import CertificateAuthoritySpec
from breakwater.kernel.declaration import declared_by, specified_by
from breakwater.kernel.ownership import mark_of
from breakwater.kernel.reading import Absent, Manifest, Present, Projection, Unknown
from breakwater.kernel.references import CERTIFICATE_AUTHORITY, SECRET, Ref, Subject
from breakwater.kernel.time import to_rfc3339
from breakwater.kernel.world import World
from breakwater.pki import (
    PkiError,
    Reason,
    Validity,
    build_bundle,
    bundle_digest,
    load_issuer,
    to_pem,
    trusted_within,
)
from breakwater.pki.recipes import CERTIFICATE, TRUST

DECLARED = declared_by(CertificateAuthoritySpec)
SPECIFIED = specified_by(CertificateAuthoritySpec)
PREFIX = "authority-"


@dataclass(frozen=True, slots=True)
class Signer:
    """A key pair that may sign, judged once per version of its Secret: thousands of plans ask for it.

    Attributes:
        bundle: what clients trust, normalised: `ca.crt` when it was brought along, else the certificate itself.
        digest: of the bundle.
        intermediates: what its leaves carry behind themselves, in PEM.
        sent: fingerprints of the intermediates.
        validity: when clients accept what it signs.
    """

    pair: KeyPairView
    bundle: bytes
    digest: str
    intermediates: bytes
    sent: tuple[str, ...]
    validity: Validity


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why a key pair cannot be an authority's."""

    fault: str


@dataclass(frozen=True, slots=True)
class Foreign:
    """A Secret stands there that is not this authority's to use."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why an authority cannot be used now; `known` tells a fact from a gap in knowledge."""

    reason: str
    message: str
    known: bool = True


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority that may be used, at its time."""

    name: str
    spec: CertificateAuthoritySpec
    signer: Signer

    @property
    def pair(self) -> KeyPairView:
        """Its chain and key."""
        return self.signer.pair

    @property
    def bundle(self) -> bytes:
        """What clients trust."""
        return self.signer.bundle

    def untimely(self, now: datetime) -> Unusable | None:
        """Why it cannot sign at this time; None when it can."""
        begins, ends = self.signer.validity
        if begins <= now < ends:
            return None
        what = f"CertificateAuthority {self.name}: {self._untimely_certificate(now)}"
        if now < begins:
            return Unusable(
                "AuthorityNotYetValid", f"{what} is not valid before {to_rfc3339(begins)}; check the clock or wait"
            )
        brought = self.spec.source.secret_ref
        remedy = (
            f"store a renewed one in Secret {brought.name}, which spec.source.secretRef names"
            if brought
            else "create another CertificateAuthority and point the channels at it"
        )
        return Unusable("AuthorityExpired", f"{what} ended at {to_rfc3339(ends)}; {remedy}")

    def _untimely_certificate(self, now: datetime) -> str:
        for number, facts in enumerate(self.pair.chain, start=1):
            if not facts.not_before <= now < facts.not_after:
                return f"certificate {number} of {CERTIFICATE}"
        return f"the root in {TRUST}"


def reference(name: str) -> Ref:
    """The declaration of an authority."""
    return Ref(CERTIFICATE_AUTHORITY, "", name)


def root_secret(world: World, name: str) -> Ref:
    """Where the key of a selfManaged authority lies."""
    return Ref(SECRET, world.settings.namespace, f"{PREFIX}{name}")


def unsupported(spec: CertificateAuthoritySpec) -> str:
    """What of a declaration this version does not serve, with the remedy; empty when it serves all."""
    for member, given in (("csr", spec.source.csr), ("certManager", spec.source.cert_manager)):
        if given is not None:
            return f"spec.source.{member} is not served by this version; use spec.source.selfManaged or secretRef"
    return "spec.rotation is not served by this version; remove it" if spec.rotation is not None else ""


def find(world: World, name: str) -> Authority | Unusable:
    """Read an authority with its key; one that its own plan refuses is not to be used either."""
    declared = world.get(reference(name), SPECIFIED)
    if isinstance(declared, Unknown):
        return Unusable(declared.reason, declared.message, known=False)
    if isinstance(declared, Absent):
        return Unusable("AuthorityNotFound", f"CertificateAuthority {name} does not exist; create it or name another")
    spec = declared.value.spec
    if spec is None:
        return Unusable("AuthorityInvalid", f"CertificateAuthority {name} is not valid: {declared.value.fault}")
    if declared.value.deleting:
        return Unusable("AuthorityDeleted", f"CertificateAuthority {name} is being deleted; name another")
    refusal = unsupported(spec)
    if refusal:
        return Unusable("AuthorityNotReady", f"CertificateAuthority {name} is not accepted: {refusal}")
    signer = brought_signer(world, spec.source.secret_ref.name) if spec.source.secret_ref else _made_signer(world, name)
    return Authority(name, spec, signer) if isinstance(signer, Signer) else _not_ready(name, signer)


def brought_signer(world: World, name: str) -> Signer | Unfit | Absent | Unknown | Foreign:
    """What signs for an authority whose key pair was brought, in a Secret of this name."""
    secret = Ref(SECRET, world.settings.namespace, name)
    made = world.metadata(secret, MADE_BY_US)
    if isinstance(made, Present) and made.value:
        return Foreign()
    signer = world.get(secret, BROUGHT_SIGNER)
    return signer.value if isinstance(signer, Present) else signer


def _made_signer(world: World, name: str) -> Signer | Unfit | Absent | Unknown | Foreign:
    secret = root_secret(world, name)
    own = world.metadata(secret, OWN_ROOT)
    if isinstance(own, Present) and not own.value:
        return Foreign()
    signer = world.get(secret, MADE_SIGNER)
    return signer.value if isinstance(signer, Present) else signer


def _not_ready(name: str, why: Unfit | Absent | Unknown | Foreign) -> Unusable:
    if isinstance(why, Unknown):
        return Unusable(why.reason, why.message, known=False)
    if isinstance(why, Unfit):
        return Unusable("AuthorityNotReady", f"CertificateAuthority {name} cannot sign: {why.fault}")
    if isinstance(why, Absent):
        return Unusable("AuthorityNotReady", f"CertificateAuthority {name} has no key yet; see its conditions")
    return Unusable("AuthorityNotReady", f"CertificateAuthority {name} is not accepted; see its conditions")


# --- what stands in a Secret ------------------------------------------------------------------------------------


def _signer(pair: KeyPairView) -> Signer | Unfit:
    if pair.fault:
        return Unfit(pair.fault)
    try:
        issuer = load_issuer(pair.certificate)
        bundle = build_bundle([pair.trust or pair.certificate])
        validity = trusted_within(issuer, bundle)
    except PkiError as error:
        stranger = error.reason is Reason.UNKNOWN_ISSUER
        return Unfit(f"{TRUST} does not verify {CERTIFICATE}: {error}" if stranger else str(error))
    sent = issuer.sent
    fingerprints = tuple(facts.fingerprint for facts in sent.facts)
    return Signer(pair, bundle, bundle_digest(bundle), to_pem(sent.certificates), fingerprints, validity)


def _own_root(manifest: Manifest) -> bool:
    """Whether a Secret is the root of the authority after which it is named: the rule of `claim`, without the version.

    A read of the mark itself would wake every channel of an authority each time that anything about the Secret changes.
    """
    mark = mark_of(manifest)
    name = manifest["metadata"]["name"].removeprefix(PREFIX)
    return mark is not None and mark.subject in (Subject(CERTIFICATE_AUTHORITY.kind, "", name), None)


OWN_ROOT: Projection[bool] = Projection("own-root", _own_root)
MADE_BY_US: Projection[bool] = Projection("made-by-us", lambda manifest: mark_of(manifest) is not None)
BROUGHT_SIGNER: Projection[Signer | Unfit] = Projection(
    "brought-signer", lambda manifest: _signer(KEY_PAIR.of(manifest))
)


def _made(manifest: Manifest) -> Signer | Unfit:
    """A root that we made is all there is to trust, whatever somebody wrote beside it as `ca.crt`."""
    pair = KEY_PAIR.of(manifest)
    return _signer(replace(pair, trust=pair.certificate))


MADE_SIGNER: Projection[Signer | Unfit] = Projection("made-signer", _made)
