"""Mistakes in what else a channel says: logins, clients, consumers, output, probe."""

from __future__ import annotations

from typing import Any

from tests.kinds_bad_inputs.table import CHANNEL, ISSUED, BadInput

_DURATION = "days are not a unit"
_USERNAME = "spec.authentication.password.generate.username"
_NO_FIELD = "is not a field of this kind"


def _certificate(**fields: Any) -> dict[str, Any]:
    return {"encryption": {"serverCertificate": {**ISSUED, **fields}}}


def _password(**fields: Any) -> dict[str, Any]:
    return {"authentication": {"password": fields}}


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
        "consumer-without-name", CHANNEL, {"consumers": [{}]}, "spec.consumers[0].name", "Required", "is required"
    ),
    BadInput(
        "consumer-reload-unknown",
        CHANNEL,
        {"consumers": [{"name": "engine", "reload": "Signal"}]},
        "spec.consumers[0].reload",
        '"Automatic"',
        "'Automatic'",
    ),
    BadInput(
        "consumer-name-malformed",
        CHANNEL,
        {"consumers": [{"name": "Engine_1"}]},
        "spec.consumers[0].name",
        "must be",
    ),
    BadInput(
        "channel-schedule-malformed",
        CHANNEL,
        {"rotationScheduleRef": {"name": "Quarterly!"}},
        "spec.rotationScheduleRef.name",
        "must be",
    ),
    BadInput(
        "channel-schedule-without-name",
        CHANNEL,
        {"rotationScheduleRef": {}},
        "spec.rotationScheduleRef.name",
        "Required",
        "is required",
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
        "output-key-two-dots",
        CHANNEL,
        {"output": {"keys": {"..user": "username"}}},
        "spec.output.keys",
        "without two dots at the beginning",
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
    BadInput("misspelt-field", CHANNEL, {"deletePolicy": "Delete"}, "spec.deletePolicy", "unknown field", _NO_FIELD),
    BadInput("snake-case", CHANNEL, {"deletion_policy": "Delete"}, "spec.deletion_policy", "unknown field", _NO_FIELD),
)
