from __future__ import annotations

import asyncio
import os
import socket
import struct
from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer
from dataclasses import replace
from pathlib import Path

import pytest

from breakwater.kernel.measurement import Result
from breakwater.probes import stream
from breakwater.probes.measure import measure
from breakwater.probes.reasons import Reason
from breakwater.probes.request import NegativeKind, TlsProbe
from tests.unit.probes.authority import NOW, Authority, Credential
from tests.unit.probes.conftest import LOOPBACK, NAME, Run
from tests.unit.probes.servers import Handler, raw_server, server_context, tls_server

MARK = b"<img-src-evil>"


async def never(reader: Reader, writer: Writer) -> None:
    await reader.read()


async def hang_up(reader: Reader, writer: Writer) -> None:
    await reader.read(100)


async def reset(reader: Reader, writer: Writer) -> None:
    await reader.read(100)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def drip(reader: Reader, writer: Writer) -> None:
    for byte in struct.pack("!BHH", 22, 0x0303, 4000) + bytes([2, 0, 0x0F, 0x9C]) + bytes(4000):
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.02)


def says(data: bytes, *, forever: bool = False) -> Handler:
    async def handler(reader: Reader, writer: Writer) -> None:
        await reader.read(100)
        writer.write(data)
        while forever:
            await writer.drain()
            writer.write(data * 64)
        await writer.drain()
        await reader.read()

    return handler


def record(kind: int, content: bytes) -> bytes:
    return struct.pack("!BHH", kind, 0x0303, len(content)) + content


HOSTILE: dict[str, tuple[Handler, Reason]] = {
    "never answers": (never, Reason.TIMED_OUT),
    "drips byte by byte": (drip, Reason.TIMED_OUT),
    "hangs up": (hang_up, Reason.CONNECTION_CLOSED),
    "resets": (reset, Reason.CONNECTION_CLOSED),
    "answers in HTTP": (says(b"HTTP/1.1 400 " + MARK + b"\r\n\r\n"), Reason.PLAINTEXT_ANSWERED),
    "greets in SMTP": (says(b"220 " + MARK + b"\r\n"), Reason.PLAINTEXT_ANSWERED),
    "answers in plaintext forever": (says(MARK, forever=True), Reason.PLAINTEXT_ANSWERED),
    "announces a huge record": (says(struct.pack("!BHH", 22, 0x0303, 65535) + MARK), Reason.HANDSHAKE_FAILED),
    "announces a huge message": (says(record(22, b"\x02\xff\xff\xff" + MARK)), Reason.HANDSHAKE_FAILED),
    "warns forever": (says(record(21, b"\x01\x5a"), forever=True), Reason.HANDSHAKE_FAILED),
    "sends empty records forever": (says(record(22, b""), forever=True), Reason.HANDSHAKE_FAILED),
    "sends application data": (says(record(23, MARK)), Reason.HANDSHAKE_FAILED),
    "sends an unknown alert": (says(record(21, b"\x02\xf0")), Reason.HANDSHAKE_FAILED),
    "sends noise that looks like TLS": (says(record(22, os.urandom(200))), Reason.HANDSHAKE_FAILED),
}


@pytest.mark.parametrize("case", HOSTILE)
async def test_a_hostile_server_costs_its_own_verdict_and_nothing_else(run: Run, case: str) -> None:
    handler, reason = HOSTILE[case]
    before = open_files()
    async with raw_server(handler) as port:
        async with asyncio.timeout(3):
            result = await run(port=port, timeout=0.4)
    assert result.reason is reason
    assert result.result is not Result.HOLDS
    assert MARK.decode() not in repr(result)
    assert open_files() <= before


