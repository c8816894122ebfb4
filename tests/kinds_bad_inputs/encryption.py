"""Mistakes in where a channel's server is and how the flow is encrypted."""

from __future__ import annotations

from typing import Any

from tests.kinds_bad_inputs.table import CHANNEL, ISSUED, BadInput

_HOST = "without scheme, port or path"
_DNS = "must be a DNS name in lower case"
_CERT = "spec.encryption.serverCertificate"


def _endpoint(**fields: Any) -> dict[str, Any]:
    return {"endpoint": fields}


def _certificate(**fields: Any) -> dict[str, Any]:
    return {"encryption": {"serverCertificate": {**ISSUED, **fields}}}


ENDPOINTS = (
    BadInput("no-endpoint", CHANNEL, {"endpoint": None}, "spec.endpoint", "Required value", "is required"),
    BadInput("no-host", CHANNEL, {"endpoint": {"host": None}}, "spec.endpoint.host", "Required value", "is required"),
    BadInput("host-is-a-url", CHANNEL, _endpoint(host="https://db.bpm.svc"), "spec.endpoint.host", _HOST),
    BadInput("host-with-port", CHANNEL, _endpoint(host="db.bpm.svc:5432"), "spec.endpoint.host", _HOST),
    BadInput("host-in-capitals", CHANNEL, _endpoint(host="DB.bpm.svc"), "spec.endpoint.host", _HOST),
    BadInput("host-with-trailing-dot", CHANNEL, _endpoint(host="db.bpm.svc."), "spec.endpoint.host", _HOST),
    BadInput("host-is-no-address", CHANNEL, _endpoint(host="192.0.2.256"), "spec.endpoint.host", _HOST),
    BadInput("host-with-zone", CHANNEL, _endpoint(host="fe80::1%eth0"), "spec.endpoint.host", _HOST),
    BadInput("host-with-newline", CHANNEL, _endpoint(host="db.bpm.svc\n"), "spec.endpoint.host", _HOST),
    BadInput("host-label-too-long", CHANNEL, _endpoint(host="d" * 64 + ".svc"), "spec.endpoint.host", _HOST),
    BadInput("host-too-long", CHANNEL, _endpoint(host="a." * 127 + "a"), "spec.endpoint.host", "Too long", "253"),
    BadInput("port-zero", CHANNEL, _endpoint(port=0), "spec.endpoint.port", "greater than or equal to 1"),
    BadInput("port-too-high", CHANNEL, _endpoint(port=65536), "spec.endpoint.port", "less than or equal to 65535"),
    BadInput(
        "port-is-text", CHANNEL, _endpoint(port="5432"), "spec.endpoint.port", "must be of type integer", "integer"
    ),
    BadInput("server-name-wildcard", CHANNEL, _endpoint(serverName="*.bpm.svc"), "spec.endpoint.serverName", _DNS),
    BadInput("unknown-protocol", CHANNEL, {"protocol": "Telnet"}, "spec.protocol", '"PostgreSQL"', "'PostgreSQL'"),
    BadInput("tls-without-port", CHANNEL, {"protocol": "TLS"}, "spec.endpoint.port", "which has no usual port"),
    BadInput(
        "https-by-starttls",
        CHANNEL,
        {"protocol": "HTTPS", **_endpoint(security="StartTLS")},
        "spec.endpoint.security",
        "must be Implicit or absent",
    ),
    BadInput(
        "oracle-by-starttls",
        CHANNEL,
        {"protocol": "Oracle", **_endpoint(security="StartTLS")},
        "spec.endpoint.security",
        "must be Implicit or absent",
    ),
    BadInput(
        "mysql-implicit",
        CHANNEL,
        {"protocol": "MySQL", **_endpoint(security="Implicit")},
        "spec.endpoint.security",
        "must be StartTLS or absent",
    ),
)

