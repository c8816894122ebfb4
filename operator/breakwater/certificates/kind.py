"""CertificateAuthority: a CA, who may use it for what, and where the trust in it goes."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field, Strict

from breakwater.certificates.rotation import RotationScheduleSpec
from breakwater.kernel.fields import (
    Between,
    DnsName,
    DnsPattern,
    Fingerprint,
    Flag,
    Generation,
    Instant,
    Label,
    LabelSelector,
    LocalRef,
    ObjectName,
    Word,
    cel_no_longer,
)
from breakwater.kernel.kind import AGE, READY, REASON, Column, Kind, StatusModel
from breakwater.kernel.model import Model
from breakwater.kernel.references import CERTIFICATE_AUTHORITY
from breakwater.kernel.rules import Format, Items, Rule, exactly_one
from breakwater.kernel.settings import Mode
from breakwater.pki.keys import Algorithm
from breakwater.pki.requests import Usage

CommonName = Annotated[
    str,
    Format(
        r"^[A-Za-z0-9]([A-Za-z0-9 ._@-]{0,62}[A-Za-z0-9])?$",
        64,
        "must be a common name of at most 64 letters, digits, spaces and '.', '_', '@', '-', "
        "beginning and ending with a letter or digit",
    ),
]


class AuthorityKind(StrEnum):
    """What an authority reference may point to."""

    CERTIFICATE_AUTHORITY = "CertificateAuthority"


class AuthorityRef(Model):
    """The authority that issues a certificate or anchors trust."""

    atomic = True

    kind: AuthorityKind = AuthorityKind.CERTIFICATE_AUTHORITY
    """Kind of the authority."""
    name: ObjectName
    """Name of the authority; it issues for namespaces that its `usableFrom` selects, and anybody may trust it."""


class IssuerKind(StrEnum):
    """cert-manager's issuers."""

    ISSUER = "Issuer"
    CLUSTER_ISSUER = "ClusterIssuer"


class IssuerRef(Model):
    """An issuer of cert-manager."""

    atomic = True

    kind: IssuerKind = IssuerKind.CLUSTER_ISSUER
    """An Issuer is looked for in the operator's namespace."""
    name: ObjectName
    """Name of the issuer."""


class SelfManaged(Model):
    """A root that Breakwater makes and keeps."""


class SigningRequest(Model):
    """An intermediate that another authority signs: `status.csr` goes out, the signed certificate comes in."""

    certificate_ref: LocalRef | None = None
    """ConfigMap in the operator's namespace: the signed certificate and its chain in `tls.crt`; absent until signed."""


class CertManager(Model):
    """cert-manager signs, Breakwater distributes and proves."""

    issuer_ref: IssuerRef
    """The issuer that signs."""


class Source(Model):
    """Where the authority's key and certificate come from."""

    rules = (exactly_one("self_managed", "secret_ref", "csr", "cert_manager"),)

    self_managed: SelfManaged | None = None
    """Breakwater makes the root key and keeps it in a Secret of its own namespace. Write `{}`."""
    secret_ref: LocalRef | None = None
    """A Secret of the operator's namespace with `tls.crt`, `tls.key` and, for an intermediate, `ca.crt`."""
    csr: SigningRequest | None = None
    """Breakwater makes the key, another authority signs it. Not served by this version."""
    cert_manager: CertManager | None = None
    """An issuer of cert-manager signs. Not served by this version."""

    @property
    def makes_key(self) -> bool:
        """Whether Breakwater makes the authority's key, and so decides what stands in its certificate."""
        return self.self_managed is not None or self.csr is not None


_SHORTEST, _LONGEST = "1m", "262800h"


class LeafLifetime(Model):
    """How long issued certificates are valid."""

    rules = (
        Rule(
            cel=cel_no_longer("default", "maximum"),
            message="may not be longer than leafLifetime.maximum: lower default or raise maximum",
            holds=lambda self: self.default <= self.maximum,
            field=".default",
        ),
    )

    default: Annotated[timedelta, Between(_SHORTEST, "87600h")] = timedelta(hours=2160)
    """Lifetime of the certificates that it issues."""
    maximum: Annotated[timedelta, Between(_SHORTEST, "87600h")] = timedelta(hours=9528)
    """Longest lifetime that a channel may ask for; in this version none can. No certificate outlives the authority."""


