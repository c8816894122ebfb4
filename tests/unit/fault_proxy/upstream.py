"""A small server over TLS that plays the API server for the tests of the fault proxy."""

import asyncio
import dataclasses
import ssl
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import trustme
from aiohttp import web


@dataclasses.dataclass(frozen=True)
class Received:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Upstream:
    """Answers everything with `{}`, with `echo` with the request's body, and watches with what the test emits."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.ca_file = folder / "ca.pem"
        authority.cert_pem.write_to_path(self.ca_file)
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("127.0.0.1").configure_cert(self._tls)
        self.received: list[Received] = []
        self.gate = threading.Event()  # requests with `gate` are answered only while it is set
        self.gate.set()
        self.url = ""
        self._streams: set[asyncio.Queue[bytes]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    @property
    def watches(self) -> int:
        return len(self._streams)

    def emit(self, data: bytes) -> None:
        """Send bytes on every watch; none end it."""
        asyncio.run_coroutine_threadsafe(self._emit(data), self._loop).result(5)

    def end_watches(self) -> None:
        self.emit(b"")

    async def _emit(self, data: bytes) -> None:
        for stream in self._streams:
            stream.put_nowait(data)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(5)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> None:
        server = web.Server(self._handle, auto_decompress=False, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls).start()
        self.url = f"https://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.content.read()
        self.received.append(Received(request.method, request.raw_path, dict(request.headers), body))
        if "watch" in request.query:
            return await self._watch(request)
        if "gate" in request.query:
            await asyncio.to_thread(self.gate.wait, 30)
        if "echo" not in request.query:
            return web.Response(body=b"{}", content_type="application/json")
        response = web.Response(body=body, content_type="application/json")
        if encoding := request.headers.get("Content-Encoding"):
            response.headers["Content-Encoding"] = encoding
        response.headers.extend([("Warning", "299 - a"), ("Warning", "299 - b")])
        return response

    async def _watch(self, request: web.BaseRequest) -> web.StreamResponse:
        response, stream = web.StreamResponse(), asyncio.Queue[bytes]()
        await response.prepare(request)
        self._streams.add(stream)
        try:
            while data := await stream.get():
                await response.write(data)
        finally:
            self._streams.discard(stream)
        return response
