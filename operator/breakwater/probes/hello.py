"""A ClientHello of old, by hand: the OpenSSL of this process may be built not to speak what must be refused."""

from __future__ import annotations

import os
import struct

from breakwater.probes.request import TlsVersion, is_dns_name

_VERSIONS = {0x0300: "SSLv3", 0x0301: "TLSv1", 0x0302: "TLSv1.1", 0x0303: "TLSv1.2"}
_BELOW = {TlsVersion.V1_2: 0x0302, TlsVersion.V1_3: 0x0303}
_HANDSHAKE, _CLIENT_HELLO, _SERVER_HELLO = 22, 1, 2
_VERSION_AT = 9  # 5 bytes of record header, 4 of handshake header
ENOUGH = _VERSION_AT + 2

# ECDHE, DHE and RSA with AES-GCM, ChaCha20, AES-CBC, Camellia, 3DES and RC4: what a server of any age could pick.
_SUITES = bytes.fromhex(
    "c02bc02fc02cc030cca9cca8ccaa009e009f009c009d"
    "c023c027c024c0280067006b003c003dc009c013c00ac01400330039002f0035"
    "00410084004500880016000ac008c012c007c01100050004"
)
_GROUPS = (0x001D, 0x0017, 0x0018, 0x0019)
# RSA, RSA-PSS, ECDSA and Ed25519, down to SHA-1: a refusal must not be for want of a common signature.
_SIGNATURES = bytes.fromhex("040305030603080408050806080704010501060102030201")


def client_hello(minimum: TlsVersion, server_name: str) -> bytes:
    """The record with which a client that speaks nothing of `minimum` or later begins."""
    extensions = _extension(0xFF01, b"\0")  # secure renegotiation
    if is_dns_name(server_name):
        extensions += _extension(0, _vector(2, b"\0" + _vector(2, server_name.encode())))
    extensions += _extension(10, _vector(2, b"".join(struct.pack("!H", group) for group in _GROUPS)))
    extensions += _extension(11, _vector(1, b"\0"))  # uncompressed points
    version = _BELOW[minimum]
    if version == 0x0303:
        extensions += _extension(13, _vector(2, _SIGNATURES))
    body = struct.pack("!H", version) + os.urandom(32) + _vector(1, b"") + _vector(2, _SUITES) + _vector(1, b"\0")
    body += _vector(2, extensions)
    message = bytes([_CLIENT_HELLO]) + len(body).to_bytes(3, "big") + body
    return struct.pack("!BH", _HANDSHAKE, 0x0301) + _vector(2, message)


def accepted_version(answer: bytes) -> str | None:
    """The version of the ServerHello that an answer begins with; None for an alert and everything else."""
    if len(answer) < ENOUGH or answer[0] != _HANDSHAKE or answer[5] != _SERVER_HELLO:
        return None
    return _VERSIONS.get(int.from_bytes(answer[_VERSION_AT:ENOUGH], "big"))


def _vector(size: int, content: bytes) -> bytes:
    return len(content).to_bytes(size, "big") + content


def _extension(kind: int, content: bytes) -> bytes:
    return struct.pack("!H", kind) + _vector(2, content)
