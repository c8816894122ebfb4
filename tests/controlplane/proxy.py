"""A reverse proxy that stands between an operator and a real API server and does to it what networks and kernels do.

It runs as a process of its own, so that it outlives the operator that it kills; tests run it by `FaultProxy`.
It speaks HTTP/1.1 over TLS, without upgrades. A request is read whole, an answer is passed on chunk by chunk; bodies
and end-to-end headers stay as they are. A client certificate ends at the proxy, so clients bring bearer tokens.
"""

import argparse
import asyncio
import json
import os
import signal
import ssl
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web
from pydantic_core import to_json

from tests.controlplane.proxy_exchange import Exchange
from tests.controlplane.proxy_model import WRITES, Match, Request, Rule
from tests.controlplane.proxy_state import Journal, Rulebook

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LONGEST_LINE = 1 << 16  # bytes of a request line or header; a continue token and a bearer token are long
UPSTREAM_KEEPALIVE = 30.0  # seconds, less than the API server's 90, so that no request meets a connection just closed
SHUTDOWN = 0.1  # seconds for requests under way; 0 would be for ever
OUR_HEADERS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")  # the client library would add them


class Proxy:
    """The proxy's two faces: `handle` for the operator, `control` for the test."""

    def __init__(self, session: aiohttp.ClientSession, upstream: str) -> None:
        self._session = session
        self._upstream = upstream.rstrip("/")
        self._journal = Journal(WRITES)
        self._rules = Rulebook()
        self._operations: dict[str, Callable[..., Awaitable[object]]] = {
            "log": self._log,
            "reset": self._reset,
            "wait_for": self._wait_for,
            "add": self._add,
            "remove": self._remove,
            "clear": self._clear,
            "release": self._release,
            "wait_applied": self._wait_applied,
        }

    async def handle(self, http: web.BaseRequest) -> web.StreamResponse:
        """Serve one request of the operator."""
        started = time.monotonic()
        body = await http.content.read()
        request = self._journal.enter(http, started)
        return await Exchange(http, body, request, self._journal, self._rules).run(self._session, self._upstream)

    async def control(self, http: web.Request) -> web.Response:
        """Carry out the operation that the path names, with the arguments in the body; 504 where it timed out."""
        try:
            result = await self._operations[http.match_info["operation"]](**await http.json())
        except TimeoutError:
            return web.Response(status=504)
        return web.Response(body=to_json(result), content_type="application/json")

    async def _log(self) -> list[Request]:
        return self._journal.requests

    async def _reset(self, count: dict[str, object] | None) -> None:
        self._journal.reset(None if count is None else Match.model_validate(count))

    async def _wait_for(self, match: dict[str, object], state: str, nth: int, within: float) -> list[Request]:
        wanted = Match.model_validate(match)

        def found() -> list[Request]:
            reached = (request for request in self._journal.requests if state == "seen" or getattr(request, state))
            return [request for request in reached if wanted.accepts(request)][nth - 1 : nth]

        return await self._journal.changes.until(found, within)

    async def _add(self, **rule: object) -> int:
        return self._rules.add(Rule.model_validate(rule), since=self._journal.last_serial)

    async def _remove(self, rule: int) -> None:
        self._rules.remove(rule)

    async def _clear(self) -> None:
        for rule in list(self._rules.active):
            self._rules.remove(rule)

    async def _release(self, rule: int) -> None:
        self._rules.release(rule)

    async def _wait_applied(self, rule: int, times: int, within: float) -> list[Request]:
        active = self._rules.active[rule]
        await self._rules.changes.until(lambda: len(active.applied) >= times, within)
        return active.applied


async def serve(arguments: argparse.Namespace) -> None:
    """Serve until SIGTERM, SIGINT or the end of the parent."""
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    if arguments.parent:
        loop.add_reader(os.pidfd_open(arguments.parent), over.set)  # readable when that process has ended
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            ssl=ssl.create_default_context(cafile=arguments.upstream_ca), limit=0, keepalive_timeout=UPSTREAM_KEEPALIVE
        ),
        timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=OUR_HEADERS,
        max_line_size=LONGEST_LINE,
        max_field_size=LONGEST_LINE,
    ) as session:
        await listen(arguments, Proxy(session, arguments.upstream), over)


async def listen(arguments: argparse.Namespace, proxy: Proxy, over: asyncio.Event) -> None:
    """Open both faces, print where the operator's is as a line of JSON, and close them when it is over."""
    server = web.Server(
        proxy.handle, access_log=None, auto_decompress=False, max_line_size=LONGEST_LINE, max_field_size=LONGEST_LINE
    )
    traffic = web.ServerRunner(server, shutdown_timeout=SHUTDOWN)
    application = web.Application()
    application.router.add_post("/{operation}", proxy.control)
    control = web.AppRunner(application, access_log=None, shutdown_timeout=SHUTDOWN)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(arguments.certificate, arguments.key)
    host, _, port = arguments.listen.rpartition(":")
    try:
        await traffic.setup()
        await control.setup()
        await web.TCPSite(traffic, host, int(port), ssl_context=tls).start()
        await web.UnixSite(control, arguments.control).start()
        sys.stdout.write(json.dumps({"url": f"https://{host}:{traffic.addresses[0][1]}"}) + "\n")
        sys.stdout.flush()
        await over.wait()
    finally:
        await control.cleanup()
        await traffic.cleanup()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m tests.controlplane.proxy", description=__doc__)
    parser.add_argument("--upstream", required=True, help="URL of the API server")
    parser.add_argument(
        "--upstream-ca", required=True, type=Path, help="PEM file that its certificate is verified with"
    )
    parser.add_argument("--listen", default="127.0.0.1:0", help="address for the operator")
    parser.add_argument("--certificate", required=True, type=Path)
    parser.add_argument("--key", required=True, type=Path)
    parser.add_argument("--control", required=True, type=Path, help="path for the Unix socket that controls the proxy")
    parser.add_argument("--parent", type=int, default=0, help="process whose end ends the proxy")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