class UsableFrom(Model):
    """Namespaces that may use the authority, and for what."""

    rules = (
        Rule(
            cel="(has(self.commonNames) && size(self.commonNames) > 0) == self.usages.exists(use, use == 'Client')",
            message="list commonNames exactly when usages holds Client: they are listed, never implied",
            holds=lambda self: bool(self.common_names) == (Usage.CLIENT in self.usages),
            field=".commonNames",
        ),
        Rule(
            cel="!has(self.dnsNames) || size(self.dnsNames) == 0 || self.usages.exists(use, use == 'Server')",
            message="are for server certificates: add Server to usages or remove dnsNames",
            holds=lambda self: not self.dns_names or Usage.SERVER in self.usages,
            field=".dnsNames",
        ),
    )

    name: Label
    """Name of this grant, for messages."""
    namespace_selector: LabelSelector
    """Labels of the namespaces. Empty selects all of them."""
    usages: Annotated[tuple[Usage, ...], Items(2, unique=True, at_least=1)]
    """What certificates may be issued for."""
    dns_names: Annotated[tuple[DnsPattern, ...], Items(32, unique=True)] = ()
    """Names in server certificates, beside those of Services of the channel's own namespace, which are always granted;
    a wildcard grants one label."""
    common_names: Annotated[tuple[CommonName, ...], Items(32, unique=True)] = ()
    """Names that client certificates may hold."""


class NameConstraints(Model):
    """DNS subtrees in the root certificate itself: verifiers refuse other names, whoever signs them."""

    rules = (
        Rule(
            cel="!has(self.permittedDNS) || !has(self.excludedDNS) || "
            "self.permittedDNS.all(name, !self.excludedDNS.exists(other, other == name))",
            message="may not hold a name of permittedDNS: nothing could be issued for it",
            holds=lambda self: not set(self.permitted_dns) & set(self.excluded_dns),
            field=".excludedDNS",
        ),
    )

    permitted_dns: Annotated[tuple[DnsName, ...], Items(32, unique=True)] = Field(default=(), alias="permittedDNS")
    """Only these names and names below them. Empty: all."""
    excluded_dns: Annotated[tuple[DnsName, ...], Items(32, unique=True)] = Field(default=(), alias="excludedDNS")
    """Never these names and names below them."""


class TrustDistribution(Model):
    """Where the authority's certificates go, so that clients can verify."""

    namespace_selector: LabelSelector | None = None
    """Namespaces that get a ConfigMap with the trust bundle. Empty: all; absent: none."""
    cluster_trust_bundle: Flag = False
    """Whether a ClusterTrustBundle is kept too, where the API server serves that kind."""


class RotationRequest(Model):
    """A rotation of the authority's own key, out of turn."""

    rules = (
        Rule(
            cel="!has(self.emergency) || !self.emergency || (has(self.reason) && self.reason != '')",
            message="is required with emergency: say why, it is kept with the new generation",
            holds=lambda self: not self.emergency or bool(self.reason),
            field=".reason",
            reason="FieldValueRequired",
        ),
    )

    reason: Annotated[
        str, Format(r"^[^\x00-\x1f\x7f]*$", 256, "must be one line of text without control characters", min_length=0)
    ] = ""
    """Why. Each new text asks for one rotation."""
    emergency: Flag = False
    """Replace everything now, without the overlap in which old certificates stay trusted."""


_MAKES_ROOT = "(has(self.source.selfManaged) || has(self.source.csr))"
_MEMBERS = ("selfManaged", "secretRef", "csr", "certManager")


