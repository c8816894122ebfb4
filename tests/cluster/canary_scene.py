"""All that is secret around an operator, planted where it belongs and where it does not, and things that fail."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from breakwater.pki import Algorithm, RootRequest, issue_root
from tests.cluster.canaries import Canary
from tests.cluster.harness import NAMESPACE, authority, channel
from tests.controlplane.proxy_client import FaultProxy
from tests.controlplane.proxy_model import Answer, Match, refusal

HOME = "canary"
PLACES = (HOME, "echo", "refusing", "broken", "torn")

JSON_BREAKER = b'cnry"}]\n{0}%s%n${x}\\u0041-5521-quoting\'"'
BINARY = bytes(range(128, 256)) + b"cnry-binary-9917-\xff\xfe"
WORDS = {
    word: f"cnry-{word}-{number * 7919:08d}".encode()
    for number, word in enumerate(
        ("login", "lonely", "neighbour", "config", "huge", "applied", "echoed", "refused", "torn", "appended", "words"),
        3,
    )
}


def _root(name: str) -> tuple[bytes, bytes]:
    request = RootRequest(common_name=name, algorithm=Algorithm.ECDSA_P256, lifetime=timedelta(days=9))
    pair = issue_root(request, datetime.now(UTC))
    return pair.certificate_pem, pair.key.open()


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, password: bytes | None = None) -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


BROUGHT, BROUGHT_KEY = _root("brought")
LOCKED, LOCKED_KEY_OPEN = _root("locked")
SERVER, SERVER_KEY = _root("server")
LOCKED_KEY = _pem(load_pem_private_key(LOCKED_KEY_OPEN, None), b"cnry-passphrase")  # type: ignore[arg-type]  # an EC key
STRAY_KEY = _pem(rsa.generate_private_key(65537, 2048))
EXPOSED_KEY = _pem(ec.generate_private_key(ec.SECP384R1()))
MISPLACED_KEY = _pem(ec.generate_private_key(ec.SECP256R1()))

PLANTED = (
    Canary("password in a referenced Secret", WORDS["login"]),
    Canary("password that breaks JSON and format strings", JSON_BREAKER),
    Canary("password that is no text", BINARY),
    Canary("password of a Secret without user name", WORDS["lonely"]),
    Canary("entry beside a bundle in a Secret", WORDS["neighbour"]),
    Canary("entry beside a bundle in a ConfigMap", WORDS["config"]),
    Canary("end of a password of 200 kB", WORDS["huge"]),
    Canary("last-applied annotation of a Secret", WORDS["applied"]),
    Canary("password that an admission policy quotes", WORDS["echoed"]),
    Canary("password that a webhook quotes", WORDS["refused"]),
    Canary("password in an answer that is torn off", WORDS["torn"]),
    Canary("entry that somebody adds to a binding", WORDS["appended"]),
    Canary("text in the place of a key", WORDS["words"]),
    Canary("key of an authority that was brought", BROUGHT_KEY),
    Canary("key of an authority that is encrypted", LOCKED_KEY),
    Canary("the same key, decrypted", LOCKED_KEY_OPEN),
    Canary("key of an existing server certificate", SERVER_KEY),
    Canary("key that does not belong to its certificate", STRAY_KEY),
    Canary("key in a ConfigMap given as bundle", EXPOSED_KEY),
    Canary("key among the certificates of a Secret", MISPLACED_KEY),
)


def _b64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def secret(namespace: str, name: str, annotations: Mapping[str, str] | None = None, **data: bytes) -> dict[str, Any]:
    """A Secret; `tls_crt` stands for tls.crt."""
    metadata = {"name": name, "namespace": namespace, "annotations": dict(annotations or {})}
    entries = {key.replace("_", "."): _b64(value) for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": entries}


def _bundle(name: str, **data: bytes) -> dict[str, Any]:
    metadata = {"name": name, "namespace": HOME}
    entries = {key.replace("_", "."): value.decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": entries}


def _existing(namespace: str, name: str) -> dict[str, Any]:
    return channel(namespace, name, encryption=_trusting({}, serverCertificate={"existingSecretRef": {"name": name}}))


def _trusting(trust: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"trust": trust or {"authorityRef": {"name": "platform"}}, **more}


def _login(namespace: str, name: str, **spec: Any) -> dict[str, Any]:
    return channel(namespace, name, authentication={"password": {"secretRef": {"name": name}}}, **spec)


def manifests() -> list[dict[str, Any]]:
    """Secrets and ConfigMaps first, then what refers to them."""
    applied = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps({"password": WORDS["applied"].decode()})}
    secrets = [
        secret(HOME, "login", applied, username=b"app", password=WORDS["login"]),
        secret(HOME, "breaker", username=b'{0}"%s', password=JSON_BREAKER),
        secret(HOME, "binary", username=b"app", password=BINARY),
        secret(HOME, "lonely", password=WORDS["lonely"]),
        secret(HOME, "huge", username=b"app", password=b"p" * 200_000 + WORDS["huge"]),
        secret(HOME, "neighbour", ca_crt=BROUGHT, password=WORDS["neighbour"]),
        secret(HOME, "server", tls_crt=SERVER, tls_key=SERVER_KEY),
        secret(HOME, "stray", tls_crt=SERVER, tls_key=STRAY_KEY),
        secret(HOME, "misplaced", tls_crt=SERVER + MISPLACED_KEY, tls_key=MISPLACED_KEY),
        secret(HOME, "words", tls_crt=SERVER, tls_key=WORDS["words"]),
        secret("echo", "login", username=b"app", password=WORDS["echoed"]),
        secret("refusing", "login", username=b"app", password=WORDS["refused"]),
        secret("torn", "login", username=b"app", password=WORDS["torn"]),
        secret(NAMESPACE, "brought", tls_crt=BROUGHT, tls_key=BROUGHT_KEY),
        secret(NAMESPACE, "locked", tls_crt=LOCKED, tls_key=LOCKED_KEY),
    ]
    bundles = [_bundle("neighbour", ca_crt=BROUGHT, password=WORDS["config"]), _bundle("exposed", ca_crt=EXPOSED_KEY)]
    generated = {"password": {"generate": {"username": "app"}}}
    client = {"clientCertificate": {"authorityRef": {"name": "brought"}, "commonName": "app"}}
    return [
        *secrets,
        *bundles,
        authority(trust={"namespaceSelector": {}, "clusterTrustBundle": True}),
        authority("brought", source={"secretRef": {"name": "brought"}}),
        authority("locked", source={"secretRef": {"name": "locked"}}),
        *(_login(HOME, name) for name in ("login", "breaker", "binary", "lonely", "huge")),
        channel(HOME, "generated", authentication=generated | client),
        *(_existing(HOME, name) for name in ("server", "stray", "misplaced", "words")),
        channel(HOME, "secret-bundle", encryption=_trusting({"bundleRef": {"kind": "Secret", "name": "neighbour"}})),
        channel(HOME, "map-bundle", encryption=_trusting({"bundleRef": {"name": "neighbour"}})),
        channel(HOME, "exposed", encryption=_trusting({"bundleRef": {"name": "exposed"}})),
        *(_login(place, "login", encryption=_trusting({})) for place in ("echo", "refusing", "torn")),
        channel("broken", "generated", authentication=generated),
    ]


REASONS: dict[tuple[str, str], tuple[str, str]] = {
    (HOME, "lonely"): ("False", "SecretInvalid"),
    (HOME, "stray"): ("False", "SecretInvalid"),
    (HOME, "misplaced"): ("False", "SecretInvalid"),
    (HOME, "words"): ("False", "SecretInvalid"),
    (HOME, "exposed"): ("False", "BundleInvalid"),
    ("echo", "login"): ("False", "AdmissionRefused"),
    ("refusing", "login"): ("False", "AdmissionRefused"),
    **{
        (HOME, name): ("True", "Ready")
        for name in ("login", "breaker", "binary", "huge", "generated", "server", "secret-bundle", "map-bundle")
    },
    ("broken", "generated"): ("True", "Ready"),
}
"""What Ready must come to, so that each secret is known to have been worked with."""


def quoting_policy() -> list[dict[str, Any]]:
    """An admission policy that refuses the bindings of one namespace and quotes the password."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["secrets"]}
    quote = "'too weak: ' + string(object.data['password'])"
    spec = {
        "matchConstraints": {
            "resourceRules": [rule],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "echo"}},
        },
        "matchConditions": [{"name": "binding", "expression": "object.metadata.name.endsWith('-binding')"}],
        "validations": [{"expression": "false", "messageExpression": quote}],
    }
    group = "admissionregistration.k8s.io/v1"
    policy = {"apiVersion": group, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "quoting"}, "spec": spec}
    binding = {
        "apiVersion": group,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "quoting"},
        "spec": {"policyName": "quoting", "validationActions": ["Deny"]},
    }
    return [policy, binding]


