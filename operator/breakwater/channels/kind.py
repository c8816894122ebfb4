"""CommunicationChannel: one flow between a server and its clients, as its owner wants it secured."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field, Strict

from breakwater.certificates.kind import AuthorityRef, CommonName
from breakwater.channels.encryption import Encryption
from breakwater.channels.protocols import TRAITS, Protocol, Security, default_port, default_security, securities
from breakwater.channels.status import CommunicationChannelStatus
from breakwater.kernel.fields import (
    SECRET_KEY,
    Between,
    DeletionPolicy,
    DnsName,
    Flag,
    Host,
    Label,
    LabelSelector,
    LocalRef,
    ObjectName,
    Port,
    cel_no_longer,
)
from breakwater.kernel.kind import AGE, READY, REASON, SECURED, Column, Kind
from breakwater.kernel.model import Model
from breakwater.kernel.references import COMMUNICATION_CHANNEL
from breakwater.kernel.rules import Entries, Format, Items, Rule, exactly_one, optional_text
from breakwater.kernel.settings import Mode


class Endpoint(Model):
    """Where the server is."""

    host: Host
    """DNS name or IP address of the server."""
    port: Port | None = None
    """Port of the server; absent: the usual one of the protocol. TLS has none."""
    security: Security | None = None
    """When TLS begins; absent: by protocol (HTTPS, LDAP, Oracle and TLS: Implicit; the others: StartTLS)."""
    server_name: DnsName | None = None
    """Name that clients ask for and verify; absent: the host."""

    @property
    def verified_name(self) -> str:
        """The name or address that a client compares the certificate with."""
        return self.server_name or self.host


class GeneratedPassword(Model):
    """A login whose password Breakwater makes."""

    username: Annotated[
        str,
        Format(
            r"^[A-Za-z0-9_]([A-Za-z0-9_.@=, -]{0,254}[A-Za-z0-9_])?$",
            256,
            "must be letters, digits and '_'; inside also '.', '@', '=', ',', '-' and spaces, for distinguished names",
        ),
    ]
    """Login name."""
    length: Annotated[int, Strict(), Field(ge=16, le=128)] = 32
    """Length of the password in characters."""


class Password(Model):
    """A login with name and password."""

    rules = (exactly_one("secret_ref", "generate"),)

    secret_ref: LocalRef | None = None
    """A Secret of this namespace with the keys `username` and `password`."""
    generate: GeneratedPassword | None = None
    """Breakwater makes it and keeps it."""


class ClientCertificate(Model):
    """A certificate by which clients show who they are."""

    authority_ref: AuthorityRef
    """The authority that issues it."""
    common_name: CommonName
    """Common name of its subject; the authority must grant it to this namespace."""


class Authentication(Model):
    """How clients show who they are."""

    rules = (
        Rule(
            cel="has(self.password) || has(self.clientCertificate)",
            message="set password, clientCertificate or both, or remove authentication",
            holds=lambda self: bool(self.password or self.client_certificate),
        ),
    )

    password: Password | None = None
    """By name and password."""
    client_certificate: ClientCertificate | None = None
    """By certificate."""


class AuthorizedClient(Model):
    """Pods that may open the flow."""

    name: Label
    """Name of this entry, for messages."""
    pod_selector: LabelSelector
    """Labels of the pods, in this namespace. Empty selects all of them."""


class Authorization(Model):
    """Who may use the flow. Nobody besides those listed."""

    mode: Mode = Mode.OBSERVE
    """Enforce restricts network and Secret to those listed; Observe says what that would change."""
    clients: Annotated[tuple[AuthorizedClient, ...], Items(32, keys=("name",))] = ()
    """Pods that may connect."""
    service_accounts: Annotated[tuple[ObjectName, ...], Items(32, unique=True)] = ()
    """Service accounts that may read the binding Secret."""


class ConsumerKind(StrEnum):
    """Workloads that can be told to restart."""

    DEPLOYMENT = "Deployment"
    STATEFUL_SET = "StatefulSet"
    DAEMON_SET = "DaemonSet"


class Reload(StrEnum):
    """How a workload takes up new content of its Secrets."""

    RESTART = "Restart"
    AUTOMATIC = "Automatic"


class Consumer(Model):
    """A workload that uses the channel's Secrets."""

    kind: ConsumerKind = ConsumerKind.DEPLOYMENT
    """Kind of the workload."""
    name: ObjectName
    """Name of the workload."""
    reload: Reload = Reload.RESTART
    """Restart: it must be rolled to see new content. Automatic: it reads changed files by itself."""


