"""Why something about keys or certificates cannot be done, in words fit for a status condition."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """The closed vocabulary of this room; a value serves as the reason of a condition."""

    INVALID_FIELD = "InvalidField"
    MALFORMED_PEM = "MalformedPem"
    MALFORMED_CERTIFICATE = "MalformedCertificate"
    NO_CERTIFICATE = "NoCertificate"
    CHAIN_TOO_LONG = "ChainTooLong"
    BUNDLE_TOO_LARGE = "BundleTooLarge"
    UNEXPECTED_BLOCK = "UnexpectedBlock"
    PRIVATE_KEY_EXPOSED = "PrivateKeyExposed"
    INVALID_KEY = "InvalidKey"
    ENCRYPTED_KEY = "EncryptedKey"
    UNSUPPORTED_KEY = "UnsupportedKey"
    KEY_MISMATCH = "KeyMismatch"
    NOT_AN_AUTHORITY = "NotAnAuthority"
    ISSUER_EXPIRED = "IssuerExpired"
    ISSUER_NOT_YET_VALID = "IssuerNotYetValid"
    CHAIN_BROKEN = "ChainBroken"
    NAME_NOT_PERMITTED = "NameNotPermitted"
    SELF_CHECK_FAILED = "SelfCheckFailed"
    CERTIFICATE_EXPIRED = "CertificateExpired"
    CERTIFICATE_NOT_YET_VALID = "CertificateNotYetValid"
    UNKNOWN_ISSUER = "UnknownIssuer"
    PATH_TOO_LONG = "PathTooLong"
    NAME_MISMATCH = "NameMismatch"
    USAGE_MISMATCH = "UsageMismatch"
    WEAK_ALGORITHM = "WeakAlgorithm"
    UNSUPPORTED_EXTENSION = "UnsupportedExtension"
    CHAIN_REJECTED = "ChainRejected"


_SENTENCES = {
    Reason.MALFORMED_PEM: "the PEM text is damaged: each block needs matching BEGIN and END lines and plain base64 "
    "without headers in between",
    Reason.MALFORMED_CERTIFICATE: "a certificate cannot be decoded; export it again as X.509 in PEM form",
    Reason.NO_CERTIFICATE: "there is no certificate in it; put PEM blocks of type CERTIFICATE",
    Reason.CHAIN_TOO_LONG: "there are more certificates in it than a chain can use; keep the certificate itself and "
    "its intermediates",
    Reason.BUNDLE_TOO_LARGE: "there are more than 512 certificates in it; keep the authorities that are needed",
    Reason.UNEXPECTED_BLOCK: "it holds a PEM block other than CERTIFICATE; keep only blocks of type CERTIFICATE",
    Reason.PRIVATE_KEY_EXPOSED: "it holds a private key where only certificates belong; remove the key and replace it, "
    "for it may have been read",
    Reason.INVALID_KEY: "the private key cannot be decoded; store it as unencrypted PEM",
    Reason.ENCRYPTED_KEY: "the private key is encrypted; store it as unencrypted PEM",
    Reason.UNSUPPORTED_KEY: "the key is of a type or size that is not supported; use ECDSA P-256, P-384 or P-521, RSA "
    "with 2048 bits or more, or Ed25519",
    Reason.KEY_MISMATCH: "the private key does not belong to the certificate; store the two that were made together",
    Reason.NOT_AN_AUTHORITY: "a certificate that should be an authority's may not sign others; use one with "
    "basicConstraints CA:TRUE and, where key usages are listed, keyCertSign",
    Reason.ISSUER_EXPIRED: "an issuing certificate has expired; renew the authority first",
    Reason.ISSUER_NOT_YET_VALID: "an issuing certificate is not valid yet; check the clock or wait",
    Reason.CHAIN_BROKEN: "a certificate is not followed by that of its issuer; order the chain from the certificate to "
    "the root",
    Reason.NAME_NOT_PERMITTED: "a name is outside the name constraints of an issuing certificate",
    Reason.SELF_CHECK_FAILED: "a freshly signed certificate did not verify and was thrown away; try again, and check "
    "the memory of the machine if it recurs",
    Reason.CERTIFICATE_EXPIRED: "the certificate has expired; renew it",
    Reason.CERTIFICATE_NOT_YET_VALID: "the certificate is not valid yet; check the clock or wait",
    Reason.UNKNOWN_ISSUER: "no chain leads from the certificate to a trusted authority; add the intermediates to the "
    "chain or the root to the trust",
    Reason.PATH_TOO_LONG: "the chain is longer than an authority in it allows (path length); issue from one higher up",
    Reason.NAME_MISMATCH: "the certificate is not for the expected server name; add that to its alternative names",
    Reason.USAGE_MISMATCH: "a certificate in the chain is not for this use; it needs the extended key usage serverAuth "
    "or clientAuth that fits",
    Reason.WEAK_ALGORITHM: "a certificate in the chain has a weak key or signature; use RSA with 2048 bits or more, "
    "ECDSA or Ed25519, and SHA-256 or better",
    Reason.UNSUPPORTED_EXTENSION: "a certificate in the chain has a critical extension or name constraint that is not "
    "supported",
    Reason.CHAIN_REJECTED: "the chain breaks a rule of path validation (RFC 5280)",
}


class PkiError(Exception):
    """Something cannot be done or is not so; `str()` says what and what helps.

    The text is ours alone: words of this module and values that the asker himself wrote, never bytes of a peer, of a
    key or of a certificate.

    Attributes:
        reason: what went wrong, of the closed vocabulary.
        field: the field of a request that is to blame, empty when none is.
    """

    def __init__(self, reason: Reason, message: str = "", field: str = "") -> None:
        super().__init__(f"{field}: {message}" if field else message or _SENTENCES[reason])
        self.reason = reason
        self.field = field


def invalid(field: str, message: str) -> PkiError:
    """The error for a field of a request that cannot be so."""
    return PkiError(Reason.INVALID_FIELD, message, field)


def quoted(value: str) -> str:
    """A value of the asker's, safe to repeat in a message: ASCII, escaped, shortened."""
    shortened = value if len(value) <= 80 else value[:77] + "..."
    return ascii(shortened)
