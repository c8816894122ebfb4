"""A small API server of one type: lists what it is given, streams what it is told, fails as it is told."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from kubernetes.aio.client import Configuration

from breakwater.cluster.client import Client, Login
from tests.controlplane.proxy_model import status_object

Line = bytes | None
"""A piece of a stream; None ends it in the middle of nowhere."""


class FakeServer:
    """What the next requests meet: `failures` first, then `items` for lists and `streams` for watches.

    A watch gets the next of `streams`; when there is none it stays open and silent until `end_silent_watches`.
    Further pages of a list wait for `paging`.
    """

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.version = 1
        self.pages = 500
        self.failures: deque[web.Response] = deque()
        self.streams: deque[list[Line]] = deque()
        self.lists: list[dict[str, str]] = []
        self.watches: list[dict[str, str]] = []
        self.url = ""
        self.paging = asyncio.Event()
        self.paging.set()
        self._ending = asyncio.Event()

    def end_silent_watches(self) -> None:
        """In good order, as a server does after a while."""
        self._ending.set()
        self._ending = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        query = dict(request.query)
        (self.watches if "watch" in query else self.lists).append(query)
        if self.failures:
            return self.failures.popleft()
        return await (self._stream(request) if "watch" in query else self._list(query))

    async def _list(self, query: dict[str, str]) -> web.Response:
        start = int(query.get("continue", "0"))
        if start:
            await self.paging.wait()
        end = start + min(self.pages, int(query["limit"]))
        more = {"continue": str(end)} if end < len(self.items) else {}
        return web.json_response(
            {"metadata": {"resourceVersion": str(self.version), **more}, "items": self.items[start:end]}
        )

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        if not self.streams:
            await self._ending.wait()
            return response
        for line in self.streams.popleft():
            if line is None:
                assert request.transport is not None
                request.transport.abort()
                break
            await response.write(line)
        return response


def event(kind: str, item: dict[str, Any]) -> bytes:
    """A line of a watch."""
    return json.dumps({"type": kind, "object": item}).encode() + b"\n"


def bookmark(version: int) -> bytes:
    """How the server says how far the stream is."""
    return event("BOOKMARK", {"metadata": {"resourceVersion": str(version)}})


def error(code: int) -> bytes:
    """The server's last words in a watch."""
    return event("ERROR", status_object(code))


def refusal(code: int, **headers: str) -> web.Response:
    """An answer that is none."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.json_response(status_object(code), status=code, headers=named)


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[FakeServer, Client]]:
    """The server on a free port of loopback, and a client of it."""
    server, app = FakeServer(), web.Application()
    app.router.add_get("/{path:.*}", server.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    configuration = Configuration()
    configuration.host = server.url
    client = Client(Login(configuration), "test")
    try:
        yield server, client
    finally:
        await client.close()
        await runner.cleanup()
