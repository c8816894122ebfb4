"""PEM, read strictly: certificates and nothing else (RFC 7468)."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from breakwater.pki.errors import PkiError, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

MAXIMUM_CHAIN = 16
MAXIMUM_BUNDLE = 512
"""Certificates; thrice as many as the public authorities are, and still read in a fraction of a second."""

_BOUNDARY = re.compile(rb"-----(BEGIN|END) ([^-\n]*)-----[ \t\r]*")
_LABEL = b"CERTIFICATE"

#: What the decoder raises on hostile input; a warning turned into an error counts as such.
DECODING_ERRORS = (
    ValueError,
    TypeError,
    OverflowError,
    UnsupportedAlgorithm,
    UserWarning,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


def load_chain(pem: bytes) -> list[x509.Certificate]:
    """The certificates of a chain, at least one and at most 16, in the order they stand.

    Raises:
        PkiError: whatever is not exactly certificates.
    """
    certificates = load_certificates(pem, limit=MAXIMUM_CHAIN, excess=Reason.CHAIN_TOO_LONG)
    if not certificates:
        raise PkiError(Reason.NO_CERTIFICATE)
    return certificates


def load_certificates(
    pem: bytes, limit: int = MAXIMUM_BUNDLE, excess: Reason = Reason.BUNDLE_TOO_LARGE
) -> list[x509.Certificate]:
    """All certificates in a PEM text, perhaps none.

    Explanatory text between the blocks is skipped, as RFC 7468 wants; blocks of another type, headers in a block and
    anything that looks like a boundary but is none are errors.

    Raises:
        PkiError: whatever is not exactly certificates, and `excess` for more than `limit` of them.
    """
    certificates: list[x509.Certificate] = []
    for der in _blocks(pem):
        if len(certificates) == limit:
            raise PkiError(excess)
        certificates.append(_decode(der))
    return certificates


def _decode(der: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(der)
    except DECODING_ERRORS:
        raise PkiError(Reason.MALFORMED_CERTIFICATE) from None


def _blocks(pem: bytes) -> Iterator[bytes]:
    if b"PRIVATE KEY-----" in pem:
        raise PkiError(Reason.PRIVATE_KEY_EXPOSED)
    body: int | None = None
    for start, end in _boundary_lines(pem):
        opens = _opens_block(pem[start:end])
        if opens is (body is not None):
            raise PkiError(Reason.MALFORMED_PEM)
        if body is not None:
            yield _decode_base64(b"".join(map(bytes.strip, pem[body:start].split(b"\n"))))
        body = end if opens else None
    if body is not None:
        raise PkiError(Reason.MALFORMED_PEM)


def _boundary_lines(pem: bytes) -> Iterator[tuple[int, int]]:
    """Where the lines with dashes begin and end. What lies between is leapt over: it may be a megabyte of nothing."""
    end = 0
    while (dashes := pem.find(b"-----", end)) >= 0:
        start = pem.rfind(b"\n", end, dashes) + 1 or end
        end = pem.find(b"\n", dashes)
        end = len(pem) if end < 0 else end
        yield start, end


def _opens_block(line: bytes) -> bool:
    boundary = _BOUNDARY.fullmatch(line)
    if boundary is None:
        raise PkiError(Reason.MALFORMED_PEM)
    if boundary[2] != _LABEL:
        raise PkiError(Reason.UNEXPECTED_BLOCK)
    return boundary[1] == b"BEGIN"


def _decode_base64(body: bytes) -> bytes:
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error:
        raise PkiError(Reason.MALFORMED_PEM) from None