@pytest.mark.parametrize("kind", NegativeKind)
@pytest.mark.parametrize("case", HOSTILE)
async def test_a_negative_check_never_holds_where_no_tls_is_served(run: Run, case: str, kind: NegativeKind) -> None:
    handler, reason = HOSTILE[case]
    if reason is Reason.HANDSHAKE_FAILED and kind is not NegativeKind.NO_CLIENT_CERTIFICATE:
        handler = says(record(22, b""))  # what answers in records counts as TLS; an empty one is a beginning only
    async with raw_server(handler) as port:
        result = await run(kind, port=port, timeout=0.4)
    plaintext = reason is Reason.PLAINTEXT_ANSWERED and kind is NegativeKind.PLAINTEXT
    assert result.result is (Result.FAILS if plaintext else Result.UNKNOWN)


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_nobody_listening_is_unknown_and_named(run: Run) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        result = await run(port=unused.getsockname()[1])
    assert (result.result, result.reason) == (Result.UNKNOWN, Reason.CONNECT_FAILED)
    assert "ECONNREFUSED" in result.message


async def test_a_connection_that_nobody_accepts_is_given_up_in_time(run: Run) -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for queued in (first, second):  # the backlog is full: from here on SYNs are dropped
            queued.setblocking(False)  # noqa: FBT003 - the name says it
            queued.connect_ex(full.getsockname())
        async with asyncio.timeout(2):
            result = await run(port=full.getsockname()[1], timeout=0.4)
    assert (result.result, result.reason) == (Result.UNKNOWN, Reason.CONNECT_TIMED_OUT)


async def test_reading_ends_at_the_budget(authority: Authority, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "BUDGET", 300)
    monkeypatch.setattr(stream, "_CHUNK", 100)
    async with tls_server(server_context(authority.issue(NAME))) as server:
        result = await run(port=server.port)
    assert (result.result, result.reason) == (Result.UNKNOWN, Reason.TOO_MUCH_DATA)


async def test_a_chain_without_end_is_not_taken_in(authority: Authority, run: Run) -> None:
    credential = authority.issue(NAME)
    endless = Credential(credential.key, credential.chain + (authority.certificate,) * 400)
    async with tls_server(server_context(endless)) as server:
        result = await run(port=server.port)
    assert (result.reason, "EXCESSIVE_MESSAGE_SIZE" in result.message) == (Reason.HANDSHAKE_FAILED, True)


async def test_thousands_of_names_are_compared_in_no_time(authority: Authority, run: Run) -> None:
    names = (*(f"n{number}.example.com" for number in range(3000)), NAME)
    async with tls_server(server_context(authority.issue(*names))) as server:
        assert (await run(port=server.port, timeout=2)).reason is Reason.VERIFIED
        assert (await run(port=server.port, timeout=2, server_name="n9999.example.com")).reason is Reason.NAME_MISMATCH


async def test_an_http_answer_without_end_is_cut(authority: Authority, run: Run) -> None:
    context = server_context(authority.issue(NAME), clients=authority)
    async with tls_server(context, b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 30_000) as server:
        result = await run(port=server.port, client_certificate=authority.client().for_client())
    assert (result.result, result.facts["httpStatus"]) == (Result.HOLDS, "200")


async def test_no_text_of_the_peer_reaches_the_outcome(run: Run, authority: Authority) -> None:
    stranger = Authority().issue(NAME, common_name=MARK.decode())
    async with tls_server(server_context(stranger)) as server:
        result = await run(port=server.port)
    assert result.reason is Reason.UNTRUSTED_CHAIN
    assert MARK.decode() not in repr(result)


async def cancelled_when(reached: asyncio.Event, probe: TlsProbe) -> None:
    task = asyncio.create_task(measure(probe, LOOPBACK, NOW))
    async with asyncio.timeout(3):
        await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_probe_cancelled_in_its_handshake_closes_the_connection(probe: TlsProbe) -> None:
    reached, closed = asyncio.Event(), asyncio.Event()

    async def silent(reader: Reader, writer: Writer) -> None:
        reached.set()
        await reader.read()
        closed.set()

    async with raw_server(silent) as port:
        await cancelled_when(reached, replace(probe, port=port))
        async with asyncio.timeout(3):
            await closed.wait()


async def test_a_probe_cancelled_in_its_request_closes_the_connection(authority: Authority, probe: TlsProbe) -> None:
    client = authority.client().for_client()
    async with tls_server(server_context(authority.issue(NAME), clients=authority)) as server:  # never answers
        await cancelled_when(server.asked, replace(probe, port=server.port, client_certificate=client))
        await server.all_closed()
