"""Mistakes that only the cluster can tell: stored, and then said in status with field and remedy."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from breakwater.pki.keys import seal_key
from tests.cluster.harness import authority, channel
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


def encrypted_key(made: Made) -> bytes:
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


NIGHTS = {"cron": "0 2 * * *", "duration": "4h"}


def schedule(name: str, place: str = PLACE, **spec: Any) -> Manifest:
    """A RotationSchedule."""
    metadata = {"name": name, "namespace": place}
    return {"apiVersion": "breakwater.dev/v1alpha1", "kind": "RotationSchedule", "metadata": metadata, "spec": spec}


def trusting(**member: Any) -> Manifest:
    return {"trust": member}


def issued(name: str, reference: str = "platform", target: str = "", names: tuple[str, ...] = ()) -> Manifest:
    names = names or (f"{name}.{PLACE}.svc",)
    certificate = {
        "secretName": target or f"{name}-tls",
        "authorityRef": {"name": reference},
        "dnsNames": list(names),
    }
    return {"trust": {"authorityRef": {"name": "platform"}}, "serverCertificate": certificate}


def chan(name: str, **spec: Any) -> Manifest:
    return channel(PLACE, name, **spec)


def named(name: str, *names: str) -> Manifest:
    """A channel whose certificate would hold further names."""
    host = f"{name}.{PLACE}.svc"
    return chan(name, encryption=issued(name, names=(host, *names)))


def client(name: str, reference: str = "platform", common_name: str = "app") -> Manifest:
    certificate = {"authorityRef": {"name": reference}, "commonName": common_name}
    return chan(name, encryption=trusting(system=True), authentication={"clientCertificate": certificate})


def login(name: str, **password: Any) -> Manifest:
    login = password or {"secretRef": {"name": f"{name}-given"}}
    return chan(name, encryption=trusting(system=True), authentication={"password": login})


def bundle(name: str, kind: str = "ConfigMap", entry: str = "ca.crt") -> Manifest:
    return chan(name, encryption=trusting(bundleRef={"kind": kind, "name": f"{name}-roots", "key": entry}))


def existing(name: str) -> Manifest:
    encryption = {
        "trust": {"authorityRef": {"name": "brought"}},
        "serverCertificate": {"existingSecretRef": {"name": name}},
    }
    return chan(name, endpoint={"host": SERVER_NAME}, protocol="PostgreSQL", encryption=encryption)


def leaf(**changes: Any) -> Made:
    return forge_server(ROOT, **{"dns": (SERVER_NAME,), "period": LIFE} | changes)


def brought(name: str) -> Manifest:
    return authority(name, source={"secretRef": {"name": name}})


GIVEN = {"username": b"app", "password": b"a password"}
ROOTS = pem(ROOT.certificate)