ENCRYPTION = (
    BadInput(
        "no-trust", CHANNEL, {"encryption": {"trust": None}}, "spec.encryption.trust", "Required value", "is required"
    ),
    BadInput(
        "empty-trust",
        CHANNEL,
        {"encryption": {"trust": {"authorityRef": None}}},
        "spec.encryption.trust",
        "set exactly one of authorityRef, bundleRef and system",
    ),
    BadInput(
        "two-trusts",
        CHANNEL,
        {"encryption": {"trust": {"system": True}}},
        "spec.encryption.trust",
        "set exactly one of authorityRef, bundleRef and system",
    ),
    BadInput(
        "system-trust-false",
        CHANNEL,
        {"encryption": {"trust": {"authorityRef": None, "system": False}}},
        "spec.encryption.trust.system",
        'supported values: "true"',
        "Input should be True",
    ),
    BadInput(
        "authority-in-capitals",
        CHANNEL,
        {"encryption": {"trust": {"authorityRef": {"name": "Platform"}}}},
        "spec.encryption.trust.authorityRef.name",
        "must be the name of an object",
    ),
    BadInput(
        "bundle-key-with-slash",
        CHANNEL,
        {"encryption": {"trust": {"authorityRef": None, "bundleRef": {"name": "roots", "key": "a/b"}}}},
        "spec.encryption.trust.bundleRef.key",
        "must be a key of a Secret",
    ),
    BadInput(
        "old-tls",
        CHANNEL,
        {"encryption": {"minimumVersion": "TLSv1.1"}},
        "spec.encryption.minimumVersion",
        '"TLSv1.2", "TLSv1.3"',
        "'TLSv1.2' or 'TLSv1.3'",
    ),
    BadInput(
        "modern-with-tls12",
        CHANNEL,
        {"encryption": {"cipherProfile": "Modern"}},
        "spec.encryption.minimumVersion",
        "must be TLSv1.3 with cipherProfile Modern",
    ),
    BadInput(
        "custom-without-suites",
        CHANNEL,
        {"encryption": {"cipherProfile": "Custom"}},
        "spec.encryption.cipherSuites",
        "list suites exactly when cipherProfile is Custom",
    ),
    BadInput(
        "suites-without-custom",
        CHANNEL,
        {"encryption": {"cipherSuites": ["TLS_AES_128_GCM_SHA256"]}},
        "spec.encryption.cipherSuites",
        "list suites exactly when cipherProfile is Custom",
    ),
    BadInput(
        "suite-rc4",
        CHANNEL,
        {"encryption": {"cipherProfile": "Custom", "cipherSuites": ["TLS_RSA_WITH_RC4_128_SHA"]}},
        "spec.encryption.cipherSuites[0]",
        "supported values",
        "Input should be 'TLS_AES_128_GCM_SHA256'",
    ),
    BadInput(
        "suite-null",
        CHANNEL,
        {"encryption": {"cipherProfile": "Custom", "cipherSuites": ["TLS_RSA_WITH_NULL_SHA256"]}},
        "spec.encryption.cipherSuites[0]",
        "supported values",
        "Input should be 'TLS_AES_128_GCM_SHA256'",
    ),
    BadInput(
        "suite-twice",
        CHANNEL,
        {"encryption": {"cipherProfile": "Custom", "cipherSuites": ["TLS_AES_128_GCM_SHA256"] * 2}},
        "spec.encryption.cipherSuites",
        "Duplicate value",
        "two items have the same value",
    ),
    BadInput(
        "tls12-suite-in-tls13",
        CHANNEL,
        {
            "encryption": {
                "cipherProfile": "Custom",
                "minimumVersion": "TLSv1.3",
                "cipherSuites": ["TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"],
            }
        },
        "spec.encryption.cipherSuites",
        "which minimumVersion TLSv1.3 excludes",
    ),
    BadInput(
        "certificate-of-nobody", CHANNEL, _certificate(authorityRef=None), f"{_CERT}.authorityRef", "is required with"
    ),
    BadInput("certificate-without-names", CHANNEL, _certificate(dnsNames=[]), f"{_CERT}.dnsNames", "is required with"),
    BadInput("certificate-nowhere", CHANNEL, _certificate(secretName=None), _CERT, "secretName and existingSecretRef"),
    BadInput(
        "certificate-made-and-brought",
        CHANNEL,
        _certificate(existingSecretRef={"name": "other"}),
        _CERT,
        "set exactly one of secretName and existingSecretRef",
    ),
    BadInput(
        "brought-certificate-with-authority",
        CHANNEL,
        _certificate(secretName=None, dnsNames=None, existingSecretRef={"name": "other"}),
        f"{_CERT}.existingSecretRef",
        "remove authorityRef and dnsNames",
    ),
    BadInput(
        "wildcard-inside",
        CHANNEL,
        _certificate(dnsNames=["db.bpm.svc", "a.*.bpm.svc"]),
        f"{_CERT}.dnsNames[1]",
        "a wildcard is the whole first label",
    ),
    BadInput(
        "wildcard-over-a-domain",
        CHANNEL,
        _certificate(dnsNames=["db.bpm.svc", "*.svc"]),
        f"{_CERT}.dnsNames[1]",
        "two labels behind it",
    ),
    BadInput(
        "certificate-for-another-name",
        CHANNEL,
        _certificate(dnsNames=["db2.bpm.svc"]),
        f"{_CERT}.dnsNames",
        "must hold the name that clients verify",
    ),
    BadInput(
        "certificate-for-an-address",
        CHANNEL,
        {**_certificate(), **_endpoint(host="192.0.2.1")},
        f"{_CERT}.dnsNames",
        "with an IP address as host set endpoint.serverName",
    ),
)