class BindingEntry(StrEnum):
    """Entries of the binding Secret: those of the Service Binding specification, and TLS files by their usual names."""

    TYPE = "type"
    PROVIDER = "provider"
    HOST = "host"
    PORT = "port"
    URI = "uri"
    USERNAME = "username"
    PASSWORD = "password"  # noqa: S105  # the name of a key, not a password
    CERTIFICATES = "certificates"
    PRIVATE_KEY = "private-key"
    CA_CRT = "ca.crt"
    TLS_CRT = "tls.crt"
    TLS_KEY = "tls.key"


_STANDARD = tuple(entry.value for entry in BindingEntry)


class Output(Model):
    """The Secret from which the application reads the connection."""

    rules = (
        Rule(
            cel=f"!has(self.keys) || self.keys.all(key, !(key in {list(_STANDARD)}))",
            message=f"may not rename into a standard entry, which is there anyway: remove {', '.join(_STANDARD)}",
            holds=lambda self: not self.keys.keys() & set(_STANDARD),
            field=".keys",
        ),
    )

    secret_name: ObjectName | None = None
    """Name of the binding Secret; absent: the channel's name and `-binding`."""
    keys: Annotated[dict[str, BindingEntry], Entries(32, SECRET_KEY)] = Field(default_factory=dict)
    """The application's own names for entries, beside the standard ones: own name to standard entry."""


class Probe(Model):
    """How often the flow is proven on the live endpoint."""

    rules = (
        Rule(
            cel=cel_no_longer("interval", "negativeInterval"),
            message="may not be shorter than interval: negative probes are the rarer ones",
            holds=lambda self: self.interval <= self.negative_interval,
            field=".negativeInterval",
        ),
    )

    interval: Annotated[timedelta, Between("5s", "24h")] = timedelta(minutes=5)
    """From one handshake to the next."""
    negative_interval: Annotated[timedelta, Between("1m", "720h")] = timedelta(hours=24)
    """From one trial of what must be refused (old versions, no certificate) to the next."""


def _only(security: Security) -> list[str]:
    return [protocol.value for protocol in Protocol if securities(protocol) == (security,)]


def _security_rule(only: Security) -> Rule:
    protocols = _only(only)
    absent_or_only = f"!has(self.endpoint.security) || self.endpoint.security == '{only.value}'"
    return Rule(
        cel=f"!(self.protocol in {protocols}) || {absent_or_only}",
        message=f"must be {only.value} or absent with protocol {', '.join(protocols)}",
        holds=lambda self: self.protocol not in protocols or self.endpoint.security in (None, only),
        field=".endpoint.security",
    )


_PORTLESS = [protocol.value for protocol in Protocol if not any(TRAITS[protocol].ports.values())]

_CERTIFICATE = "self.encryption.serverCertificate"
_VERIFIED_NAME = "(has(self.endpoint.serverName) ? self.endpoint.serverName : self.endpoint.host)"
_PARENT = f"{_VERIFIED_NAME}.substring({_VERIFIED_NAME}.indexOf('.'))"
_COVERED = (
    f"{_CERTIFICATE}.dnsNames.exists(name, name == {_VERIFIED_NAME} || "
    f"(name.startsWith('*.') && {_VERIFIED_NAME}.contains('.') && name.substring(1) == {_PARENT}))"
)
_NO_NAMES = f"!has({_CERTIFICATE}) || !has({_CERTIFICATE}.dnsNames) || size({_CERTIFICATE}.dnsNames) == 0"

_SECRETS = {
    path: optional_text(path)
    for path in (
        "encryption.serverCertificate.secretName",
        "encryption.serverCertificate.existingSecretRef.name",
        "authentication.password.secretRef.name",
        "output.secretName",
    )
}
_PAIRS = tuple((one, other) for index, one in enumerate(_SECRETS) for other in tuple(_SECRETS)[index + 1 :])


