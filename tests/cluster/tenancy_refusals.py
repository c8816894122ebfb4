"""What nobody may declare, by the kinds' own rules; and what only the operator can refuse, in conditions."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.cluster.harness import authority, channel
from tests.cluster.tenancy_attacks import HOME, OTHER, Manifest, kind, looking, serving

_AUTHORITY = {"name": "platform"}


class Malformed(NamedTuple):
    """A declaration that the kind itself refuses, whoever writes it.

    Attributes:
        change: a merge patch over `base`, which is accepted from who may.
        words: of the refusal.
    """

    base: Manifest
    change: Mapping[str, Any]
    words: tuple[str, ...]


_BASE = serving("m")
_LOGIN = looking("m", authentication={"password": {"generate": {"username": "app"}}})
_IDENTITY = looking("m", authentication={"clientCertificate": {"authorityRef": _AUTHORITY, "commonName": "app"}})
_BREAK = "db.shop.svc\nssl=off"


def _host(text: str) -> Mapping[str, Any]:
    return {"spec": {"endpoint": {"host": text}}}


MALFORMED: dict[str, Malformed] = {
    "name-too-long-for-a-label": Malformed(looking("m"), {"metadata": {"name": "n" * 64}}, ("metadata.name", "63")),
    "more-consumers-than-32": Malformed(
        looking("m"),
        {"spec": {"consumers": [{"name": f"c{number}"} for number in range(33)]}},
        ("spec.consumers", "must have at most 32 items"),
    ),
    "more-names-than-64": Malformed(
        _BASE,
        {"spec": {"encryption": {"serverCertificate": {"dnsNames": [f"n{number}.shop.svc" for number in range(65)]}}}},
        ("dnsNames", "must have at most 64 items"),
    ),
    "name-of-253-letters-and-one": Malformed(
        looking("m"), _host("h" * 254), ("spec.endpoint.host", "may not be more than 253")
    ),
    "host-with-a-second-line": Malformed(looking("m"), _host(_BREAK), ("spec.endpoint.host", "must be a DNS name")),
    "host-with-another-authority": Malformed(
        looking("m"), _host("db.shop.svc:5432@mine"), ("spec.endpoint.host", "without scheme, port or path")
    ),
    "login-with-a-second-line": Malformed(
        _LOGIN,
        {"spec": {"authentication": {"password": {"generate": {"username": "app\nALTER USER app SUPERUSER"}}}}},
        ("generate.username", "must be letters, digits and '_'"),
    ),
    "login-with-a-quote": Malformed(
        _LOGIN,
        {"spec": {"authentication": {"password": {"generate": {"username": "app'; DROP USER app"}}}}},
        ("generate.username", "must be letters, digits and '_'"),
    ),
    "common-name-with-an-organization": Malformed(
        _IDENTITY,
        {"spec": {"authentication": {"clientCertificate": {"commonName": "app,O=system:masters"}}}},
        ("clientCertificate.commonName", "must be a common name"),
    ),
    "entry-with-a-second-line": Malformed(
        looking("m", output={"keys": {"HOST": "host"}}),
        {"spec": {"output": {"keys": {"HOST\nLD_PRELOAD": "host"}}}},
        ("spec.output.keys", "must be a key of a Secret"),
    ),
    "entry-that-hides-another": Malformed(
        looking("m", output={"keys": {"HOST": "host"}}),
        {"spec": {"output": {"keys": {"password": "host"}}}},
        ("spec.output.keys", "may not rename into a standard entry"),
    ),
    "secret-of-another-namespace-in-a-name": Malformed(
        _LOGIN,
        {"spec": {"authentication": {"password": {"generate": None, "secretRef": {"name": "other/login"}}}}},
        ("secretRef.name", "must be the name of an object"),
    ),
    "secret-of-another-namespace-in-a-field": Malformed(
        _LOGIN,
        {"spec": {"authentication": {"password": {"generate": None, "secretRef": {"name": "x", "namespace": OTHER}}}}},
        ('unknown field "spec.authentication.password.secretRef.namespace"',),
    ),
    "workload-of-another-namespace": Malformed(
        looking("m"),
        {"spec": {"consumers": [{"name": "mine", "namespace": OTHER}]}},
        ('unknown field "spec.consumers[0].namespace"',),
    ),
    "restart-of-something-else": Malformed(
        looking("m"), {"spec": {"consumers": [{"kind": "Node", "name": "n"}]}}, ("spec.consumers[0].kind", "Node")
    ),
    "ingresses-of-another-namespace": Malformed(
        kind("m", "SecurityZone", ingressSelector={}),
        {"spec": {"ingressNamespace": OTHER}},
        ('unknown field "spec.ingressNamespace"',),
    ),
    "schedule-with-a-second-line": Malformed(
        kind("m", "RotationSchedule"),
        {"spec": {"windows": [{"cron": "0 2 * * *\n* * * * *", "duration": "1h"}]}},
        ("spec.windows[0].cron", "must have five fields"),
    ),
}


class Told(NamedTuple):
    """A declaration that is stored, and refused by the operator.

    Attributes:
        about: the channel.
        condition: that tells, with its reason.
        words: of its message: the field, and the remedy.
        allowed: what is applied for it to be accepted; by an administrator, unless it is the channel itself.
    """

    about: Manifest
    condition: tuple[str, str]
    words: tuple[str, ...]
    allowed: Manifest | None = None


def _named(name: str, *names: str, reference: str = "platform") -> Manifest:
    certificate = {
        "secretName": f"{name}-tls",
        "authorityRef": {"name": reference},
        "dnsNames": [f"{name}.{HOME}.svc", *names],
    }
    return channel(HOME, name, encryption={"trust": {"system": True}, "serverCertificate": certificate})


def _probing(name: str, host: str, port: int = 8443) -> Manifest:
    endpoint = {"host": host, "port": port, "serverName": "web.shop.svc"}
    return looking(name, endpoint=endpoint, probe={"interval": "5s"})


def existing(name: str) -> Manifest:
    """A Secret of an application, which nobody but its owner changes."""
    data = {"password": base64.b64encode(b"of the application").decode()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": HOME}, "data": data}


def granting(*names: str, common_names: tuple[str, ...] = ("app",), name: str = "platform") -> Manifest:
    """An authority whose owner grants these names."""
    grant = {
        "name": "all",
        "namespaceSelector": {},
        "usages": ["Server", "Client"],
        "dnsNames": list(names),
        "commonNames": list(common_names),
    }
    return authority(name, usableFrom=[grant])


CLOSED = authority("closed", usableFrom=[])
EXISTING = tuple(existing(name) for name in ("app-output", "app-server", "c08-login"))
NOT_PERMITTED, TAKEN, REFUSED = ("Accepted", "NotPermitted"), ("Accepted", "NameTaken"), ("Proven", "Refused")
ALL_GRANTED = granting("db.other.svc", "*.other.svc", "db", common_names=("app", "admin"))
_NAMES = "spec.encryption.serverCertificate.dnsNames: "
_GRANT = "spec.usableFrom[].dnsNames"
_NOT_HIS = "it is no Service or pod of the channel's own namespace"
_ALLOW = "start the operator with --probe-allow="

TOLD: dict[str, Told] = {
    "name-of-a-service-of-others": Told(
        _named("c01", "db.other.svc"), NOT_PERMITTED, (f"{_NAMES}db.other.svc", _GRANT), ALL_GRANTED
    ),
    "name-of-all-services-of-others": Told(
        _named("c02", "*.other.svc"), NOT_PERMITTED, (f"{_NAMES}*.other.svc", _GRANT), ALL_GRANTED
    ),
    "short-name-that-means-another-service-elsewhere": Told(
        _named("c03", "db"), NOT_PERMITTED, (f"{_NAMES}db: ", "use names of its own Services"), ALL_GRANTED
    ),
    "common-name-of-an-administrator": Told(
        looking("c04", authentication={"clientCertificate": {"authorityRef": _AUTHORITY, "commonName": "admin"}}),
        NOT_PERMITTED,
        ("spec.authentication.clientCertificate.commonName: admin", "spec.usableFrom[].commonNames"),
        ALL_GRANTED,
    ),
    "authority-that-is-not-for-this-namespace": Told(
        _named("c05", reference="closed"),
        NOT_PERMITTED,
        (_NAMES, "grants namespace shop no Server certificates", "its owner adds an entry to spec.usableFrom"),
        granting(name="closed"),
    ),
    "secret-of-the-application-as-output": Told(
        looking("c06", output={"secretName": "app-output"}),
        TAKEN,
        ("spec.output.secretName: Secret app-output belongs to", "to a free name"),
        looking("c06", output={"secretName": "c06-free"}),
    ),
    "secret-of-the-application-as-server-certificate": Told(
        channel(
            HOME,
            "c07",
            encryption={
                "trust": {"system": True},
                "serverCertificate": {
                    "secretName": "app-server",
                    "authorityRef": _AUTHORITY,
                    "dnsNames": ["c07.shop.svc"],
                },
            },
        ),
        TAKEN,
        ("spec.encryption.serverCertificate.secretName: Secret app-server belongs to", "name another"),
        _named("c07"),
    ),
    "login-over-a-secret-of-the-application": Told(
        looking("c08", authentication={"password": {"generate": {"username": "app"}}}),
        TAKEN,
        ("Secret c08-login, where the login goes, belongs to", "rename or delete it"),
        looking("c08", output={"secretName": "c08-free"}),
    ),
    "secret-of-another-channel": Told(
        looking("c09", output={"secretName": "good-tls"}),
        TAKEN,
        ("spec.output.secretName: Secret good-tls belongs to CommunicationChannel/shop/good", "to a free name"),
        looking("c09", output={"secretName": "c09-free"}),
    ),
    "probe-of-the-operator-itself": Told(_probing("p01", "127.0.0.1"), REFUSED, (_NOT_HIS, _ALLOW)),
    "probe-of-machine-metadata": Told(_probing("p02", "169.254.169.254"), REFUSED, (_NOT_HIS, _ALLOW)),
    "probe-of-link-local": Told(_probing("p03", "fe80::1"), REFUSED, (_NOT_HIS, _ALLOW)),
    "probe-of-the-api-server": Told(_probing("p04", "kubernetes.default.svc", 443), REFUSED, (_NOT_HIS, _ALLOW)),
    "probe-of-a-service-of-others": Told(_probing("p05", f"db.{OTHER}.svc"), REFUSED, (_NOT_HIS, _ALLOW)),
    "probe-of-a-private-address": Told(_probing("p06", "10.0.0.7"), REFUSED, (_NOT_HIS, _ALLOW)),
    "probe-of-loopback-in-disguise": Told(_probing("p07", "64:ff9b::7f00:1"), REFUSED, (_NOT_HIS, _ALLOW)),
}
