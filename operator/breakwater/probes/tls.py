"""One TLS handshake by OpenSSL over a bounded stream, what it shows of the peer, and what its failures mean."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, TypeVar

from cryptography import x509

from breakwater.kernel.time import to_rfc3339
from breakwater.probes.ciphers import iana_name
from breakwater.probes.reasons import ProbeFailed, Reason
from breakwater.probes.stream import Stream

T = TypeVar("T")

_CERTIFICATE_REQUEST = 13
_NEW_SESSION_TICKET = 4
_HANDSHAKE_RECORD = 22
_LONGEST_SERIAL = 20  # octets, RFC 5280

# What OpenSSL's verifier says (X509_V_ERR_*), as far as a user would act differently.
_VERIFICATION = {
    9: Reason.CERTIFICATE_NOT_YET_VALID,
    10: Reason.CERTIFICATE_EXPIRED,
    26: Reason.WRONG_USAGE,
    47: Reason.NAME_CONSTRAINT_VIOLATED,
    48: Reason.NAME_CONSTRAINT_VIOLATED,
    62: Reason.NAME_MISMATCH,
    64: Reason.NAME_MISMATCH,
    66: Reason.WEAK_CERTIFICATE,
    67: Reason.WEAK_CERTIFICATE,
    68: Reason.WEAK_CERTIFICATE,
}

# Alerts with which a server turns down a client certificate, or the lack of one.
_ABOUT_CLIENT_CERTIFICATE = {
    "ACCESS_DENIED",
    "BAD_CERTIFICATE",
    "CERTIFICATE_EXPIRED",
    "CERTIFICATE_REQUIRED",
    "CERTIFICATE_REVOKED",
    "CERTIFICATE_UNKNOWN",
    "DECRYPT_ERROR",
    "HANDSHAKE_FAILURE",
    "UNKNOWN_CA",
    "UNSUPPORTED_CERTIFICATE",
}
_VERSION_ERRORS = {"UNSUPPORTED_PROTOCOL", "WRONG_SSL_VERSION"}


class Session:
    """A TLS connection as client.

    With a verifying context nothing but handshake messages without any credential leaves before the peer is verified,
    because OpenSSL verifies chain and name while it processes the server's Certificate message, with the expected name
    as a parameter of the verification itself. In TLS 1.2 the client's Certificate belongs to the flight that answers
    ServerHelloDone, in TLS 1.3 to the one that answers the server's Finished (by then the server has also proven
    possession of its key): both come after. A failed verification sends an alert in place of that flight. Data of ours
    is sent by `exchange` only, after `handshake` has returned.
    """

    def __init__(self, stream: Stream, context: ssl.SSLContext, server_name: str | None) -> None:
        self.stream = stream
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._seen: set[int] = set()
        self._sees = _watch(context, self._seen)
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)

    async def handshake(self) -> None:
        """Complete the handshake, and in it the verification that the context demands.

        Raises:
            ProbeFailed: with the reason; the alert that says so was sent.
        """
        await self._drive(self._tls.do_handshake)

    async def settle(self, seconds: float) -> None:
        """Wait for the server's word on the client's certificate, which in TLS 1.3 follows the handshake.

        An alert raises at once; data or a session ticket end the wait, since servers that asked for a certificate send
        neither before they have judged it. Silence for `seconds` counts as consent.

        Raises:
            ProbeFailed: with the reason.
        """
        if self._tls.version() != "TLSv1.3":
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                data = await self._drive(lambda: self._tls.read(1), enough=lambda: _NEW_SESSION_TICKET in self._seen)
                if data == b"":
                    raise self._hung_up()

    async def exchange(self, request: bytes, most: int, until: bytes) -> bytes:
        """Send a request and read its answer up to a mark, or until there are `most` bytes.

        Raises:
            ProbeFailed: with the reason.
        """
        await self._drive(lambda: self._tls.write(request))
        answer = b""
        while len(answer) < most and until not in answer:
            data = await self._drive(lambda: self._tls.read(most))
            if not data:
                raise self._hung_up()
            answer += data
        return answer

    async def farewell(self) -> None:
        """Say goodbye (close_notify), so that no server logs a broken connection after each probe."""
        with suppress(ssl.SSLError):
            self._tls.unwrap()
        with suppress(ProbeFailed):
            await self._flush()

    @property
    def client_certificate_requested(self) -> bool | None:
        """Whether the server asked for one; None where this Python does not tell."""
        return _CERTIFICATE_REQUEST in self._seen if self._sees else None

    @property
    def version(self) -> str:
        """The negotiated version, like TLSv1.3."""
        return self._tls.version() or ""

    @property
    def cipher(self) -> str:
        """The negotiated suite by its IANA name."""
        negotiated = self._tls.cipher()
        return iana_name(negotiated[0]) if negotiated else ""

    @property
    def leaf(self) -> bytes:
        """The peer's own certificate, DER."""
        return self._tls.getpeercert(binary_form=True) or b""

    def facts(self, alpn: Iterable[str]) -> dict[str, str]:
        """What the handshake showed, in words of ours: hashes, numbers, dates and names from closed lists."""
        facts = {"protocolVersion": self.version, "cipher": self.cipher, "chainLength": str(self._chain_length())}
        if self.client_certificate_requested is not None:
            facts["clientCertificateRequested"] = str(self.client_certificate_requested).lower()
        with suppress(UnicodeDecodeError):
            # OpenSSL does not insist that the server chose what was offered.
            if (chosen := self._tls.selected_alpn_protocol()) and chosen in alpn:
                facts["alpn"] = chosen
        return facts | certificate_facts(self.leaf)

    def _chain_length(self) -> int:
        # Public since Python 3.13, the same method of the inner object before.
        source: Any = self._tls if hasattr(self._tls, "get_unverified_chain") else self._tls._sslobj  # type: ignore[attr-defined]  # noqa: SLF001
        return len(source.get_unverified_chain() or ())

    async def _drive(self, step: Callable[[], T], enough: Callable[[], bool] = lambda: False) -> T | None:
        """Run one step of OpenSSL to its end, moving bytes; None at the end of the stream or when it is `enough`."""
        while True:
            try:
                # In a thread: a hostile server can make one step cost a quarter of a second (DHE with 8192 bits).
                result = await asyncio.to_thread(step)
            except ssl.SSLWantReadError:
                await self._flush()
                if enough():
                    return None
                await self._feed()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                raise self._hung_up() from None
            except ssl.SSLError as error:
                with suppress(ProbeFailed):
                    await self._flush()  # the alert, so that the server's log tells why
                raise self._meaning(error) from None
            else:
                await self._flush()
                return result

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await self.stream.write(self._outgoing.read())

    async def _feed(self) -> None:
        data = await self.stream.read()
        if not data:
            raise self._hung_up()
        self._incoming.write(data)

    def _hung_up(self) -> ProbeFailed:
        if self.stream.is_plaintext:
            return ProbeFailed(Reason.PLAINTEXT_ANSWERED, port=self.stream.port)
        return self.stream.closed()

    def _meaning(self, error: ssl.SSLError) -> ProbeFailed:
        if self.stream.is_plaintext:
            return ProbeFailed(Reason.PLAINTEXT_ANSWERED, port=self.stream.port)
        if isinstance(error, ssl.SSLCertVerificationError):
            return ProbeFailed(_VERIFICATION.get(error.verify_code, Reason.UNTRUSTED_CHAIN), code=error.verify_code)
        # From OpenSSL's own list of names, which holds all that an alert can say.
        detail = error.reason or "UNKNOWN"
        alert = detail.partition("ALERT_")[2]
        if alert in _ABOUT_CLIENT_CERTIFICATE and self.client_certificate_requested is not False:
            return ProbeFailed(Reason.CLIENT_CERTIFICATE_REJECTED, detail=detail)
        if alert == "PROTOCOL_VERSION" or detail in _VERSION_ERRORS:
            return ProbeFailed(Reason.VERSION_TOO_LOW)
        return ProbeFailed(Reason.HANDSHAKE_FAILED, detail=detail)


