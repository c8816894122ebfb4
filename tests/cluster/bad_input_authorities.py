"""Mistakes in an authority: what it asks for, what was brought, and names that are taken."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import rsa

from tests.cluster.bad_input import (
    LIFE,
    NIGHTS,
    OTHER,
    ROOT,
    ROOTS,
    Row,
    brought,
    encrypted_key,
    key,
    leaf,
    pair,
    schedule,
    secret,
)
from tests.cluster.harness import NAMESPACE, authority
from tests.unit.pki.forge import forge

WEAK = rsa.generate_private_key(65537, 1024)  # noqa: S505 - the mistake
_SOURCE = "spec.source.secretRef.name: Secret"

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
    "rotation-not-served": Row(
        authority("rotating", rotation={"reason": "drill"}),
        "NotSupported",
        "spec.rotation",
        "remove it",
        condition="Accepted",
    ),
    "schedule-of-authority-missing": Row(
        authority("scheduled", rotationScheduleRef={"name": "quarterly"}),
        "ScheduleNotFound",
        f"spec.rotationScheduleRef: RotationSchedule {NAMESPACE}/quarterly does not exist",
        "create it or name another",
        mended=(schedule("quarterly", NAMESPACE),),
    ),
    "schedule-of-authority-invalid": Row(
        authority("scheduled-nowhere", rotationScheduleRef={"name": "nowhere"}),
        "ScheduleNotFound",
        f"RotationSchedule {NAMESPACE}/nowhere is not valid: spec.windows[0]: there is no time zone Europe/Atlantis",
        "mend it",
        beside=(schedule("nowhere", NAMESPACE, windows=[{**NIGHTS, "timeZone": "Europe/Atlantis"}]),),
        mended=(schedule("nowhere", NAMESPACE, windows=[NIGHTS]),),
    ),
    "inline-schedule-of-no-zone": Row(
        authority("renewing", renewal={"windows": [{**NIGHTS, "timeZone": "Europe/Atlantis"}]}),
        "InvalidSpec",
        "spec.renewal.windows[0]: there is no time zone Europe/Atlantis",
        "mend it",
        condition="Accepted",
        mended=(authority("renewing", renewal={"windows": [NIGHTS]}),),
    ),
    "brought-missing": Row(
        brought("brought-missing"),
        "SecretNotFound",
        f"{_SOURCE} brought-missing does not exist in namespace {NAMESPACE}",
        "create it with tls.crt and tls.key",
        mended=(pair("brought-missing", OTHER, NAMESPACE),),
    ),
    "brought-is-a-leaf": Row(
        brought("brought-leaf"),
        "SecretInvalid",
        f"{_SOURCE} {NAMESPACE}/brought-leaf",
        "use one with basicConstraints CA:TRUE",
        beside=(pair("brought-leaf", leaf(), NAMESPACE),),
        mended=(pair("brought-leaf", OTHER, NAMESPACE),),
    ),
    "brought-of-two-halves": Row(
        brought("brought-halves"),
        "SecretInvalid",
        f"{_SOURCE} {NAMESPACE}/brought-halves",
        "store the two that were made together",
        beside=(pair("brought-halves", ROOT, NAMESPACE, tls_key=key(OTHER)),),
        mended=(pair("brought-halves", ROOT, NAMESPACE),),
    ),
    "brought-encrypted": Row(
        brought("brought-encrypted"),
        "SecretInvalid",
        f"{_SOURCE} {NAMESPACE}/brought-encrypted",
        "store it as unencrypted PEM",
        beside=(pair("brought-encrypted", ROOT, NAMESPACE, tls_key=encrypted_key(ROOT)),),
        mended=(pair("brought-encrypted", ROOT, NAMESPACE),),
    ),
    "brought-garbage": Row(
        brought("brought-garbage"),
        "SecretInvalid",
        f"{_SOURCE} {NAMESPACE}/brought-garbage",
        "put PEM blocks of type CERTIFICATE",
        beside=(secret("brought-garbage", NAMESPACE, tls_crt=b"\xff\x00", tls_key=b"\xff"),),
        mended=(pair("brought-garbage", ROOT, NAMESPACE),),
    ),
    "brought-without-key": Row(
        brought("brought-keyless"),
        "SecretInvalid",
        f"{_SOURCE} {NAMESPACE}/brought-keyless",
        "tls.key is missing; add it",
        beside=(secret("brought-keyless", NAMESPACE, tls_crt=ROOTS),),
        mended=(pair("brought-keyless", ROOT, NAMESPACE),),
    ),
    "brought-weak": Row(
        brought("brought-weak"),
        "SecretInvalid",
        f"{_SOURCE} {NAMESPACE}/brought-weak",
        "RSA with 2048 bits or more",
        beside=(pair("brought-weak", forge("weak", key=WEAK, period=LIFE), NAMESPACE),),
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