class CertificateAuthoritySpec(Model):
    """An authority as its owner wants it.

    `source` may not move from one member to another: clients would meet a root that they do not trust. Another source
    is another authority. `algorithm`, `lifetime` and `nameConstraints` may change; they take effect with the next root.
    """

    rules = (
        Rule(
            cel=cel_no_longer("leafLifetime.maximum", "lifetime"),
            message="may not be longer than spec.lifetime: no certificate outlives its authority",
            holds=lambda self: self.leaf_lifetime.maximum <= self.lifetime,
            field=".leafLifetime.maximum",
        ),
        Rule(
            cel=f"!has(self.nameConstraints) || {_MAKES_ROOT}",
            message="go into a root that Breakwater makes: remove them, or use source.selfManaged or source.csr",
            holds=lambda self: self.name_constraints is None or self.source.makes_key,
            field=".nameConstraints",
            reason="FieldValueForbidden",
        ),
        Rule(
            cel=" && ".join(f"has(self.source.{name}) == has(oldSelf.source.{name})" for name in _MEMBERS),
            message="may not move to another member: create a new CertificateAuthority and point channels at it",
            holds=None,
            field=".source",
            reason="FieldValueForbidden",
        ),
        Rule(
            cel="!has(self.renewal) || !has(self.rotationScheduleRef)",
            message="is written inline as well: keep renewal or rotationScheduleRef, not both",
            holds=lambda self: self.renewal is None or self.rotation_schedule_ref is None,
            field=".rotationScheduleRef",
            reason="FieldValueForbidden",
        ),
    )

    mode: Mode = Mode.ENFORCE
    """Observe: measured, judged and planned, nothing written but status."""
    suspend: Flag = False
    """Status goes on, nothing else is written for the authority itself. Channels still get certificates from it."""
    source: Source
    """Where key and certificate come from: exactly one member. It cannot change to another member."""
    algorithm: Algorithm = Algorithm.ECDSA_P256
    """Algorithm of the root key and of the keys issued under it. A change takes effect with the next key of each."""
    lifetime: Annotated[timedelta, Between(_SHORTEST, _LONGEST)] = timedelta(hours=87600)
    """Lifetime of the authority's own certificate."""
    leaf_lifetime: LeafLifetime = LeafLifetime()
    """Lifetimes of the certificates that it issues."""
    usable_from: Annotated[tuple[UsableFrom, ...], Items(64, keys=("name",))] = ()
    """Who may use it and for what. Nobody by default."""
    name_constraints: NameConstraints | None = None
    """Names that the authority may ever vouch for. A change takes effect with the next root."""
    trust: TrustDistribution | None = None
    """Where its certificates go."""
    renewal: RotationScheduleSpec | None = None
    """When certificates that it issued are renewed, as in a RotationSchedule; for channels that name no schedule."""
    rotation_schedule_ref: LocalRef | None = None
    """The same by reference: a RotationSchedule in the operator's namespace."""
    rotation: RotationRequest | None = None
    """Asks for a rotation of the authority's own key. Not served by this version."""


class TrustFailure(Model):
    """A namespace that could not be given the trust bundle."""

    namespace: Word
    """Its name."""
    reason: Word
    """Why, in one CamelCase word."""
    message: Annotated[str, Field(max_length=2048)] = ""
    """Why, for people."""


class TrustStatus(Model):
    """Where the trust in this authority stands."""

    config_map: Word = ""
    """Name of the ConfigMap in each selected namespace."""
    namespaces: Annotated[int, Strict(), Field(ge=0, le=2**31)] = 0
    """How many namespaces hold it."""
    cluster_trust_bundle: Word = ""
    """Name of the ClusterTrustBundle, where it stands."""
    failing: Annotated[tuple[TrustFailure, ...], Items(32, keys=("namespace",))] = ()
    """Namespaces that cannot be given it, and why; the first 32."""


class CertificateAuthorityStatus(StatusModel):
    """An authority as it was found."""

    fingerprint: Fingerprint = ""
    """SHA-256 of its current certificate."""
    not_before: Instant | None = None
    """Start of its validity."""
    not_after: Instant | None = None
    """End of its validity."""
    secret_name: Word = ""
    """Secret in the operator's namespace that holds the key."""
    generation: Generation = 0
    """How many keys this authority has had."""
    csr: Annotated[str, Field(max_length=16384)] = ""
    """Certificate signing request in PEM, with source.csr."""
    trust: TrustStatus | None = None
    """Where the trust in it stands."""


KIND = Kind(
    resource=CERTIFICATE_AUTHORITY,
    description="A certificate authority: who may use it for what, how long things live, where the trust in it goes.",
    spec=CertificateAuthoritySpec,
    status=CertificateAuthorityStatus,
    short_names=("bwca",),
    columns=(
        READY,
        REASON,
        Column("Expires", ".status.notAfter", "When its own certificate ends", wide=True),
        AGE,
    ),
)