def certificate_facts(der: bytes) -> dict[str, str]:
    """Fingerprint, serial and dates; of a certificate that cannot be parsed the fingerprint alone."""
    if not der:
        return {}
    facts = {"fingerprint": hashlib.sha256(der).hexdigest()}
    try:
        certificate = x509.load_der_x509_certificate(der)
        serial = certificate.serial_number
        dates = {
            "notBefore": to_rfc3339(certificate.not_valid_before_utc),
            "notAfter": to_rfc3339(certificate.not_valid_after_utc),
        }
    except (ValueError, OverflowError):
        return facts
    if 0 < serial.bit_length() <= _LONGEST_SERIAL * 8:
        facts["serial"] = f"{serial:x}"
    return facts | dates


def _watch(context: ssl.SSLContext, seen: set[int]) -> bool:
    """Note the types of incoming handshake messages; return whether this Python can.

    `ssl` has no public way to learn that a certificate was requested or a ticket came; its debugging hook tells both.
    Without the hook a fact is missing and a wait lasts longer, nothing else changes.
    """

    def note(_: object, direction: str, __: object, content_type: int, message_type: int, ___: bytes) -> None:
        if direction == "read" and content_type == _HANDSHAKE_RECORD:
            seen.add(int(message_type))

    try:
        context._msg_callback = note  # type: ignore[attr-defined]  # noqa: SLF001 - see above
    except AttributeError:
        return False
    return True
