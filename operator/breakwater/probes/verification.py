"""The positive check: the server proves to be what the channel declares."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from breakwater.kernel.time import from_rfc3339, to_rfc3339
from breakwater.probes import https
from breakwater.probes.attempt import Attempt
from breakwater.probes.ciphers import allows
from breakwater.probes.contexts import observing, verifying
from breakwater.probes.reasons import MeasurementResult, ProbeFailed, Reason
from breakwater.probes.request import TlsProbe
from breakwater.probes.tls import Session

# How long TLS 1.3 servers may take to turn down a client certificate; most answer at once.
CONSENT = 1.0

_WORTH_A_LOOK = {
    Reason.CERTIFICATE_EXPIRED,
    Reason.CERTIFICATE_NOT_YET_VALID,
    Reason.HANDSHAKE_FAILED,
    Reason.NAME_CONSTRAINT_VIOLATED,
    Reason.NAME_MISMATCH,
    Reason.UNTRUSTED_CHAIN,
    Reason.VERSION_TOO_LOW,
    Reason.WEAK_CERTIFICATE,
    Reason.WRONG_USAGE,
}


async def verify(attempt: Attempt, now: datetime) -> MeasurementResult:
    """Complete a handshake as a client of the channel would.

    Raises:
        ProbeFailed: with the reason.
    """
    probe = speaking_http1(attempt.probe)
    async with attempt.session(lambda: verifying(probe)) as session:
        try:
            await session.handshake()
            facts = attempt.facts(session, verified=True)
            _compare(probe, session, facts, now)
            facts |= await _consent(probe, session)
        except ProbeFailed as failure:
            if failure.reason is Reason.CLIENT_CERTIFICATE_REJECTED and probe.client_certificate is None:
                raise ProbeFailed(Reason.CLIENT_CERTIFICATE_REQUIRED) from None
            raise
    return attempt.conclude(Reason.VERIFIED, facts, version=session.version, cipher=session.cipher)


async def look_closer(failure: ProbeFailed, attempt: Attempt, now: datetime) -> ProbeFailed:
    """Find out more about a failed verification from a second handshake, which presents nothing and trusts nothing.

    OpenSSL reports neither the certificate nor the parameters of a handshake that it broke off.
    """
    if failure.reason not in _WORTH_A_LOOK:
        return failure
    with suppress(ProbeFailed):
        async with attempt.session(observing) as session:
            await session.handshake()
            facts = attempt.facts(session, verified=False)
            return _refined(failure, attempt.probe, facts, now)
    return failure


def speaking_http1(probe: TlsProbe) -> TlsProbe:
    """The probe as it must be where an HTTP/1.1 request may follow the handshake."""
    if probe.protocol == "HTTPS" and probe.client_certificate and probe.alpn:
        return replace(probe, alpn=https.ALPN)
    return probe


def _compare(probe: TlsProbe, session: Session, facts: dict[str, str], now: datetime) -> None:
    if not allows(probe.cipher_suites, session.cipher):
        raise ProbeFailed(Reason.CIPHER_NOT_ALLOWED, facts, cipher=session.cipher)
    if probe.expected_fingerprint not in (None, facts.get("fingerprint")):
        if probe.reload_until and now < probe.reload_until:
            raise ProbeFailed(Reason.RELOAD_PENDING, facts, until=to_rfc3339(probe.reload_until))
        raise ProbeFailed(Reason.WRONG_CERTIFICATE, facts)


async def _consent(probe: TlsProbe, session: Session) -> dict[str, str]:
    """Learn whether the server is content with the client certificate, or with none."""
    if session.client_certificate_requested is False:
        return {}
    if probe.client_certificate is None or probe.protocol != "HTTPS":
        await session.settle(CONSENT)
        return {}
    answer = await session.exchange(https.head_request(probe.server_name), https.MOST_ANSWER, https.END_OF_HEADERS)
    status = https.status_of(answer)
    if status in https.CERTIFICATE_REJECTED:
        raise ProbeFailed(Reason.CLIENT_CERTIFICATE_REJECTED, detail=f"HTTP_{status}")
    return {"httpStatus": str(status)} if status else {}


def _refined(failure: ProbeFailed, probe: TlsProbe, facts: dict[str, str], now: datetime) -> ProbeFailed:
    reason, values = failure.reason, failure.values
    until = from_rfc3339(facts.get("notAfter"))
    if reason is Reason.CERTIFICATE_EXPIRED and until and until > now:
        reason = Reason.CHAIN_EXPIRED
    elif reason is Reason.HANDSHAKE_FAILED and facts["protocolVersion"] < probe.minimum_version:
        reason = Reason.VERSION_TOO_LOW
    elif reason is Reason.HANDSHAKE_FAILED and not allows(probe.cipher_suites, facts["cipher"]):
        reason, values = Reason.CIPHER_NOT_ALLOWED, values | {"cipher": facts["cipher"]}
    return ProbeFailed(reason, facts, **values)
