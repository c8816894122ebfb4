"""Mistakes in an authority."""

from __future__ import annotations

from typing import Any

from tests.kinds_bad_inputs.table import AUTHORITY, GRANT, BadInput

_DNS = "must be a DNS name in lower case"
_DURATION = "days are not a unit"


def _grant(**fields: Any) -> dict[str, Any]:
    return {"usableFrom": [{**GRANT, **fields}]}


def _selector(**requirement: Any) -> dict[str, Any]:
    return _grant(namespaceSelector={"matchExpressions": [{"key": "suite", **requirement}]})


AUTHORITIES = (
    BadInput("no-source", AUTHORITY, {"source": None}, "spec.source", "Required value", "is required"),
    BadInput(
        "empty-source", AUTHORITY, {"source": {"selfManaged": None}}, "spec.source", "set exactly one of selfManaged"
    ),
    BadInput("two-sources", AUTHORITY, {"source": {"csr": {}}}, "spec.source", "set exactly one of selfManaged"),
    BadInput(
        "issuer-of-unknown-kind",
        AUTHORITY,
        {"source": {"selfManaged": None, "certManager": {"issuerRef": {"kind": "Vault", "name": "v"}}}},
        "spec.source.certManager.issuerRef.kind",
        '"Issuer", "ClusterIssuer"',
        "'Issuer' or 'ClusterIssuer'",
    ),
    BadInput("weak-algorithm", AUTHORITY, {"algorithm": "RSA-1024"}, "spec.algorithm", '"RSA-2048"', "'RSA-2048'"),
    BadInput("lifetime-in-years", AUTHORITY, {"lifetime": "10y"}, "spec.lifetime", _DURATION),
    BadInput("lifetime-too-long", AUTHORITY, {"lifetime": "999999h"}, "spec.lifetime", "between 1m and 262800h"),
    BadInput("lifetime-overflow", AUTHORITY, {"lifetime": "9999999h"}, "spec.lifetime", _DURATION),
    BadInput(
        "leaf-outlives-authority",
        AUTHORITY,
        {"lifetime": "4320h"},
        "spec.leafLifetime.maximum",
        "may not be longer than spec.lifetime",
    ),
    BadInput(
        "leaf-default-above-maximum",
        AUTHORITY,
        {"leafLifetime": {"default": "48h", "maximum": "24h"}},
        "spec.leafLifetime.default",
        "may not be longer than leafLifetime.maximum",
    ),
    BadInput(
        "grant-without-usages", AUTHORITY, _grant(usages=[]), "spec.usableFrom[0].usages", "at least 1", "between 1"
    ),
    BadInput(
        "grant-without-selector",
        AUTHORITY,
        {"usableFrom": [{"name": "bpm", "usages": ["Server"]}]},
        "spec.usableFrom[0].namespaceSelector",
        "Required value",
        "is required",
    ),
    BadInput(
        "client-grant-without-names",
        AUTHORITY,
        _grant(usages=["Client"]),
        "spec.usableFrom[0].commonNames",
        "they are listed, never implied",
    ),
    BadInput(
        "common-names-without-client",
        AUTHORITY,
        _grant(commonNames=["bpm"]),
        "spec.usableFrom[0].commonNames",
        "list commonNames exactly when usages holds Client",
    ),
    BadInput(
        "dns-names-without-server",
        AUTHORITY,
        _grant(usages=["Client"], commonNames=["bpm"], dnsNames=["bpm.example.com"]),
        "spec.usableFrom[0].dnsNames",
        "add Server to usages or remove dnsNames",
    ),
    BadInput(
        "grants-of-one-name",
        AUTHORITY,
        {"usableFrom": [GRANT, GRANT]},
        "spec.usableFrom",
        "Duplicate value",
        "two items have the same name",
    ),
    BadInput(
        "selector-without-values",
        AUTHORITY,
        _selector(operator="In"),
        "spec.usableFrom[0].namespaceSelector.matchExpressions[0].values",
        "values are needed with operator In",
    ),
    BadInput(
        "selector-with-idle-values",
        AUTHORITY,
        _selector(operator="Exists", values=["bpm"]),
        "spec.usableFrom[0].namespaceSelector.matchExpressions[0].values",
        "may not be given with Exists",
    ),
    BadInput(
        "selector-key-malformed",
        AUTHORITY,
        _grant(namespaceSelector={"matchLabels": {"a b": "c"}}),
        "spec.usableFrom[0].namespaceSelector.matchLabels",
        "must be a label's key",
    ),
    BadInput(
        "constraint-wildcard",
        AUTHORITY,
        {"nameConstraints": {"permittedDNS": ["*.example.com"]}},
        "spec.nameConstraints.permittedDNS[0]",
        _DNS,
    ),
    BadInput(
        "constraint-both-ways",
        AUTHORITY,
        {"nameConstraints": {"permittedDNS": ["example.com"], "excludedDNS": ["example.com"]}},
        "spec.nameConstraints.excludedDNS",
        "may not hold a name of permittedDNS",
    ),
    BadInput(
        "constraints-on-a-brought-root",
        AUTHORITY,
        {
            "source": {"selfManaged": None, "secretRef": {"name": "ca"}},
            "nameConstraints": {"permittedDNS": ["example.com"]},
        },
        "spec.nameConstraints",
        "go into a root that Breakwater makes",
    ),
    BadInput(
        "inline-renewal-twice",
        AUTHORITY,
        {"renewal": {"renewal": {"percentage": 67, "before": "720h"}}},
        "spec.renewal.renewal",
        "set exactly one of percentage, before and schedule",
    ),
    BadInput(
        "inline-renewal-at-the-end",
        AUTHORITY,
        {"renewal": {"renewal": {"percentage": 100}}},
        "spec.renewal.renewal.percentage",
        "less than or equal to 95",
    ),
    BadInput(
        "inline-renewal-without-its-level",
        AUTHORITY,
        {"renewal": {"percentage": 67}},
        "spec.renewal.percentage",
        "unknown field",
        "is not a field of this kind",
    ),
    BadInput(
        "renewal-inline-and-by-reference",
        AUTHORITY,
        {"renewal": {"renewal": {"percentage": 67}}, "rotationScheduleRef": {"name": "quarterly"}},
        "spec.rotationScheduleRef",
        "keep renewal or rotationScheduleRef, not both",
    ),
    BadInput(
        "authority-schedule-malformed",
        AUTHORITY,
        {"rotationScheduleRef": {"name": "Quarterly"}},
        "spec.rotationScheduleRef.name",
        "must be the name of an object",
    ),
    BadInput(
        "emergency-without-reason",
        AUTHORITY,
        {"rotation": {"emergency": True}},
        "spec.rotation.reason",
        "is required with emergency",
    ),
)
