"""The TLS settings of a probe's connections: one that verifies, and one that only looks and presents nothing."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from breakwater.probes.ciphers import tls12_offer
from breakwater.probes.reasons import ProbeFailed, Reason
from breakwater.probes.request import ClientCertificate, TlsProbe, TlsVersion

_VERSIONS = {TlsVersion.V1_2: ssl.TLSVersion.TLSv1_2, TlsVersion.V1_3: ssl.TLSVersion.TLSv1_3}


def verifying(probe: TlsProbe) -> ssl.SSLContext:
    """A context that offers exactly what the channel allows and completes no handshake with an unverified peer.

    It reads certificates and keys (20 ms of CPU with the system store), so call it in a thread.

    Raises:
        ProbeFailed: TrustUnreadable or ClientCertificateUnreadable.
    """
    # This protocol constant brings CERT_REQUIRED and check_hostname.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Clients in the field ignore the common name (RFC 9110), so it must not prove a channel.
    context.hostname_checks_common_name = False
    # A bundle may hold an intermediate only: what it names is trusted, as by Go and Java clients.
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    context.minimum_version = _VERSIONS[TlsVersion(probe.minimum_version)]
    _restrict_ciphers(context, probe)
    if probe.alpn:
        context.set_alpn_protocols(list(probe.alpn))
    _load_trust(context, probe.trust_pem)
    if probe.client_certificate:
        _load_client(context, probe.client_certificate)
    return context


def observing() -> ssl.SSLContext:
    """A context that takes any peer, any version and any cipher, to see what is there; it never holds a credential."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.VerifyMode.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def _restrict_ciphers(context: ssl.SSLContext, probe: TlsProbe) -> None:
    """Offer the declared TLS 1.2 suites; which suite of TLS 1.3 may be used is judged after the handshake.

    Python before 3.15 cannot restrict what is offered of TLS 1.3.
    """
    offer = tls12_offer(probe.cipher_suites)
    if offer:
        context.set_ciphers(offer)
    elif probe.cipher_suites:
        context.minimum_version = ssl.TLSVersion.TLSv1_3


def _load_trust(context: ssl.SSLContext, pem: bytes | None) -> None:
    if pem is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return
    try:
        # Given as text: bytes would be read as DER.
        context.load_verify_locations(cadata=pem.decode("ascii"))
    except (ssl.SSLError, ValueError):
        raise ProbeFailed(Reason.TRUST_UNREADABLE) from None
    if not context.cert_store_stats()["x509"]:
        raise ProbeFailed(Reason.TRUST_UNREADABLE)


def _load_client(context: ssl.SSLContext, certificate: ClientCertificate) -> None:
    with _readable_by_path(certificate.key.open() + b"\n" + certificate.chain_pem) as path:
        try:
            # With a password at hand an encrypted key is an error; without one OpenSSL would ask the terminal.
            context.load_cert_chain(path, password=b"")
        except (ssl.SSLError, OSError, ValueError):
            # Without cause: OpenSSL's error may quote what it could not read.
            raise ProbeFailed(Reason.CLIENT_CERTIFICATE_UNREADABLE) from None


@contextmanager
def _readable_by_path(content: bytes) -> Iterator[str]:
    """Lend bytes to an interface that only takes a path.

    `ssl` reads private keys from files. A memfd has no name in any file system, is never written to a disk and is gone
    with its descriptor, even after kill -9. Where there is none, a 0600 file lives for the few microseconds.
    """
    descriptor, path, unlink = _unnamed() or _named()
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            yield path
    finally:
        if unlink:
            os.unlink(path)  # noqa: PTH108 - beside os.fdopen, a Path would be a detour


def _unnamed() -> tuple[int, str, bool] | None:
    if not hasattr(os, "memfd_create"):
        return None
    try:
        descriptor = os.memfd_create("probe", os.MFD_CLOEXEC)
    except OSError:
        return None
    return descriptor, f"/proc/self/fd/{descriptor}", False


def _named() -> tuple[int, str, bool]:
    descriptor, path = tempfile.mkstemp()
    return descriptor, path, True
