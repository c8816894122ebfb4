"""Mistakes that only the cluster can tell: stored, and then said in status with field and remedy."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from breakwater.pki.keys import seal_key
from tests.cluster.harness import NAMESPACE, authority, channel
from tests.unit.pki.forge import Made, forge, forge_server, pem

Manifest = dict[str, Any]
PLACE = "bad"
NOW, DAY = datetime.now(UTC), timedelta(days=1)
LIFE = (NOW - DAY, NOW + 90 * DAY)

ROOT = forge("brought", period=LIFE)
OTHER = forge("other", period=LIFE)
SERVER_NAME = "web.bad.svc"


def secret(name: str, place: str = PLACE, **data: bytes) -> Manifest:
    """A Secret; `tls_crt` stands for tls.crt."""
    entries = {key.replace("_", "."): base64.b64encode(value).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": place}, "data": entries}


def config_map(name: str, **data: bytes) -> Manifest:
    """A ConfigMap, spelled as `secret`."""
    entries = {key.replace("_", "."): value.decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": PLACE}, "data": entries}


def key(made: Made) -> bytes:
    """A private key in PEM."""
    return seal_key(made.key).open()


def _encrypted(made: Made) -> bytes:
    return made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))


def pair(name: str, made: Made, place: str = PLACE, **changes: bytes) -> Manifest:
    """A Secret with certificate and key."""
    return secret(name, place, **{"tls_crt": pem(made.certificate), "tls_key": key(made)} | changes)


class Row(NamedTuple):
    """A mistake.

    Attributes:
        about: the manifest whose status must tell, and that is applied.
        reason: of the condition, which is not True.
        field: the field or object that must be named.
        remedy: words of what to do.
        beside: what else stands in the cluster.
        mended: what is applied to end it; empty where that is not tried.
        condition: the type of the condition that tells.
        gone: an object that has to be deleted to end it, as (kind, name, namespace).
    """

    about: Manifest
    reason: str
    field: str
    remedy: str
    beside: tuple[Manifest, ...] = ()
    mended: tuple[Manifest, ...] = ()
    condition: str = "Ready"
    gone: tuple[str, str, str] | None = None


def _trust(**member: Any) -> Manifest:
    return {"trust": member}


def _server(name: str, reference: str = "platform", secret_name: str = "", names: tuple[str, ...] = ()) -> Manifest:
    names = names or (f"{name}.{PLACE}.svc",)
    certificate = {
        "secretName": secret_name or f"{name}-tls",
        "authorityRef": {"name": reference},
        "dnsNames": list(names),
    }
    return {"trust": {"authorityRef": {"name": "platform"}}, "serverCertificate": certificate}


def _chan(name: str, **spec: Any) -> Manifest:
    return channel(PLACE, name, **spec)


def _named(name: str, *names: str) -> Manifest:
    """A channel whose certificate would hold further names."""
    host = f"{name}.{PLACE}.svc"
    return _chan(name, encryption=_server(name, names=(host, *names)))


def _client(name: str, reference: str = "platform", common_name: str = "app") -> Manifest:
    certificate = {"authorityRef": {"name": reference}, "commonName": common_name}
    return _chan(name, encryption=_trust(system=True), authentication={"clientCertificate": certificate})


def _login(name: str, **password: Any) -> Manifest:
    login = password or {"secretRef": {"name": f"{name}-given"}}
    return _chan(name, encryption=_trust(system=True), authentication={"password": login})


def _bundle(name: str, kind: str = "ConfigMap", entry: str = "ca.crt") -> Manifest:
    return _chan(name, encryption=_trust(bundleRef={"kind": kind, "name": f"{name}-roots", "key": entry}))


def _existing(name: str) -> Manifest:
    encryption = {
        "trust": {"authorityRef": {"name": "brought"}},
        "serverCertificate": {"existingSecretRef": {"name": name}},
    }
    return _chan(name, endpoint={"host": SERVER_NAME}, protocol="PostgreSQL", encryption=encryption)


def _leaf(**changes: Any) -> Made:
    return forge_server(ROOT, **{"dns": (SERVER_NAME,), "period": LIFE} | changes)


def _brought(name: str) -> Manifest:
    return authority(name, source={"secretRef": {"name": name}})


GIVEN = {"username": b"app", "password": b"a password"}
ROOTS = pem(ROOT.certificate)
_SERVER, _CLIENT = "spec.encryption.serverCertificate", "spec.authentication.clientCertificate"
_NAMES, _EXISTING = f"{_SERVER}.dnsNames", f"{_SERVER}.existingSecretRef: Secret"
_PASSWORD = "spec.authentication.password.secretRef: Secret"  # noqa: S105 - a field
_BUNDLE = "spec.encryption.trust.bundleRef: ConfigMap"
_SOURCE = "spec.source.secretRef.name: Secret"
_GRANT = "spec.usableFrom[].dnsNames"

NOBODY = authority("nobody", usableFrom=[])
CHANNEL_ROWS: dict[str, Row] = {
    "trust-in-unknown-authority": Row(
        _chan("trust-unknown", encryption=_trust(authorityRef={"name": "absent-a"})),
        "AuthorityNotFound",
        "spec.encryption.trust.authorityRef: CertificateAuthority absent-a",
        "create it or name another",
        mended=(authority("absent-a"),),
    ),
    "server-of-unknown-authority": Row(
        _chan("server-unknown", encryption=_server("server-unknown", "absent-b")),
        "AuthorityNotFound",
        f"{_SERVER}.authorityRef: CertificateAuthority absent-b",
        "create it or name another",
        mended=(authority("absent-b"),),
    ),
    "client-of-unknown-authority": Row(
        _client("client-unknown", "absent-c"),
        "AuthorityNotFound",
        f"{_CLIENT}.authorityRef: CertificateAuthority absent-c",
        "create it or name another",
        mended=(authority("absent-c"),),
    ),
    "namespace-not-granted": Row(
        _chan("not-granted", encryption=_server("not-granted", "nobody")),
        "NotPermitted",
        _NAMES,
        "its owner adds an entry to spec.usableFrom whose namespaceSelector matches",
        condition="Accepted",
        beside=(NOBODY,),
    ),
    "client-not-granted": Row(
        _client("client-not-granted", "nobody"),
        "NotPermitted",
        f"{_CLIENT}.commonName",
        "its owner adds an entry to spec.usableFrom whose namespaceSelector matches",
        condition="Accepted",
    ),
    "common-name-not-listed": Row(
        _client("not-listed", common_name="admin"),
        "NotPermitted",
        f"{_CLIENT}.commonName: admin",
        "list it in the authority's spec.usableFrom[].commonNames or use a name that is listed",
        condition="Accepted",
        mended=(_client("not-listed", common_name="app"),),
    ),
    "name-outside": Row(
        _named("name-outside", "shop.example.com"),
        "NotPermitted",
        f"{_NAMES}: shop.example.com",
        _GRANT,
        condition="Accepted",
        mended=(_named("name-outside"),),
    ),
    "service-of-another-namespace": Row(
        _named("foreign-name", "db.other.svc"), "NotPermitted", f"{_NAMES}: db.other.svc", _GRANT, condition="Accepted"
    ),
    "short-service-name": Row(
        _named("short-name", "db"),
        "NotPermitted",
        f"{_NAMES}: db",
        f"use names of its own Services (NAME.{PLACE}.svc)",
        condition="Accepted",
    ),
    "wildcard-over-services": Row(
        _named("wildcard", f"*.{PLACE}.svc"), "NotPermitted", f"{_NAMES}: *.{PLACE}.svc", _GRANT, condition="Accepted"
    ),
    "wildcard-over-cluster": Row(
        _named("wildcard-all", "*.svc.cluster.local"),
        "NotPermitted",
        f"{_NAMES}: *.svc.cluster.local",
        _GRANT,
        condition="Accepted",
    ),
    "server-secret-taken": Row(
        _chan("server-taken"),
        "NameTaken",
        f"{_SERVER}.secretName: Secret server-taken-tls",
        "name another, or use existingSecretRef",
        condition="Accepted",
        beside=(secret("server-taken-tls", a=b"b"),),
        gone=("secret", "server-taken-tls", PLACE),
    ),
    "server-secret-of-another-channel": Row(
        _chan("second", encryption=_server("second", secret_name="first-tls")),
        "NameTaken",
        f"{_SERVER}.secretName: Secret first-tls belongs to CommunicationChannel/{PLACE}/first",
        "name another",
        condition="Accepted",
        mended=(_chan("second", encryption=_server("second", secret_name="second-tls")),),
    ),
    "output-of-another-channel": Row(
        _chan("output-second", output={"secretName": "first-tls"}),
        "NameTaken",
        "spec.output.secretName: Secret first-tls",
        "to a free name",
        condition="Accepted",
        mended=(_chan("output-second", output={"secretName": "output-second"}),),
    ),
    "binding-taken": Row(
        _login("binding-taken"),
        "NameTaken",
        "metadata.name: Secret binding-taken-binding",
        "set spec.output.secretName to a free name",
        condition="Accepted",
        beside=(secret("binding-taken-binding", a=b"b"), secret("binding-taken-given", **GIVEN)),
        gone=("secret", "binding-taken-binding", PLACE),
    ),
    "login-taken": Row(
        _login("login-taken", generate={"username": "app"}),
        "NameTaken",
        "Secret login-taken-login, where the login goes",
        "rename or delete it",
        condition="Accepted",
        beside=(secret("login-taken-login", **GIVEN),),
        gone=("secret", "login-taken-login", PLACE),
    ),
    "login-missing": Row(
        _login("login-missing"),
        "SecretNotFound",
        f"{_PASSWORD} login-missing-given",
        "create it with username and password",
        mended=(secret("login-missing-given", **GIVEN),),
    ),
    "login-without-username": Row(
        _login("login-half"),
        "SecretInvalid",
        f"{_PASSWORD} login-half-given",
        "needs both keys, username and password, not empty",
        beside=(secret("login-half-given", password=b"x"),),
        mended=(secret("login-half-given", **GIVEN),),
    ),
    "login-empty": Row(
        _login("login-empty"),
        "SecretInvalid",
        f"{_PASSWORD} login-empty-given",
        "not empty",
        beside=(secret("login-empty-given", username=b"", password=b""),),
        mended=(secret("login-empty-given", **GIVEN),),
    ),
    "bundle-missing": Row(
        _bundle("bundle-missing"),
        "BundleNotFound",
        f"{_BUNDLE} bundle-missing-roots",
        "create it with the key ca.crt",
        mended=(config_map("bundle-missing-roots", ca_crt=ROOTS),),
    ),
    "bundle-secret-missing": Row(
        _bundle("bundle-nowhere", "Secret"),
        "BundleNotFound",
        "spec.encryption.trust.bundleRef: Secret bundle-nowhere-roots",
        "create it with the key ca.crt",
        mended=(secret("bundle-nowhere-roots", ca_crt=ROOTS),),
    ),
    "bundle-without-key": Row(
        _bundle("bundle-keyless"),
        "BundleInvalid",
        f"{_BUNDLE} bundle-keyless-roots has no key ca.crt",
        "add it or name another key",
        beside=(config_map("bundle-keyless-roots", other=ROOTS),),
        mended=(config_map("bundle-keyless-roots", ca_crt=ROOTS),),
    ),
    "bundle-garbage": Row(
        _bundle("bundle-garbage"),
        "BundleInvalid",
        f"{_BUNDLE} bundle-garbage-roots, key ca.crt",
        "put PEM blocks of type CERTIFICATE",
        beside=(config_map("bundle-garbage-roots", ca_crt=b"garbage"),),
        mended=(config_map("bundle-garbage-roots", ca_crt=ROOTS),),
    ),
    "bundle-torn": Row(
        _bundle("bundle-torn"),
        "BundleInvalid",
        f"{_BUNDLE} bundle-torn-roots, key ca.crt",
        "each block needs matching BEGIN and END lines",
        beside=(config_map("bundle-torn-roots", ca_crt=ROOTS[:300]),),
        mended=(config_map("bundle-torn-roots", ca_crt=ROOTS),),
    ),
    "bundle-is-a-key": Row(
        _bundle("bundle-key"),
        "BundleInvalid",
        f"{_BUNDLE} bundle-key-roots, key ca.crt",
        "remove the key and replace it, for it may have been read",
        beside=(config_map("bundle-key-roots", ca_crt=ROOTS + key(OTHER)),),
        mended=(config_map("bundle-key-roots", ca_crt=ROOTS),),
    ),
    "bundle-is-a-leaf": Row(
        _bundle("bundle-leaf"),
        "BundleInvalid",
        f"{_BUNDLE} bundle-leaf-roots, key ca.crt",
        "use one with basicConstraints CA:TRUE",
        beside=(config_map("bundle-leaf-roots", ca_crt=pem(_leaf().certificate)),),
        mended=(config_map("bundle-leaf-roots", ca_crt=ROOTS),),
    ),
    "existing-missing": Row(
        _existing("existing-missing"),
        "SecretNotFound",
        f"{_EXISTING} existing-missing",
        "create it with tls.crt and tls.key",
        mended=(pair("existing-missing", _leaf()),),
    ),
    "existing-without-key": Row(
        _existing("existing-keyless"),
        "SecretInvalid",
        f"{_EXISTING} existing-keyless",
        "tls.key is missing; add it",
        beside=(secret("existing-keyless", tls_crt=pem(_leaf().certificate)),),
    ),
    "existing-empty": Row(
        _existing("existing-empty"),
        "SecretInvalid",
        f"{_EXISTING} existing-empty",
        "put PEM blocks of type CERTIFICATE",
        beside=(secret("existing-empty", a=b"b"),),
    ),
    "existing-of-two-halves": Row(
        _existing("existing-halves"),
        "SecretInvalid",
        f"{_EXISTING} existing-halves",
        "tls.key does not belong to tls.crt; store the two that were made together",
        beside=(pair("existing-halves", _leaf(), tls_key=key(OTHER)),),
        mended=(pair("existing-halves", _leaf()),),
    ),
    "existing-encrypted": Row(
        _existing("existing-encrypted"),
        "SecretInvalid",
        f"{_EXISTING} existing-encrypted",
        "store it as unencrypted PEM",
        beside=(pair("existing-encrypted", _leaf(), tls_key=_encrypted(OTHER)),),
    ),
    "existing-expired": Row(
        _existing("existing-expired"),
        "CertificateExpired",
        f"{_SERVER}: what Secret existing-expired holds has expired",
        "renew it",
        condition="Encrypted",
        beside=(pair("existing-expired", _leaf(period=(NOW - 9 * DAY, NOW - DAY))),),
    ),
    "existing-of-another-name": Row(
        _existing("existing-misnamed"),
        "NameMismatch",
        f"{_EXISTING} existing-misnamed, for {SERVER_NAME}",
        "add that to its alternative names",
        condition="Encrypted",
        beside=(pair("existing-misnamed", _leaf(dns=("db.bad.svc",))),),
    ),
    "existing-of-another-authority": Row(
        _existing("existing-foreign"),
        "UnknownIssuer",
        f"{_EXISTING} existing-foreign",
        "add the intermediates to the chain or the root to the trust",
        condition="Encrypted",
        beside=(pair("existing-foreign", forge_server(OTHER, dns=(SERVER_NAME,), period=LIFE)),),
    ),
    "schedule-not-served": Row(
        _chan("scheduled", rotationScheduleRef={"name": "quarterly"}),
        "NotSupported",
        "spec.rotationScheduleRef",
        "remove it",
        condition="Accepted",
        mended=(_chan("scheduled"),),
    ),
    "service-missing": Row(
        _chan("service-missing"),
        "ServiceNotFound",
        "spec.endpoint.host: Service service-missing",
        "create it",
        condition="Proven",
    ),
    "name-outside-constraints": Row(
        _chan("constrained", encryption=_server("constrained", "constrained")),
        "NameNotPermitted",
        "a name is outside the name constraints",
        "of an issuing certificate",
        beside=(authority("constrained", nameConstraints={"permittedDNS": ["example.com"]}),),
    ),
}
AUTHORITY_ROWS: dict[str, Row] = {
    "csr-not-served": Row(
        authority("by-request", source={"csr": {}}),
        "NotSupported",
        "spec.source.csr",
        "use spec.source.selfManaged or secretRef",
        condition="Accepted",
    ),
    "cert-manager-not-served": Row(
        authority("by-issuer", source={"certManager": {"issuerRef": {"name": "issuer"}}}),
        "NotSupported",
        "spec.source.certManager",
        "use spec.source.selfManaged or secretRef",
        condition="Accepted",
    ),
    "renewal-not-served": Row(
        authority("renewing", renewal={"percentage": 50}),
        "NotSupported",
        "spec.renewal",
        "remove it",
        condition="Accepted",
    ),
    "rotation-not-served": Row(
        authority("rotating", rotation={"reason": "drill"}),
        "NotSupported",
        "spec.rotation",
        "remove it",
        condition="Accepted",
    ),
    "schedule-of-authority-not-served": Row(
        authority("scheduled", rotationScheduleRef={"name": "quarterly"}),
        "NotSupported",
        "spec.rotationScheduleRef",
        "remove it",
        condition="Accepted",
    ),
    "brought-missing": Row(
        _brought("brought-missing"),
        "SecretNotFound",
        f"{_SOURCE} brought-missing does not exist in namespace {NAMESPACE}",
        "create it with tls.crt and tls.key",
        mended=(pair("brought-missing", OTHER, NAMESPACE),),
    ),
    "brought-is-a-leaf": Row(
        _brought("brought-leaf"),
        "SecretInvalid",
        f"{_SOURCE} {NAMESPACE}/brought-leaf",
        "use one with basicConstraints CA:TRUE",
        beside=(pair("brought-leaf", _leaf(), NAMESPACE),),
        mended=(pair("brought-leaf", OTHER, NAMESPACE),),
    ),
    "brought-of-two-halves": Row(
        _brought("brought-halves"),
        "SecretInvalid",
        f"{_SOURCE} {NAMESPACE}/brought-halves",
        "store the two that were made together",
        beside=(pair("brought-halves", ROOT, NAMESPACE, tls_key=key(OTHER)),),
        mended=(pair("brought-halves", ROOT, NAMESPACE),),
    ),
    "brought-encrypted": Row(
        _brought("brought-encrypted"),
        "SecretInvalid",
        f"{_SOURCE} {NAMESPACE}/brought-encrypted",
        "store it as unencrypted PEM",
        beside=(pair("brought-encrypted", ROOT, NAMESPACE, tls_key=_encrypted(ROOT)),),
        mended=(pair("brought-encrypted", ROOT, NAMESPACE),),
    ),
    "brought-garbage": Row(
        _brought("brought-garbage"),
        "SecretInvalid",
        f"{_SOURCE} {NAMESPACE}/brought-garbage",
        "put PEM blocks of type CERTIFICATE",
        beside=(secret("brought-garbage", NAMESPACE, tls_crt=b"\xff\x00", tls_key=b"\xff"),),
        mended=(pair("brought-garbage", ROOT, NAMESPACE),),
    ),
    "brought-without-key": Row(
        _brought("brought-keyless"),
        "SecretInvalid",
        f"{_SOURCE} {NAMESPACE}/brought-keyless",
        "tls.key is missing; add it",
        beside=(secret("brought-keyless", NAMESPACE, tls_crt=ROOTS),),
        mended=(pair("brought-keyless", ROOT, NAMESPACE),),
    ),
    "brought-weak": Row(
        _brought("brought-weak"),
        "SecretInvalid",
        f"{_SOURCE} {NAMESPACE}/brought-weak",
        "RSA with 2048 bits or more",
        beside=(
            pair("brought-weak", forge("weak", key=rsa.generate_private_key(65537, 1024), period=LIFE), NAMESPACE),
        ),
    ),
    "root-name-taken": Row(
        authority("taken"),
        "NameTaken",
        f"Secret {NAMESPACE}/authority-taken",
        "rename or delete it",
        beside=(secret("authority-taken", NAMESPACE, a=b"b"),),
        gone=("secret", "authority-taken", NAMESPACE),
    ),
}
ROWS: Mapping[str, Row] = CHANNEL_ROWS | AUTHORITY_ROWS
GOOD = (
    authority(),
    pair("brought", ROOT, NAMESPACE),
    _brought("brought"),
    _chan("first"),
)
