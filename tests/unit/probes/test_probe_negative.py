from __future__ import annotations

import asyncio
import ssl

import pytest

from breakwater.kernel.measurement import Result
from breakwater.probes import negative
from breakwater.probes.reasons import Reason
from breakwater.probes.request import NegativeKind, TlsVersion
from tests.unit.probes.authority import Authority
from tests.unit.probes.conftest import NAME, Run
from tests.unit.probes.servers import raw_server, server_context, tls_server

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSIONS = pytest.mark.parametrize("version", [V12, V13])
PLAINTEXT, OLD, ANONYMOUS = NegativeKind.PLAINTEXT, NegativeKind.OLD_VERSION, NegativeKind.NO_CLIENT_CERTIFICATE


async def test_a_tls_server_refuses_plaintext(authority: Authority, run: Run) -> None:
    async with tls_server(server_context(authority.issue(NAME))) as server:
        result = await run(PLAINTEXT, port=server.port)
    assert (result.result, result.reason) == (Result.HOLDS, Reason.PLAINTEXT_REFUSED)
    assert all(heard.data == b"" for heard in server.heard)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Reason.PLAINTEXT_REFUSED),
        (b"HTTP/1.1 421 Misdirected Request\r\n\r\n", Reason.PLAINTEXT_REFUSED),
        (b"HTTP/1.1 426 Upgrade Required\r\n\r\n", Reason.PLAINTEXT_REFUSED),
        (b"HTTP/1.1 497 Plain\r\n\r\n", Reason.PLAINTEXT_REFUSED),
        (b"HTTP/1.1 401 Unauthorized\r\n\r\n", Reason.PLAINTEXT_ACCEPTED),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", Reason.PLAINTEXT_ACCEPTED),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", Reason.PLAINTEXT_ACCEPTED),
        (b"HTTP/1.1 308 Moved\r\nLocation: https://web.bpm.svc/\r\n\r\n", Reason.PLAINTEXT_REFUSED),
        (b"HTTP/1.1 304 Not Modified\r\nLocation: https://web.bpm.svc/\r\n\r\n", Reason.PLAINTEXT_ACCEPTED),
        (b"HTTP/1.1 301 Moved\r\nServer: x\r\nLocation: https://web.bpm.svc/\r\n\r\n", Reason.PLAINTEXT_REFUSED),
        (b"HTTP/1.1 301 Moved\r\nLocation: http://web.bpm.svc/\r\n\r\n", Reason.PLAINTEXT_ACCEPTED),
        (b"HTTP/1.1 200 OK\r\n\r\n", Reason.PLAINTEXT_ACCEPTED),
        (b"HTTP/1.1 500 Oops\r\n\r\n", Reason.PLAINTEXT_ACCEPTED),
        (b"220 mail ready\r\n\r\n", Reason.PLAINTEXT_ACCEPTED),
        (b"", Reason.PLAINTEXT_REFUSED),
        (b"\x15\x03\x03\x00\x02\x02\x46", Reason.PLAINTEXT_REFUSED),
    ],
)
async def test_a_port_that_serves_both_is_judged_by_what_it_answers_to_plaintext(
    run: Run, answer: bytes, reason: Reason
) -> None:
    async def both(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(1)
        # A TLS server of its own is not needed here: an alert shows that TLS is spoken.
        writer.write(b"\x15\x03\x03\x00\x02\x02\x50" if first == b"\x16" else answer)
        await writer.drain()

    async with raw_server(both) as port:
        assert (await run(PLAINTEXT, port=port)).reason is reason


async def test_a_version_below_the_minimum_is_refused_or_not(authority: Authority, run: Run) -> None:
    for version, minimum, reason in (
        (V12, TlsVersion.V1_2, Reason.OLD_VERSION_REFUSED),
        (V13, TlsVersion.V1_2, Reason.OLD_VERSION_REFUSED),
        (V13, TlsVersion.V1_3, Reason.OLD_VERSION_REFUSED),
        (V12, TlsVersion.V1_3, Reason.OLD_VERSION_ACCEPTED),
    ):
        async with tls_server(server_context(authority.issue(NAME), version=version)) as server:
            result = await run(OLD, port=server.port, minimum_version=minimum)
        assert result.reason is reason, (version, minimum)
    assert (result.result, result.facts["protocolVersion"]) == (Result.FAILS, "TLSv1.2")
    assert server.heard[1].server_name == NAME


@VERSIONS
@pytest.mark.parametrize("protocol", ["HTTPS", "TLS"])
async def test_a_server_that_demands_a_client_certificate_refuses_whoever_has_none(
    authority: Authority, run: Run, version: ssl.TLSVersion, protocol: str
) -> None:
    context = server_context(authority.issue(NAME), clients=authority, version=version)
    async with tls_server(context) as server:
        client = authority.client()
        result = await run(ANONYMOUS, port=server.port, protocol=protocol, client_certificate=client.for_client())
    assert (result.result, result.reason) == (Result.HOLDS, Reason.ANONYMOUS_REFUSED)
    assert all(client.der not in heard.content for heard in server.heard)


@VERSIONS
@pytest.mark.parametrize("protocol", ["HTTPS", "TLS"])
async def test_a_server_that_only_asks_for_a_client_certificate_lets_everybody_in(
    authority: Authority, run: Run, version: ssl.TLSVersion, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(negative, "CONSENT", 0.3)
    context = server_context(authority.issue(NAME), clients=authority, demand=ssl.CERT_OPTIONAL, version=version)
    async with tls_server(context, b"HTTP/1.1 204 No Content\r\n\r\n") as server:
        result = await run(ANONYMOUS, port=server.port, protocol=protocol)
    assert (result.result, result.reason) == (Result.FAILS, Reason.ANONYMOUS_ACCEPTED)


def _http(status: int) -> bytes:
    return b"HTTP/1.1 %d Any\r\n\r\n" % status


# What a server that merely asks for a certificate answers to clients without and with one; nothing is a hang-up.
TREATMENTS = [
    (_http(400), _http(204), Reason.ANONYMOUS_REFUSED),
    (_http(403), _http(404), Reason.ANONYMOUS_REFUSED),
    (_http(403), _http(401), Reason.ANONYMOUS_REFUSED),
    (b"", _http(204), Reason.ANONYMOUS_REFUSED),
    (_http(401), _http(401), Reason.REFUSAL_UNPROVEN),
    (_http(403), _http(403), Reason.REFUSAL_UNPROVEN),
    (_http(403), _http(400), Reason.REFUSAL_UNPROVEN),
    (_http(403), _http(503), Reason.REFUSAL_UNPROVEN),
    (_http(403), b"", Reason.REFUSAL_UNPROVEN),
    (b"", b"", Reason.REFUSAL_UNPROVEN),
    (_http(404), _http(204), Reason.ANONYMOUS_ACCEPTED),
]


@VERSIONS
@pytest.mark.parametrize(("without", "presented", "reason"), TREATMENTS)
async def test_a_refusal_without_alert_counts_where_a_client_with_the_certificate_fares_better(
    authority: Authority, run: Run, version: ssl.TLSVersion, without: bytes, presented: bytes, reason: Reason
) -> None:
    context = server_context(authority.issue(NAME), clients=authority, demand=ssl.CERT_OPTIONAL, version=version)
    async with tls_server(context, without, presented) as server:
        result = await run(ANONYMOUS, port=server.port, client_certificate=authority.client().for_client())
    assert result.reason is reason
    assert (result.result is Result.UNKNOWN) == (reason is Reason.REFUSAL_UNPROVEN)


@pytest.mark.parametrize("status", [400, 403])
async def test_a_server_that_never_asks_for_a_certificate_refuses_nobody_for_the_want_of_one(
    authority: Authority, run: Run, status: int
) -> None:
    async with tls_server(server_context(authority.issue(NAME)), _http(status)) as server:
        assert (await run(ANONYMOUS, port=server.port)).reason is Reason.ANONYMOUS_ACCEPTED
    assert server.heard[0].data == b""


async def test_a_hang_up_right_after_the_handshake_is_neither_consent_nor_refusal(
    authority: Authority, run: Run
) -> None:
    context = server_context(authority.issue(NAME), clients=authority, demand=ssl.CERT_OPTIONAL, version=V13)
    context.num_tickets = 0

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The handshake is over when this is called; its return says goodbye."""

    async with raw_server(hang_up, context) as port:
        client = authority.client().for_client()
        anonymous = await run(ANONYMOUS, port=port, protocol="TLS", client_certificate=client)
        presented = await run(port=port, protocol="TLS", client_certificate=client)
    assert (anonymous.result, anonymous.reason) == (Result.UNKNOWN, Reason.REFUSAL_UNPROVEN)
    assert (presented.result, presented.reason) == (Result.UNKNOWN, Reason.CONNECTION_CLOSED)


async def test_an_unverified_server_is_asked_nothing(authority: Authority, run: Run) -> None:
    context = server_context(authority.issue("other.bpm.svc"), clients=authority)
    async with tls_server(context) as server:
        result = await run(ANONYMOUS, port=server.port)
    assert (result.result, result.reason) == (Result.UNKNOWN, Reason.NAME_MISMATCH)
    assert server.heard[0].data == b""


@pytest.mark.parametrize("kind", NegativeKind)
async def test_nothing_that_listens_proves_no_refusal(run: Run, kind: NegativeKind) -> None:
    async def closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Accept and hang up, as a load balancer without backends does."""

    async with raw_server(closed) as port:
        result = await run(kind, port=port)
    assert (result.result, result.reason) == (Result.UNKNOWN, Reason.CONNECTION_CLOSED)
