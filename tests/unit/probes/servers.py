"""Servers on loopback: honest ones that record every word of the client, and hostile ones written by hand."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.unit.probes.authority import Authority, Credential

CLIENT_HELLO, CERTIFICATE = 1, 11
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Heard:
    """What one client said, decrypted: the types and content of its handshake messages, and its application data."""

    messages: list[int] = field(default_factory=list)
    content: bytes = b""
    data: bytes = b""
    server_name: str | None = None
    said_goodbye: bool = False
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Recorder:
    port: int = 0
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    heard: list[Heard] = field(default_factory=list)

    async def all_closed(self) -> None:
        async with asyncio.timeout(5):
            await asyncio.gather(*(one.closed.wait() for one in self.heard))


def server_context(
    credential: Credential,
    clients: Authority | None = None,
    *,
    demand: ssl.VerifyMode = ssl.CERT_REQUIRED,
    version: ssl.TLSVersion | None = None,
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # these servers may show what no server should
    credential.load_into(context)
    if clients:
        context.verify_mode = demand
        context.load_verify_locations(cadata=clients.pem.decode())
    if version:
        context.minimum_version = context.maximum_version = version
    return context


@asynccontextmanager
async def raw_server(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve TCP, or TLS by asyncio, by hand; yields the port. Connections end with the server."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await handler(reader, writer)
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


@asynccontextmanager
async def tls_server(
    context: ssl.SSLContext, answer: bytes = b"", known: bytes | None = None
) -> AsyncIterator[Recorder]:
    """Serve TLS, answer any data with `answer` (clients with a certificate: `known`), write down what clients say."""
    recorder = Recorder()
    sessions = _listen(context)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard = Heard(asked=recorder.asked)
        recorder.heard.append(heard)
        try:
            await _converse(context, sessions, (answer, known), heard, (reader, writer))
        finally:
            heard.closed.set()

    async with raw_server(serve) as port:
        recorder.port = port
        yield recorder


def _listen(context: ssl.SSLContext) -> dict[object, Heard]:
    """Write down what is said in the context's sessions, several of which may be under way at a time."""
    sessions: dict[object, Heard] = {}

    def listen(conn: object, direction: str, _: object, content_type: int, message_type: int, data: bytes) -> None:
        if conn in sessions and direction == "read" and content_type == 22:
            sessions[conn].messages.append(int(message_type))
            sessions[conn].content += data

    def name(conn: object, server_name: str | None, _: ssl.SSLContext) -> None:
        sessions[conn].server_name = server_name

    # Before the first session: one without a callback at its birth has none.
    context._msg_callback = listen  # type: ignore[attr-defined]
    context.sni_callback = name
    return sessions


async def _converse(
    context: ssl.SSLContext,
    sessions: dict[object, Heard],
    answers: tuple[bytes, bytes | None],
    heard: Heard,
    connection: tuple[asyncio.StreamReader, asyncio.StreamWriter],
) -> None:
    reader, writer = connection
    answer, known = answers
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_side=True)
    sessions[tls] = heard
    step: Callable[[], object] = tls.do_handshake
    while True:
        try:
            result = step()
        except ssl.SSLWantReadError:
            writer.write(outgoing.read())
            data = await reader.read(65536)
            if not data:
                return
            incoming.write(data)
            continue
        except ssl.SSLError:
            writer.write(outgoing.read())
            await writer.drain()
            return
        if isinstance(result, bytes):
            if not result:
                heard.said_goodbye = True
                return
            heard.data += result
            heard.asked.set()
            chosen = known if known is not None and tls.getpeercert() else answer
            if not chosen and known is not None:
                return
            tls.write(chosen)
        writer.write(outgoing.read())
        step = lambda: tls.read(65536)  # noqa: E731 - the next step, in the place where steps are named
