"""A mistake in a spec, and the good spec that it is a change of."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, NamedTuple

AUTHORITY = "CertificateAuthority"
CHANNEL = "CommunicationChannel"
POLICY = "HardeningPolicy"
SCHEDULE = "RotationSchedule"
ZONE = "SecurityZone"

ISSUED = {"secretName": "db-tls", "authorityRef": {"name": "platform"}, "dnsNames": ["db.bpm.svc"]}
BASES: dict[str, dict[str, Any]] = {
    AUTHORITY: {"source": {"selfManaged": {}}},
    CHANNEL: {
        "protocol": "PostgreSQL",
        "endpoint": {"host": "db.bpm.svc"},
        "encryption": {"trust": {"authorityRef": {"name": "platform"}}},
    },
    POLICY: {"namespaceSelector": {}, "profile": {"level": "Restricted"}},
    SCHEDULE: {},
    ZONE: {"ingressSelector": {}},
}
GRANT = {"name": "bpm", "namespaceSelector": {}, "usages": ["Server"]}


class BadInput(NamedTuple):
    """A mistake.

    Attributes:
        change: a JSON merge patch over the kind's base spec, which alone is good.
        field: the path that must be named.
        message: words of the remedy that the API server must say.
        model_message: words that the model must say, where the API server's own differ.
    """

    id: str
    kind: str
    change: Mapping[str, Any]
    field: str
    message: str
    model_message: str = ""

    @property
    def spec(self) -> dict[str, Any]:
        patched: dict[str, Any] = merged(BASES[self.kind], self.change)
        return patched

    @property
    def manifest(self) -> dict[str, Any]:
        metadata = {"name": self.id} | ({} if self.kind in (AUTHORITY, POLICY) else {"namespace": "default"})
        return {"apiVersion": "breakwater.dev/v1alpha1", "kind": self.kind, "metadata": metadata, "spec": self.spec}


def merged(base: Any, change: Any) -> Any:
    """A JSON merge patch (RFC 7386): None removes."""
    if not isinstance(change, Mapping):
        return deepcopy(change)
    result = dict(base) if isinstance(base, Mapping) else {}
    for name, value in change.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result
