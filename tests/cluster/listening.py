"""Servers on loopback that write down who came and what was said, for tests that are no coroutines."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from tests.unit.probes.servers import raw_server

T = TypeVar("T")
Start = Callable[[AbstractAsyncContextManager[T]], T]


@dataclass
class Door:
    """A port, and how many connections it has seen."""

    port: int = 0
    knocks: list[str] = field(default_factory=list)


@asynccontextmanager
async def door() -> AsyncIterator[Door]:
    """Accept TCP connections and say nothing."""
    opened = Door()

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.knocks.append(str(writer.get_extra_info("peername")))
        await reader.read()

    async with raw_server(note) as port:
        opened.port = port
        yield opened


@contextmanager
def listening() -> Iterator[Start[T]]:
    """A function that starts a server in a loop of its own; all of them end with the block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="listening")
    thread.start()
    servers = AsyncExitStack()
    try:
        yield lambda server: asyncio.run_coroutine_threadsafe(servers.enter_async_context(server), loop).result(10)
    finally:
        asyncio.run_coroutine_threadsafe(servers.aclose(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
