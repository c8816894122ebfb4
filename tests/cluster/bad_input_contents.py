"""Mistakes in what a channel refers to: trust bundles and certificates of others."""

from __future__ import annotations

from tests.cluster.bad_input import (
    DAY,
    LIFE,
    NOW,
    OTHER,
    ROOTS,
    SERVER_NAME,
    Row,
    bundle,
    config_map,
    encrypted_key,
    existing,
    key,
    leaf,
    pair,
    secret,
)
from tests.unit.pki.forge import forge_server, pem

_SERVER = "spec.encryption.serverCertificate"
_EXISTING = f"{_SERVER}.existingSecretRef: Secret"
_BUNDLE = "spec.encryption.trust.bundleRef: ConfigMap"

CONTENT_ROWS: dict[str, Row] = {
    "bundle-missing": Row(
        bundle("bundle-missing"),
        "BundleNotFound",
        f"{_BUNDLE} bundle-missing-roots",
        "create it with the key ca.crt",
        mended=(config_map("bundle-missing-roots", ca_crt=ROOTS),),
    ),
    "bundle-secret-missing": Row(
        bundle("bundle-nowhere", "Secret"),
        "BundleNotFound",
        "spec.encryption.trust.bundleRef: Secret bundle-nowhere-roots",
        "create it with the key ca.crt",
        mended=(secret("bundle-nowhere-roots", ca_crt=ROOTS),),
    ),
    "bundle-without-key": Row(
        bundle("bundle-keyless"),
        "BundleInvalid",
        f"{_BUNDLE} bundle-keyless-roots has no key ca.crt",
        "add it or name another key",
        beside=(config_map("bundle-keyless-roots", other=ROOTS),),
        mended=(config_map("bundle-keyless-roots", ca_crt=ROOTS),),
    ),
    "bundle-garbage": Row(
        bundle("bundle-garbage"),
        "BundleInvalid",
        f"{_BUNDLE} bundle-garbage-roots, key ca.crt",
        "put PEM blocks of type CERTIFICATE",
        beside=(config_map("bundle-garbage-roots", ca_crt=b"garbage"),),
        mended=(config_map("bundle-garbage-roots", ca_crt=ROOTS),),
    ),
    "bundle-torn": Row(
        bundle("bundle-torn"),
        "BundleInvalid",
        f"{_BUNDLE} bundle-torn-roots, key ca.crt",
        "each block needs matching BEGIN and END lines",
        beside=(config_map("bundle-torn-roots", ca_crt=ROOTS[:300]),),
        mended=(config_map("bundle-torn-roots", ca_crt=ROOTS),),
    ),
    "bundle-is-a-key": Row(
        bundle("bundle-key"),
        "BundleInvalid",
        f"{_BUNDLE} bundle-key-roots, key ca.crt",
        "remove the key and replace it, for it may have been read",
        beside=(config_map("bundle-key-roots", ca_crt=ROOTS + key(OTHER)),),
        mended=(config_map("bundle-key-roots", ca_crt=ROOTS),),
    ),
    "bundle-is-a-leaf": Row(
        bundle("bundle-leaf"),
        "BundleInvalid",
        f"{_BUNDLE} bundle-leaf-roots, key ca.crt",
        "use one with basicConstraints CA:TRUE",
        beside=(config_map("bundle-leaf-roots", ca_crt=pem(leaf().certificate)),),
        mended=(config_map("bundle-leaf-roots", ca_crt=ROOTS),),
    ),
    "existing-missing": Row(
        existing("existing-missing"),
        "SecretNotFound",
        f"{_EXISTING} existing-missing",
        "create it with tls.crt and tls.key",
        mended=(pair("existing-missing", leaf()),),
    ),
    "existing-without-key": Row(
        existing("existing-keyless"),
        "SecretInvalid",
        f"{_EXISTING} existing-keyless",
        "tls.key is missing; add it",
        beside=(secret("existing-keyless", tls_crt=pem(leaf().certificate)),),
    ),
    "existing-empty": Row(
        existing("existing-empty"),
        "SecretInvalid",
        f"{_EXISTING} existing-empty",
        "put PEM blocks of type CERTIFICATE",
        beside=(secret("existing-empty", a=b"b"),),
    ),
    "existing-of-two-halves": Row(
        existing("existing-halves"),
        "SecretInvalid",
        f"{_EXISTING} existing-halves",
        "tls.key does not belong to tls.crt; store the two that were made together",
        beside=(pair("existing-halves", leaf(), tls_key=key(OTHER)),),
        mended=(pair("existing-halves", leaf()),),
    ),
    "existing-encrypted": Row(
        existing("existing-encrypted"),
        "SecretInvalid",
        f"{_EXISTING} existing-encrypted",
        "store it as unencrypted PEM",
        beside=(pair("existing-encrypted", leaf(), tls_key=encrypted_key(OTHER)),),
    ),
    "existing-expired": Row(
        existing("existing-expired"),
        "CertificateExpired",
        f"{_SERVER}: Secret existing-expired",
        "the certificate has expired; renew it",
        condition="Encrypted",
        beside=(pair("existing-expired", leaf(period=(NOW - 9 * DAY, NOW - DAY))),),
    ),
    "existing-of-another-name": Row(
        existing("existing-misnamed"),
        "NameMismatch",
        f"{_EXISTING} existing-misnamed, for {SERVER_NAME}",
        "add that to its alternative names",
        condition="Encrypted",
        beside=(pair("existing-misnamed", leaf(dns=("db.bad.svc",))),),
    ),
    "existing-of-another-authority": Row(
        existing("existing-foreign"),
        "UnknownIssuer",
        f"{_EXISTING} existing-foreign",
        "add the intermediates to the chain or the root to the trust",
        condition="Encrypted",
        beside=(pair("existing-foreign", forge_server(OTHER, dns=(SERVER_NAME,), period=LIFE)),),
    ),
}
