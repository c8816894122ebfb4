"""The closed vocabulary of measurements: every reason, what it means, and what to do about it.

Messages reach the status of a tenant's resource. They are therefore made from the templates below and from values that
were validated here; no byte that a peer sent is ever part of one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from breakwater.kernel.measurement import Result

Value = str | int | float
_HARMLESS = re.compile(r"[A-Za-z0-9._:/-]{0,253}")


class Reason(StrEnum):
    """Why a measurement came out as it did."""

    VERIFIED = "Verified"
    PLAINTEXT_REFUSED = "PlaintextRefused"
    OLD_VERSION_REFUSED = "OldVersionRefused"
    ANONYMOUS_REFUSED = "AnonymousRefused"
    HSTS_SENT = "HstsSent"
    REDIRECTED = "Redirected"

    NOT_MEASURED = "NotMeasured"
    REFUSED = "Refused"
    RESOLUTION_FAILED = "ResolutionFailed"
    CONNECT_FAILED = "ConnectFailed"
    CONNECT_TIMED_OUT = "ConnectTimedOut"
    TIMED_OUT = "TimedOut"
    CONNECTION_CLOSED = "ConnectionClosed"
    TOO_MUCH_DATA = "TooMuchData"
    RELOAD_PENDING = "ReloadPending"
    REFUSAL_UNPROVEN = "RefusalUnproven"
    TRUST_UNREADABLE = "TrustUnreadable"
    CLIENT_CERTIFICATE_UNREADABLE = "ClientCertificateUnreadable"

    PLAINTEXT_ANSWERED = "PlaintextAnswered"
    HANDSHAKE_FAILED = "HandshakeFailed"
    VERSION_TOO_LOW = "VersionTooLow"
    CIPHER_NOT_ALLOWED = "CipherNotAllowed"
    CERTIFICATE_EXPIRED = "CertificateExpired"
    CHAIN_EXPIRED = "ChainExpired"
    CERTIFICATE_NOT_YET_VALID = "CertificateNotYetValid"
    UNTRUSTED_CHAIN = "UntrustedChain"
    NAME_MISMATCH = "NameMismatch"
    WRONG_USAGE = "WrongUsage"
    WEAK_CERTIFICATE = "WeakCertificate"
    NAME_CONSTRAINT_VIOLATED = "NameConstraintViolated"
    WRONG_CERTIFICATE = "WrongCertificate"
    CLIENT_CERTIFICATE_REQUIRED = "ClientCertificateRequired"
    CLIENT_CERTIFICATE_REJECTED = "ClientCertificateRejected"
    PLAINTEXT_ACCEPTED = "PlaintextAccepted"
    OLD_VERSION_ACCEPTED = "OldVersionAccepted"
    ANONYMOUS_ACCEPTED = "AnonymousAccepted"
    HSTS_MISSING = "HstsMissing"
    HSTS_DIFFERS = "HstsDiffers"
    HSTS_ON_HTTP = "HstsOnHttp"
    NOT_REDIRECTED = "NotRedirected"
    REDIRECTED_ELSEWHERE = "RedirectedElsewhere"
    REDIRECT_STATUS = "RedirectStatus"


class Entry(NamedTuple):
    """What one reason says of the channel, in words and with the remedy."""

    result: Result
    template: str


_HOLDS, _FAILS, _UNKNOWN = Result.HOLDS, Result.FAILS, Result.UNKNOWN

VOCABULARY: Mapping[Reason, Entry] = {
    Reason.VERIFIED: Entry(_HOLDS, "The server completed {version} with {cipher}; chain and name {name} are verified."),
    Reason.PLAINTEXT_REFUSED: Entry(_HOLDS, "A request without TLS to port {port} was refused."),
    Reason.OLD_VERSION_REFUSED: Entry(_HOLDS, "A handshake below {minimum} was refused."),
    Reason.ANONYMOUS_REFUSED: Entry(_HOLDS, "A connection without client certificate was refused."),
    Reason.HSTS_SENT: Entry(
        _HOLDS, "Answers for {name} carry Strict-Transport-Security with max-age {age} on https, and none on http."
    ),
    Reason.REDIRECTED: Entry(_HOLDS, "Requests to {name} by http are answered with {status} to https."),
    Reason.NOT_MEASURED: Entry(
        _UNKNOWN, "{protocol} with {security} security is not measured yet; there is nothing to do but to wait for it."
    ),
    Reason.REFUSED: Entry(
        _UNKNOWN, "{address} is not probed: {why}. Where this is meant, start the operator with --probe-allow={entry}."
    ),
    Reason.RESOLUTION_FAILED: Entry(
        _UNKNOWN, "{name} cannot be resolved ({error}). Check endpoint.host and the operator's DNS."
    ),
    Reason.CONNECT_FAILED: Entry(
        _UNKNOWN,
        "No TCP connection to {address} port {port} ({error}). Check that the server runs, that endpoint.port is right "
        "and that network policies admit the operator.",
    ),
    Reason.CONNECT_TIMED_OUT: Entry(
        _UNKNOWN,
        "No TCP connection to {address} port {port} within {seconds} s. Check endpoint.port and that network policies "
        "admit the operator.",
    ),
    Reason.TIMED_OUT: Entry(
        _UNKNOWN,
        "{address} port {port} accepts connections, but did not complete the check within {seconds} s. Check that a "
        "TLS server listens there and is not overloaded.",
    ),
    Reason.CONNECTION_CLOSED: Entry(
        _UNKNOWN,
        "{address} port {port} closed the connection before the check was complete. Check the server's log, and that "
        "a TLS server listens on endpoint.port.",
    ),
    Reason.TOO_MUCH_DATA: Entry(
        _UNKNOWN, "The server sent more than {bytes} bytes. Check that a TLS server listens on endpoint.port."
    ),
    Reason.RELOAD_PENDING: Entry(
        _UNKNOWN,
        "The server shows a verified certificate, but not yet the new one. It has until {until} to load that; where it "
        "does not by itself, reload or restart it.",
    ),
    Reason.REFUSAL_UNPROVEN: Entry(
        _UNKNOWN,
        "Without client certificate the server answers with {answer}, and nothing shows that it treats a client with "
        "the certificate better: that may be its answer to everybody. Let it end such handshakes with a TLS alert, or "
        "answer HEAD / otherwise where the certificate is shown.",
    ),
    Reason.TRUST_UNREADABLE: Entry(
        _UNKNOWN, "The trust bundle cannot be read. Put PEM certificates into what encryption.trust names."
    ),
    Reason.CLIENT_CERTIFICATE_UNREADABLE: Entry(
        _UNKNOWN,
        "The client certificate and its key cannot be read or do not belong together. Put a PEM chain and its "
        "unencrypted key into what authentication.clientCertificate names.",
    ),
    Reason.PLAINTEXT_ANSWERED: Entry(
        _FAILS,
        "Port {port} answers a TLS handshake without TLS. Turn on TLS in the server, or correct endpoint.port or "
        "endpoint.security.",
    ),
    Reason.HANDSHAKE_FAILED: Entry(
        _FAILS,
        "The TLS handshake failed ({detail}). Compare the server's TLS settings with encryption.minimumVersion and "
        "encryption.cipherProfile, and see its log.",
    ),
    Reason.VERSION_TOO_LOW: Entry(
        _FAILS,
        "The server does not speak {minimum} or later. Raise its protocol version, or lower encryption.minimumVersion.",
    ),
    Reason.CIPHER_NOT_ALLOWED: Entry(
        _FAILS,
        "The server chose {cipher}, which the channel does not allow. Change its cipher suites, or "
        "encryption.cipherProfile.",
    ),
    Reason.CERTIFICATE_EXPIRED: Entry(
        _FAILS, "The server's certificate has expired. Let the server load the current one (reload or restart it)."
    ),
    Reason.CHAIN_EXPIRED: Entry(
        _FAILS,
        "A certificate above the server's own has expired. Renew the authority, and let the server send its current "
        "chain.",
    ),
    Reason.CERTIFICATE_NOT_YET_VALID: Entry(
        _FAILS,
        "A certificate of the server's chain is not valid yet. Compare the clocks of the signer, the server and the "
        "operator.",
    ),
    Reason.UNTRUSTED_CHAIN: Entry(
        _FAILS,
        "The server's chain does not end in encryption.trust (verification code {code}). Let the server send its "
        "intermediate certificates, or add its authority to encryption.trust.",
    ),
    Reason.NAME_MISMATCH: Entry(
        _FAILS,
        "The server's certificate is not for {name}. Add that name to the certificate, or set endpoint.serverName.",
    ),
    Reason.WRONG_USAGE: Entry(
        _FAILS, "The server's certificate is not meant for servers. Issue one with the usage server authentication."
    ),
    Reason.WEAK_CERTIFICATE: Entry(
        _FAILS,
        "A key or signature of the server's chain is too weak (verification code {code}). Issue it anew with at least "
        "RSA-2048 or ECDSA-P256 and SHA-256.",
    ),
    Reason.NAME_CONSTRAINT_VIOLATED: Entry(
        _FAILS,
        "The name constraints of the authority do not permit the server's certificate. Issue it from another "
        "authority, or with permitted names only.",
    ),
    Reason.WRONG_CERTIFICATE: Entry(
        _FAILS,
        "The server shows a verified certificate, but not the current one. Let it load the new certificate (reload or "
        "restart it).",
    ),
    Reason.CLIENT_CERTIFICATE_REQUIRED: Entry(
        _FAILS, "The server demands a client certificate. Declare authentication.clientCertificate."
    ),
    Reason.CLIENT_CERTIFICATE_REJECTED: Entry(
        _FAILS,
        "The server rejects the client certificate ({detail}). Add its authority to the server's trusted clients, and "
        "see the server's log.",
    ),
    Reason.PLAINTEXT_ACCEPTED: Entry(
        _FAILS, "Port {port} answers a request without TLS. Turn off plaintext on this port of the server."
    ),
    Reason.OLD_VERSION_ACCEPTED: Entry(
        _FAILS, "The server accepts {version}, below {minimum}. Turn off that version in the server."
    ),
    Reason.ANONYMOUS_ACCEPTED: Entry(
        _FAILS, "The server accepts connections without client certificate. Make the server require one."
    ),
    Reason.HSTS_MISSING: Entry(
        _FAILS,
        "The answer for {name} by https (status {status}) carries no valid Strict-Transport-Security. Check in the "
        "ingress engine's log that it takes up what is written.",
    ),
    Reason.HSTS_DIFFERS: Entry(
        _FAILS,
        "The answer for {name} by https carries another Strict-Transport-Security: max-age {age}, includeSubDomains "
        "{subdomains}, preload {preload}. Remove it where the application or the engine's own configuration sets it.",
    ),
    Reason.HSTS_ON_HTTP: Entry(
        _FAILS,
        "The answer for {name} by http carries Strict-Transport-Security, which RFC 6797 section 7.2 forbids. Remove "
        "it where the application sets it without looking at the scheme.",
    ),
    Reason.NOT_REDIRECTED: Entry(
        _FAILS,
        "A request to {name} by http is answered with {status} and not sent to https. Check in the ingress engine's "
        "log that it takes up what is written, and that the Ingress is served on http at all.",
    ),
    Reason.REDIRECTED_ELSEWHERE: Entry(
        _FAILS,
        "A request to {name} by http is sent elsewhere than to https on the same host. Remove the redirect that comes "
        "before that of the zone.",
    ),
    Reason.REDIRECT_STATUS: Entry(
        _FAILS,
        "A request to {name} by http is sent to https with {status}, not {expected}. Remove the redirect that comes "
        "before that of the zone, or declare its status.",
    ),
}


@dataclass(frozen=True, slots=True)
class MeasurementResult:
    """The outcome of one measurement; `facts` are strings of our own making, fit for a status."""

    result: Result
    reason: Reason
    message: str
    facts: Mapping[str, str] = field(default_factory=dict)


class ProbeFailed(Exception):  # noqa: N818 - it is an outcome that unwinds a probe, not an error of the program
    """A probe ended early: the reason, the values of its message and the facts known by then."""

    def __init__(self, reason: Reason, facts: Mapping[str, str] | None = None, **values: Value) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.facts = dict(facts or {})
        self.values = values


def conclude(reason: Reason, facts: Mapping[str, str] | None = None, **values: Value) -> MeasurementResult:
    """Put a reason into words.

    Raises:
        ValueError: a value holds other characters than names, numbers and addresses do.
    """
    entry = VOCABULARY[reason]
    return MeasurementResult(entry.result, reason, entry.template.format(**_harmless(values)), dict(facts or {}))


def _harmless(values: Mapping[str, Value]) -> Mapping[str, Value]:
    for name, value in values.items():
        # A member of an enumeration is our own text, whatever characters it holds.
        if not isinstance(value, StrEnum) and not _HARMLESS.fullmatch(str(value)):
            raise ValueError(f"the value of {name} does not belong into a message")
    return values
