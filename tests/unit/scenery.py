"""A small suite for plans: an authority with its root, a namespace, and a channel whose parts a test varies."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from breakwater.certificates import plan as authorities
from breakwater.channels import plan as channels
from breakwater.kernel.plan import Plan
from breakwater.kernel.references import CERTIFICATE_AUTHORITY, COMMUNICATION_CHANNEL, Ref, Subject
from breakwater.pki import Algorithm, KeyPair, RootRequest, issue_root
from tests.unit.worlds import MemoryWorld, namespace_manifest, secret

NOW = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)
DAY = timedelta(days=1)
SYSTEM = "breakwater-system"

AUTHORITY = Subject("CertificateAuthority", "", "platform")
CHANNEL = Subject("CommunicationChannel", "bpm", "db")
AUTHORITY_REF = Ref(CERTIFICATE_AUTHORITY, "", "platform")
CHANNEL_REF = Ref(COMMUNICATION_CHANNEL, "bpm", "db")

ROOT = secret(SYSTEM, "authority-platform")
SERVER = secret("bpm", "db-tls")
LOGIN = secret("bpm", "db-login")
BINDING = secret("bpm", "db-binding")

REFERENCE = {"name": "platform"}
GENERATED = {"password": {"generate": {"username": "app"}}}
CLIENT = {"clientCertificate": {"authorityRef": REFERENCE, "commonName": "app"}}
GRANT = {"name": "all", "namespaceSelector": {}, "usages": ["Server", "Client"], "commonNames": ["app"]}


def authority_manifest(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "breakwater.dev/v1alpha1",
        "kind": "CertificateAuthority",
        "metadata": {"name": "platform"},
        "spec": {"source": {"selfManaged": {}}, "usableFrom": [GRANT]} | spec,
    }


def channel_manifest(**spec: Any) -> dict[str, Any]:
    server = {"secretName": SERVER.name, "authorityRef": REFERENCE, "dnsNames": ["db.bpm.svc"]}
    return {
        "apiVersion": "breakwater.dev/v1alpha1",
        "kind": "CommunicationChannel",
        "metadata": {"name": "db", "namespace": "bpm"},
        "spec": {
            "protocol": "PostgreSQL",
            "endpoint": {"host": "db.bpm.svc"},
            "encryption": {"trust": {"authorityRef": REFERENCE}, "serverCertificate": server},
        }
        | spec,
    }


def world(channel: Mapping[str, Any] | None = None, authority: Mapping[str, Any] | None = None) -> MemoryWorld:
    """Namespaces, an authority that has its root, and a channel of which nothing is made yet."""
    made = MemoryWorld(
        namespace_manifest(SYSTEM),
        namespace_manifest("bpm", suite="bpm"),
        authority_manifest(**(authority or {})),
        channel_manifest(**(channel or {})),
    )
    made.settle(AUTHORITY, authorities.plan, NOW)
    return made


def settled(channel: Mapping[str, Any] | None = None, authority: Mapping[str, Any] | None = None) -> MemoryWorld:
    """As `world`, with everything made."""
    made = world(channel, authority)
    settle(made)
    return made


def settle(made: MemoryWorld, now: datetime = NOW) -> Plan:
    """Let the channel's plan be carried out."""
    return made.settle(CHANNEL, channels.plan, now)


def plan(made: MemoryWorld, now: datetime = NOW) -> Plan:
    """The channel's plan as the world stands."""
    return made.plan(CHANNEL, channels.plan, now)


@cache
def foreign_root() -> KeyPair:
    """An authority that is none of ours."""
    request = RootRequest(common_name="foreign", algorithm=Algorithm.ECDSA_P256, lifetime=365 * DAY)
    return issue_root(request, NOW)