def add_faults(proxy: FaultProxy) -> None:
    """Answers that quote what they should not: a webhook's refusal, nonsense that is a bug to us, a torn answer."""
    webhook = f"admission webhook denied the request: {WORDS['refused'].decode()} {_b64(WORDS['refused'])}"
    proxy.add(Match(verb="create", resource="secrets", namespace="refusing"), refusal(403, webhook))
    nonsense = {"kind": "Secret", "data": {"password": _b64(WORDS["login"]), WORDS["login"].decode(): "x"}}
    headers = {"Content-Type": "application/json"}
    proxy.add(
        Match(verb="create", resource="secrets", namespace="broken"),
        Answer(status=201, headers=headers, body=json.dumps(nonsense)),
        times=1,
    )
    torn = json.dumps(secret("torn", "login", password=WORDS["torn"]))[:-3]
    proxy.add(
        Match(verb="get", resource="secrets", namespace="torn"), Answer(status=200, headers=headers, body=torn), times=2
    )


Data = Mapping[str, bytes]


def made(data_of: Callable[[str, str], Data], token: str) -> tuple[Canary, ...]:
    """What only a running operator has: its token, and what it generated."""
    home: Callable[[str], Data] = lambda name: data_of(HOME, name)  # noqa: E731 - an abbreviation
    return (
        Canary("token of the operator", token.encode()),
        Canary("generated password", home("generated-login")["password"]),
        Canary("generated key of a root", data_of(NAMESPACE, "authority-platform")["tls.key"]),
        Canary("generated key of a server", home("generated-tls")["tls.key"]),
        Canary("generated key of a client", home("generated-binding")["private-key"]),
    )
