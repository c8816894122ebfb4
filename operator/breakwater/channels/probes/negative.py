"""The negative checks: what a secured channel must refuse is tried, and the refusal is the proof.

A refusal proves something only where TLS is served at all: a load balancer without a backend refuses everything. So
the address must first answer a handshake, and whatever prevents the question is Unknown.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from breakwater.channels.probes import hello, https
from breakwater.channels.probes.attempt import Attempt
from breakwater.channels.probes.contexts import observing, verifying
from breakwater.channels.probes.reasons import MeasurementResult, ProbeFailed, Reason
from breakwater.channels.probes.request import NegativeKind
from breakwater.channels.probes.stream import Stream
from breakwater.channels.probes.tls import Session
from breakwater.channels.probes.verification import speaking_http1

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
    """Connect without client certificate to the server, verified as ever."""
    # What stays of the offer is the same as in the positive check: only the certificate is missing.
    probe = speaking_http1(attempt.probe).anonymous()
    async with attempt.session(lambda: verifying(probe)) as session:
        try:
            await session.handshake()
            facts = attempt.facts(session, verified=True)
            refused = await _turned_away(attempt, session)
        except ProbeFailed as failure:
            if failure.reason not in _TURNED_DOWN or not session.client_certificate_requested:
                raise
            return attempt.conclude(Reason.ANONYMOUS_REFUSED)
    return attempt.conclude(Reason.ANONYMOUS_REFUSED if refused else Reason.ANONYMOUS_ACCEPTED, facts)


CHECKS: Mapping[NegativeKind, Callable[[Attempt], Awaitable[MeasurementResult]]] = {
    NegativeKind.PLAINTEXT: refuses_plaintext,
    NegativeKind.OLD_VERSION: refuses_old_version,
    NegativeKind.NO_CLIENT_CERTIFICATE: refuses_anonymous,
}


async def _turned_away(attempt: Attempt, session: Session) -> bool:
    if session.client_certificate_requested is False:
        return False
    if attempt.probe.protocol != "HTTPS":
        await session.settle(CONSENT)
        return False
    request = https.head_request(attempt.probe.server_name)
    answer = await session.exchange(request, https.MOST_ANSWER, https.END_OF_HEADERS)
    return https.status_of(answer) in https.UNAUTHENTICATED


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
