"""Private keys: made, loaded and compared, always sealed between calls."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from breakwater.kernel.sealed import Sealed
from breakwater.pki.errors import PkiError, Reason

PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

PUBLIC_EXPONENT = 65537
MINIMUM_RSA_BITS = 2048
_CURVES = {"secp256r1": "P256", "secp384r1": "P384", "secp521r1": "P521"}


class Algorithm(StrEnum):
    """What a key can be."""

    ECDSA_P256 = "ECDSA-P256"
    ECDSA_P384 = "ECDSA-P384"
    RSA_2048 = "RSA-2048"
    RSA_3072 = "RSA-3072"
    RSA_4096 = "RSA-4096"
    ED25519 = "Ed25519"


def generate_key(algorithm: Algorithm) -> Sealed:
    """A fresh private key, PKCS#8 in PEM. RSA takes up to seconds of CPU: call it in a thread."""
    return seal_key(new_key(algorithm))


def new_key(algorithm: Algorithm) -> PrivateKey:
    """As `generate_key`, for use within the room."""
    match algorithm:
        case Algorithm.ECDSA_P256:
            return ec.generate_private_key(ec.SECP256R1())
        case Algorithm.ECDSA_P384:
            return ec.generate_private_key(ec.SECP384R1())
        case Algorithm.ED25519:
            return ed25519.Ed25519PrivateKey.generate()
        case Algorithm.RSA_2048 | Algorithm.RSA_3072 | Algorithm.RSA_4096:
            return rsa.generate_private_key(PUBLIC_EXPONENT, int(algorithm.removeprefix("RSA-")))


def seal_key(key: PrivateKey) -> Sealed:
    """The key as PKCS#8 in PEM, sealed."""
    return Sealed(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def load_key(key: Sealed) -> PrivateKey:
    """The key behind unencrypted PEM (PKCS#8, PKCS#1 or SEC 1).

    RSA keys are not tested for consistency, which would take longer than to sign with them; whoever signs checks the
    signature before it leaves the room, so that a faulty key cannot leak itself.

    Raises:
        PkiError: InvalidKey, EncryptedKey or UnsupportedKey.
    """
    try:
        loaded = load_pem_private_key(key.open(), None, unsafe_skip_rsa_key_validation=True)
    except TypeError:
        raise PkiError(Reason.ENCRYPTED_KEY) from None
    except UnsupportedAlgorithm:
        raise PkiError(Reason.UNSUPPORTED_KEY) from None
    except ValueError:
        raise PkiError(Reason.INVALID_KEY) from None
    if not isinstance(loaded, PrivateKey) or is_weak(loaded.public_key()):
        raise PkiError(Reason.UNSUPPORTED_KEY)
    return loaded


def spki_of(public_key: object) -> str:
    """SHA-256 (hex) of a SubjectPublicKeyInfo: the same for a key and every certificate that was made for it."""
    return hashlib.sha256(public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()  # type: ignore[attr-defined]  # the union of all key types has no common base


def key_spki(key: Sealed) -> str:
    """SHA-256 (hex) of the key's SubjectPublicKeyInfo; compare with `CertificateFacts.spki`.

    Raises:
        PkiError: as `load_key`.
    """
    return spki_of(load_key(key).public_key())


def describe(public_key: object) -> str:
    """A public key's algorithm, spelled as `Algorithm` where it is one of ours: `RSA-1024`, `ECDSA-P521`, `Other`."""
    match public_key:
        case rsa.RSAPublicKey():
            return f"RSA-{public_key.key_size}"
        case ec.EllipticCurvePublicKey():
            return f"ECDSA-{_CURVES.get(public_key.curve.name, public_key.curve.name)}"
        case ed25519.Ed25519PublicKey():
            return Algorithm.ED25519.value
        case _:
            return "Other"


def is_weak(public_key: object) -> bool:
    """Whether a key is too small or of a type that we do not judge as strong."""
    match public_key:
        case rsa.RSAPublicKey():
            return public_key.key_size < MINIMUM_RSA_BITS
        case ec.EllipticCurvePublicKey():
            return public_key.curve.name not in _CURVES
        case _:
            return not isinstance(public_key, ed25519.Ed25519PublicKey)
