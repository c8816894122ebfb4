"""Mistakes that must be refused before they are stored: one table, judged by the models and by a real API server."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, NamedTuple

AUTHORITY = "CertificateAuthority"
CHANNEL = "CommunicationChannel"

ISSUED = {"secretName": "db-tls", "authorityRef": {"name": "platform"}, "dnsNames": ["db.bpm.svc"]}
BASES: dict[str, dict[str, Any]] = {
    AUTHORITY: {"source": {"selfManaged": {}}},
    CHANNEL: {
        "protocol": "PostgreSQL",
        "endpoint": {"host": "db.bpm.svc"},
        "encryption": {"trust": {"authorityRef": {"name": "platform"}}},
    },
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
        return merged(BASES[self.kind], self.change)

    @property
    def manifest(self) -> dict[str, Any]:
        metadata = {"name": self.id} | ({"namespace": "default"} if self.kind == CHANNEL else {})
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


def _endpoint(**fields: Any) -> dict[str, Any]:
    return {"endpoint": fields}


def _certificate(**fields: Any) -> dict[str, Any]:
    return {"encryption": {"serverCertificate": {**ISSUED, **fields}}}


def _password(**fields: Any) -> dict[str, Any]:
    return {"authentication": {"password": fields}}


def _grant(**fields: Any) -> dict[str, Any]:
    return {"usableFrom": [{**GRANT, **fields}]}


def _selector(**requirement: Any) -> dict[str, Any]:
    return _grant(namespaceSelector={"matchExpressions": [{"key": "suite", **requirement}]})


_HOST = "without scheme, port or path"
_DNS = "must be a DNS name in lower case"
_DURATION = "days are not a unit"
_CERT = "spec.encryption.serverCertificate"
_USERNAME = "spec.authentication.password.generate.username"
_ONE_OF = "is not a field of this kind"

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

LOGINS = (
    BadInput(
        "empty-authentication",
        CHANNEL,
        {"authentication": {}},
        "spec.authentication",
        "set password, clientCertificate or both",
    ),
    BadInput(
        "password-from-nowhere",
        CHANNEL,
        _password(),
        "spec.authentication.password",
        "set exactly one of secretRef and generate",
    ),
    BadInput(
        "password-twice",
        CHANNEL,
        _password(secretRef={"name": "login"}, generate={"username": "bpm"}),
        "spec.authentication.password",
        "set exactly one of secretRef and generate",
    ),
    BadInput(
        "password-too-short",
        CHANNEL,
        _password(generate={"username": "bpm", "length": 8}),
        "spec.authentication.password.generate.length",
        "greater than or equal to 16",
    ),
    BadInput(
        "password-too-long",
        CHANNEL,
        _password(generate={"username": "bpm", "length": 129}),
        "spec.authentication.password.generate.length",
        "less than or equal to 128",
    ),
    BadInput(
        "username-quoted", CHANNEL, _password(generate={"username": "bpm';--"}), _USERNAME, "must be letters, digits"
    ),
    BadInput(
        "username-newline", CHANNEL, _password(generate={"username": "a\nb"}), _USERNAME, "must be letters, digits"
    ),
    BadInput("username-empty", CHANNEL, _password(generate={"username": ""}), _USERNAME, "must be letters, digits"),
    BadInput(
        "common-name-too-long",
        CHANNEL,
        {"authentication": {"clientCertificate": {"authorityRef": {"name": "platform"}, "commonName": "b" * 65}}},
        "spec.authentication.clientCertificate.commonName",
        "may not be more than 64",
        "at most 64",
    ),
    BadInput(
        "common-name-with-slash",
        CHANNEL,
        {"authentication": {"clientCertificate": {"authorityRef": {"name": "platform"}, "commonName": "bpm/CN=root"}}},
        "spec.authentication.clientCertificate.commonName",
        "must be a common name",
    ),
    BadInput(
        "client-without-selector",
        CHANNEL,
        {"authorization": {"clients": [{"name": "engine"}]}},
        "spec.authorization.clients[0].podSelector",
        "Required value",
        "is required",
    ),
    BadInput(
        "service-account-in-capitals",
        CHANNEL,
        {"authorization": {"serviceAccounts": ["Engine"]}},
        "spec.authorization.serviceAccounts[0]",
        "must be the name of an object",
    ),
)

OUTPUTS = (
    BadInput(
        "consumer-is-a-pod",
        CHANNEL,
        {"consumers": [{"kind": "Pod", "name": "engine"}]},
        "spec.consumers[0].kind",
        '"DaemonSet"',
        "'DaemonSet'",
    ),
    BadInput(
        "consumer-twice",
        CHANNEL,
        {"consumers": [{"name": "engine"}, {"kind": "Deployment", "name": "engine"}]},
        "spec.consumers",
        "Duplicate value",
        "two items have the same kind and name",
    ),
    BadInput(
        "too-many-consumers",
        CHANNEL,
        {"consumers": [{"name": f"engine-{number}"} for number in range(33)]},
        "spec.consumers",
        "must have at most 32 items",
        "between 0 and 32 items",
    ),
    BadInput(
        "output-key-for-nothing",
        CHANNEL,
        {"output": {"keys": {"JDBC_URL": "jdbc"}}},
        "spec.output.keys.JDBC_URL",
        '"username"',
        "'username'",
    ),
    BadInput(
        "output-key-with-slash",
        CHANNEL,
        {"output": {"keys": {"jdbc/user": "username"}}},
        "spec.output.keys",
        "every key must be a key of a Secret",
        "must be a key of a Secret",
    ),
    BadInput(
        "output-key-is-standard",
        CHANNEL,
        {"output": {"keys": {"password": "username"}}},
        "spec.output.keys",
        "may not rename into a standard entry",
    ),
    BadInput(
        "output-into-server-secret",
        CHANNEL,
        {**_certificate(), "output": {"secretName": "db-tls"}},
        "spec.output.secretName",
        "names the same Secret as encryption.serverCertificate.secretName",
    ),
    BadInput(
        "output-into-brought-certificate",
        CHANNEL,
        {
            "encryption": {"serverCertificate": {"existingSecretRef": {"name": "db-tls"}}},
            "output": {"secretName": "db-tls"},
        },
        "spec.output.secretName",
        "names the same Secret as encryption.serverCertificate.existingSecretRef.name",
    ),
    BadInput(
        "output-into-login",
        CHANNEL,
        {**_password(secretRef={"name": "login"}), "output": {"secretName": "login"}},
        "spec.output.secretName",
        "names the same Secret as authentication.password.secretRef.name",
    ),
    BadInput(
        "login-is-server-secret",
        CHANNEL,
        {**_certificate(), **_password(secretRef={"name": "db-tls"})},
        "spec.authentication.password.secretRef.name",
        "names the same Secret as encryption.serverCertificate.secretName",
    ),
    BadInput(
        "secret-name-with-underscore",
        CHANNEL,
        {"output": {"secretName": "db_binding"}},
        "spec.output.secretName",
        "must be the name of an object",
    ),
    BadInput("interval-in-days", CHANNEL, {"probe": {"interval": "90d"}}, "spec.probe.interval", _DURATION),
    BadInput("interval-without-unit", CHANNEL, {"probe": {"interval": "300"}}, "spec.probe.interval", _DURATION),
    BadInput("interval-fraction", CHANNEL, {"probe": {"interval": "1.5h"}}, "spec.probe.interval", _DURATION),
    BadInput("interval-negative", CHANNEL, {"probe": {"interval": "-5m"}}, "spec.probe.interval", _DURATION),
    BadInput("interval-too-short", CHANNEL, {"probe": {"interval": "4s"}}, "spec.probe.interval", "between 5s and 24h"),
    BadInput(
        "negative-interval-shorter",
        CHANNEL,
        {"probe": {"interval": "1h", "negativeInterval": "30m"}},
        "spec.probe.negativeInterval",
        "may not be shorter than interval",
    ),
    BadInput("unknown-mode", CHANNEL, {"mode": "Off"}, "spec.mode", '"Observe", "Enforce"', "'Observe' or 'Enforce'"),
    BadInput("misspelt-field", CHANNEL, {"deletePolicy": "Delete"}, "spec.deletePolicy", "unknown field", _ONE_OF),
    BadInput("snake-case", CHANNEL, {"deletion_policy": "Delete"}, "spec.deletion_policy", "unknown field", _ONE_OF),
)

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
    BadInput("empty-renewal", AUTHORITY, {"renewal": {}}, "spec.renewal", "set exactly one of percentage"),
    BadInput(
        "renewal-twice",
        AUTHORITY,
        {"renewal": {"percentage": 67, "before": "720h"}},
        "spec.renewal",
        "set exactly one of percentage, before and schedule",
    ),
    BadInput(
        "renewal-at-the-end",
        AUTHORITY,
        {"renewal": {"percentage": 100}},
        "spec.renewal.percentage",
        "less than or equal to 95",
    ),
    BadInput(
        "cron-of-four-fields",
        AUTHORITY,
        {"renewal": {"schedule": {"cron": "0 3 1 *"}}},
        "spec.renewal.schedule.cron",
        "must have five fields",
    ),
    BadInput(
        "emergency-without-reason",
        AUTHORITY,
        {"rotation": {"emergency": True}},
        "spec.rotation.reason",
        "is required with emergency",
    ),
)

BAD_INPUTS = (*ENDPOINTS, *ENCRYPTION, *LOGINS, *OUTPUTS, *AUTHORITIES)