def _secrets(self: "CommunicationChannelSpec") -> dict[str, str]:
    return dict(zip(_SECRETS, self.secret_names, strict=True))


def _distinct(one: str, other: str) -> Rule:
    return Rule(
        cel=f"{_SECRETS[one]} == '' || {_SECRETS[one]} != {_SECRETS[other]}",
        message=f"names the same Secret as {one}: give each its own",
        holds=lambda self: not _secrets(self)[one] or _secrets(self)[one] != _secrets(self)[other],
        field=f".{other}",
    )


class CommunicationChannelSpec(Model):
    """A flow as its owner wants it."""

    rules = (
        _security_rule(Security.IMPLICIT),
        _security_rule(Security.START_TLS),
        Rule(
            cel=f"!(self.protocol in {_PORTLESS}) || has(self.endpoint.port)",
            message=f"is required with protocol {', '.join(_PORTLESS)}, which has no usual port",
            holds=lambda self: self.protocol not in _PORTLESS or self.endpoint.port is not None,
            field=".endpoint.port",
            reason="FieldValueRequired",
        ),
        Rule(
            cel=f"{_NO_NAMES} || {_COVERED}",
            message="must hold the name that clients verify: add endpoint.serverName, or endpoint.host where that is "
            "absent; with an IP address as host set endpoint.serverName",
            holds=lambda self: self.certificate_covers_name,
            field=".encryption.serverCertificate.dnsNames",
        ),
        *(_distinct(one, other) for one, other in _PAIRS),
    )

    mode: Mode = Mode.ENFORCE
    """Observe: measured, judged and planned, nothing written but status."""
    suspend: Flag = False
    """Status and measurements go on, nothing else is written."""
    protocol: Protocol
    """What is spoken inside."""
    endpoint: Endpoint
    """Where the server is."""
    encryption: Encryption
    """How it is encrypted and whom clients trust."""
    authentication: Authentication | None = None
    """How clients show who they are."""
    authorization: Authorization | None = None
    """Who may use it; absent: not declared, and the condition Authorized says so."""
    consumers: Annotated[tuple[Consumer, ...], Items(32, keys=("kind", "name"))] = ()
    """Workloads that use its Secrets; others that are found doing so are named in status."""
    output: Output = Output()
    """The binding Secret."""
    rotation_schedule_ref: LocalRef | None = None
    """A RotationSchedule of this namespace; absent: that of the authority, or the one named `default` in the operator's
    namespace. While one that is named cannot be read, restarts wait."""
    probe: Probe = Probe()
    """How often it is proven."""
    deletion_policy: DeletionPolicy = DeletionPolicy.RETAIN
    """Whether the Secrets that were made stay when the channel goes."""

    @property
    def security(self) -> Security:
        """When TLS begins: as written, else by protocol."""
        return self.endpoint.security or default_security(self.protocol)

    @property
    def port(self) -> int:
        """The server's port: as written, else the usual one of protocol and security."""
        return self.endpoint.port or default_port(self.protocol, self.security) or 0

    @property
    def certificate_covers_name(self) -> bool:
        """Whether clients would accept a certificate that is issued for this channel; true where none is."""
        certificate = self.encryption.server_certificate
        return certificate is None or not certificate.dns_names or certificate.covers(self.endpoint.verified_name)

    @property
    def secret_names(self) -> tuple[str, str, str, str]:
        """Secrets that it names: server certificate made and existing, password, output; empty where absent."""
        server = self.encryption.server_certificate
        password = self.authentication.password if self.authentication else None
        existing = server.existing_secret_ref if server else None
        reference = password.secret_ref if password else None
        return (
            (server.secret_name if server else None) or "",
            existing.name if existing else "",
            reference.name if reference else "",
            self.output.secret_name or "",
        )


KIND = Kind(
    resource=COMMUNICATION_CHANNEL,
    description="One flow: its protocol and endpoint, how it is encrypted, authenticated, authorized and proven.",
    spec=CommunicationChannelSpec,
    status=CommunicationChannelStatus,
    short_names=("chan",),
    columns=(
        Column("Protocol", ".spec.protocol", "What is spoken inside"),
        READY,
        SECURED,
        REASON,
        Column("Binding", ".status.binding.name", "Secret from which applications read the connection", wide=True),
        AGE,
    ),
)
