"""How a channel is encrypted: versions and suites, whom clients trust, what the server shows."""

from enum import StrEnum
from typing import Annotated, Literal

from breakwater.certificates.kind import AuthorityRef
from breakwater.kernel.fields import DnsPattern, LocalRef, ObjectName, SecretKey
from breakwater.kernel.model import Model
from breakwater.kernel.rules import Items, Rule, exactly_one
from breakwater.probes.request import TlsVersion


class CipherProfile(StrEnum):
    """A named choice of cipher suites."""

    MODERN = "Modern"
    INTERMEDIATE = "Intermediate"
    CUSTOM = "Custom"


class CipherSuite(StrEnum):
    """Suites that a channel may name: forward secret, with AEAD; the CBC ones for databases that know no better."""

    TLS_AES_128_GCM_SHA256 = "TLS_AES_128_GCM_SHA256"
    TLS_AES_256_GCM_SHA384 = "TLS_AES_256_GCM_SHA384"
    TLS_CHACHA20_POLY1305_SHA256 = "TLS_CHACHA20_POLY1305_SHA256"
    ECDHE_ECDSA_AES_128_GCM = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
    ECDHE_ECDSA_AES_256_GCM = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
    ECDHE_ECDSA_CHACHA20 = "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"
    ECDHE_RSA_AES_128_GCM = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
    ECDHE_RSA_AES_256_GCM = "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"
    ECDHE_RSA_CHACHA20 = "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"
    DHE_RSA_AES_128_GCM = "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"
    DHE_RSA_AES_256_GCM = "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"
    DHE_RSA_CHACHA20 = "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256"
    ECDHE_ECDSA_AES_128_CBC = "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"
    ECDHE_ECDSA_AES_256_CBC = "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"
    ECDHE_RSA_AES_128_CBC = "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"
    ECDHE_RSA_AES_256_CBC = "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"

    @property
    def is_tls13(self) -> bool:
        """Whether it is one of TLS 1.3, whose names leave the key exchange out."""
        return "_WITH_" not in self.value


class BundleKind(StrEnum):
    """Where certificates of others may lie."""

    CONFIG_MAP = "ConfigMap"
    SECRET = "Secret"  # noqa: S105  # the name of a kind


class BundleRef(Model):
    """CA certificates that somebody else keeps in this namespace."""

    atomic = True

    kind: BundleKind = BundleKind.CONFIG_MAP
    """Kind of the object."""
    name: ObjectName
    """Name of the object."""
    key: SecretKey = "ca.crt"
    """Key in it that holds the certificates in PEM."""


class Trust(Model):
    """Whom clients believe that the server is the right one."""

    rules = (exactly_one("authority_ref", "bundle_ref", "system"),)

    authority_ref: AuthorityRef | None = None
    """An authority whose trust bundle this namespace gets."""
    bundle_ref: BundleRef | None = None
    """Certificates in a ConfigMap or Secret of this namespace."""
    system: Literal[True] | None = None
    """The public authorities that the clients' systems come with. Write `true`."""


_ISSUED = "has(self.secretName)"
_NAMES = "(has(self.dnsNames) && size(self.dnsNames) > 0)"


class ServerCertificate(Model):
    """What the server shows: issued by an authority into a Secret, or kept there by others."""

    rules = (
        exactly_one("secret_name", "existing_secret_ref"),
        Rule(
            cel=f"!{_ISSUED} || has(self.authorityRef)",
            message="is required with secretName: name the authority that issues",
            holds=lambda self: self.secret_name is None or self.authority_ref is not None,
            field=".authorityRef",
            reason="FieldValueRequired",
        ),
        Rule(
            cel=f"!{_ISSUED} || {_NAMES}",
            message="is required with secretName: list the names by which clients reach the server",
            holds=lambda self: self.secret_name is None or bool(self.dns_names),
            field=".dnsNames",
            reason="FieldValueRequired",
        ),
        Rule(
            cel=f"!has(self.existingSecretRef) || (!has(self.authorityRef) && !{_NAMES})",
            message="is only watched and verified: remove authorityRef and dnsNames, or have it issued into secretName",
            holds=lambda self: self.existing_secret_ref is None or not (self.authority_ref or self.dns_names),
            field=".existingSecretRef",
            reason="FieldValueForbidden",
        ),
    )

    secret_name: ObjectName | None = None
    """Secret of type kubernetes.io/tls that Breakwater makes for the server."""
    authority_ref: AuthorityRef | None = None
    """The authority that issues it."""
    dns_names: Annotated[tuple[DnsPattern, ...], Items(64, unique=True)] = ()
    """Names in the certificate; the authority must grant them to this namespace."""
    existing_secret_ref: LocalRef | None = None
    """A Secret of others with `tls.crt`: watched and verified, never written."""

    @property
    def names_secret(self) -> str:
        """The Secret that the server mounts, whoever keeps it."""
        return self.secret_name or (self.existing_secret_ref.name if self.existing_secret_ref else "")

    def covers(self, name: str) -> bool:
        """Whether a client that connects to `name` would accept an issued certificate."""
        parent = name.partition(".")[2]
        return name in self.dns_names or bool(parent and f"*.{parent}" in self.dns_names)


_SUITES = "(has(self.cipherSuites) && size(self.cipherSuites) > 0)"


class Encryption(Model):
    """Versions, suites and certificates."""

    rules = (
        Rule(
            cel=f"{_SUITES} == (self.cipherProfile == 'Custom')",
            message="list suites exactly when cipherProfile is Custom: the other profiles bring their own",
            holds=lambda self: bool(self.cipher_suites) == (self.cipher_profile is CipherProfile.CUSTOM),
            field=".cipherSuites",
        ),
        Rule(
            cel="self.cipherProfile != 'Modern' || self.minimumVersion == 'TLSv1.3'",
            message="must be TLSv1.3 with cipherProfile Modern, which has no suites of TLS 1.2",
            holds=lambda self: (
                self.cipher_profile is not CipherProfile.MODERN or self.minimum_version is TlsVersion.V1_3
            ),
            field=".minimumVersion",
        ),
        Rule(
            cel=f"self.minimumVersion != 'TLSv1.3' || !{_SUITES} || "
            "self.cipherSuites.all(suite, !suite.contains('_WITH_'))",
            message="hold a suite of TLS 1.2, which minimumVersion TLSv1.3 excludes: remove it or set TLSv1.2",
            holds=lambda self: (
                self.minimum_version is not TlsVersion.V1_3 or all(suite.is_tls13 for suite in self.cipher_suites)
            ),
            field=".cipherSuites",
        ),
    )

    minimum_version: TlsVersion = TlsVersion.V1_2
    """Lowest TLS version that may be spoken."""
    cipher_profile: CipherProfile = CipherProfile.INTERMEDIATE
    """Modern: TLS 1.3 only. Intermediate: forward secrecy and AEAD in TLS 1.2 too. Custom: `cipherSuites`."""
    cipher_suites: Annotated[tuple[CipherSuite, ...], Items(16, unique=True)] = ()
    """IANA names, with cipherProfile Custom. Without one of TLS 1.3 the list restricts TLS 1.2 only."""
    trust: Trust
    """Whom clients trust: exactly one member."""
    server_certificate: ServerCertificate | None = None
    """What the server shows; absent where the server is outside and brings its own."""
