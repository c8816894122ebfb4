"""The negative checks: what a secured channel must refuse is tried, and the refusal is the proof.

A refusal proves something only where TLS is served at all: a load balancer without a backend refuses everything. So
the address must first answer a handshake, and whatever prevents the question is Unknown.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from breakwater.probes import hello, https
from breakwater.probes.attempt import Attempt
from breakwater.probes.contexts import observing, verifying
from breakwater.probes.reasons import MeasurementResult, ProbeFailed, Reason
from breakwater.probes.request import NegativeKind, TlsProbe
from breakwater.probes.stream import Stream
from breakwater.probes.tls import Session
from breakwater.probes.verification import speaking_http1

# Longer than for the positive check: here silence means failure.
CONSENT = 2.0

_TURNED_DOWN = {Reason.CLIENT_CERTIFICATE_REJECTED, Reason.CONNECTION_CLOSED}
_SPEAKS_TLS = {Reason.CLIENT_CERTIFICATE_REJECTED, Reason.HANDSHAKE_FAILED, Reason.VERSION_TOO_LOW}
_ALERT = 21


async def refuses_plaintext(attempt: Attempt) -> MeasurementResult:
    """Send a request without TLS; an alert, a hang-up and an HTTP answer that serves nothing are refusals."""
    try:
        await _speaks_tls(attempt)
    except ProbeFailed as failure:
        if failure.reason is Reason.PLAINTEXT_ANSWERED:
            return attempt.conclude(Reason.PLAINTEXT_ACCEPTED)
        raise
    async with attempt.connected() as stream:
        answer = await _ask(stream, https.head_request(attempt.probe.server_name))
        if answer and stream.is_plaintext and not https.turns_away(answer):
            return attempt.conclude(Reason.PLAINTEXT_ACCEPTED)
    return attempt.conclude(Reason.PLAINTEXT_REFUSED)


async def refuses_old_version(attempt: Attempt) -> MeasurementResult:
    """Offer nothing but versions below the channel's minimum; a ServerHello is consent, an alert or hang-up refusal."""
    await _speaks_tls(attempt)
    async with attempt.connected() as stream:
        answer = await _ask(stream, hello.client_hello(attempt.probe.minimum_version, attempt.probe.server_name))
    version = hello.accepted_version(answer)
    if version:
        return attempt.conclude(Reason.OLD_VERSION_ACCEPTED, {"protocolVersion": version}, version=version)
    if stream.is_plaintext:
        raise ProbeFailed(Reason.PLAINTEXT_ANSWERED)
    if answer and answer[0] != _ALERT:
        raise ProbeFailed(Reason.HANDSHAKE_FAILED, detail="UNEXPECTED_MESSAGE")
    return attempt.conclude(Reason.OLD_VERSION_REFUSED)


async def refuses_anonymous(attempt: Attempt) -> MeasurementResult:
    """Connect without client certificate to the server, verified as ever.

    An alert is a refusal, in TLS 1.3 after the handshake too. Everything else may be what everybody meets, a 403 of the
    application as well as a load balancer's hang-up: it counts where a client with the certificate fares better.
    """
    # What stays of the offer is the same as in the positive check: only the certificate is missing.
    probe = speaking_http1(attempt.probe)
    without = await _treatment(attempt, probe.anonymous())
    if without.ended is Reason.CLIENT_CERTIFICATE_REJECTED:
        return attempt.conclude(Reason.ANONYMOUS_REFUSED)
    if without.ended is None and without.status not in https.UNAUTHENTICATED:
        return attempt.conclude(Reason.ANONYMOUS_ACCEPTED, without.facts)
    if probe.client_certificate and (await _treatment(attempt, probe)).is_better_than(without):
        return attempt.conclude(Reason.ANONYMOUS_REFUSED, without.facts)
    answer = f"HTTP/{without.status}" if without.status else Reason.CONNECTION_CLOSED
    return attempt.conclude(Reason.REFUSAL_UNPROVEN, without.facts, answer=answer)


CHECKS: Mapping[NegativeKind, Callable[[Attempt], Awaitable[MeasurementResult]]] = {
    NegativeKind.PLAINTEXT: refuses_plaintext,
    NegativeKind.OLD_VERSION: refuses_old_version,
    NegativeKind.NO_CLIENT_CERTIFICATE: refuses_anonymous,
}


@dataclass(frozen=True, slots=True)
class _Treatment:
    """How a server treats a client: the HTTP status it answers with, if any, or why it ended the connection."""

    facts: Mapping[str, str]
    status: int | None = None
    ended: Reason | None = None

    def is_better_than(self, other: _Treatment) -> bool:
        """Whether this client is served, or turned away for another reason than its certificate, and the other not."""
        troubled = self.status in https.CERTIFICATE_REJECTED or (self.status or 0) >= https.SERVER_ERROR
        return self.ended is None and not troubled and (self.status, self.ended) != (other.status, other.ended)


async def _treatment(attempt: Attempt, probe: TlsProbe) -> _Treatment:
    async with attempt.session(lambda: verifying(probe)) as session:
        try:
            await session.handshake()
            facts = attempt.facts(session, verified=True)
            return _Treatment(facts, await _status(probe, session))
        except ProbeFailed as failure:
            if failure.reason not in _TURNED_DOWN or not session.client_certificate_requested:
                raise
            return _Treatment({}, ended=failure.reason)


async def _status(probe: TlsProbe, session: Session) -> int | None:
    if session.client_certificate_requested is False:
        return None
    if probe.protocol != "HTTPS":
        await session.settle(CONSENT)
        return None
    request = https.head_request(probe.server_name)
    return https.status_of(await session.exchange(request, https.MOST_ANSWER, https.END_OF_HEADERS))


async def _speaks_tls(attempt: Attempt) -> None:
    async with attempt.session(observing) as session:
        try:
            await session.handshake()
        except ProbeFailed as failure:
            if failure.reason not in _SPEAKS_TLS:
                raise


async def _ask(stream: Stream, question: bytes) -> bytes:
    """What comes back: the head of a plaintext answer, the first record of a TLS one, nothing after a hang-up."""
    answer = b""
    try:
        await stream.write(question)
        while data := await stream.read():
            answer += data
            enough = https.END_OF_HEADERS in answer if stream.is_plaintext else len(answer) >= hello.ENOUGH
            if enough or answer[0] == _ALERT or len(answer) >= https.MOST_ANSWER:
                break
    except ProbeFailed as failure:
        if failure.reason is not Reason.CONNECTION_CLOSED:
            raise
    return answer
