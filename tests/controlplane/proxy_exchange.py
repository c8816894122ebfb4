"""One request on its way through the fault proxy, and the rules that it meets."""

import asyncio
import contextlib
import enum
import os
import signal
import socket
import struct
import time
from pathlib import Path
from typing import Any, get_args

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from tests.controlplane.proxy_model import (
    Answer,
    AtRequest,
    AtStream,
    Cut,
    Delay,
    Kill,
    Request,
    Reset,
    Silence,
    Slow,
    Stop,
    Truncate,
    WatchError,
)
from tests.controlplane.proxy_state import ActiveRule, Journal, Rulebook

CLIENT_GONE_CHECK = 0.5  # seconds; nothing wakes a quiet stream when its client has gone
PROCESS_TIMEOUT = 30.0  # seconds for a signalled process to die or stop
HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "proxy-connection"}
)
AT_REQUEST, AT_STREAM = get_args(AtRequest), get_args(AtStream)


class Ending(enum.Enum):
    """How a body ends for the client."""

    COMPLETE = "complete"
    CLOSED = "closed"
    RESET = "reset"


class Exchange:
    """One request and its answer. Once a request has arrived it goes its way, even if its client dies meanwhile."""

    def __init__(self, http: web.BaseRequest, body: bytes, request: Request, journal: Journal, rules: Rulebook) -> None:
        self.http = http
        self.body = body
        self.request = request
        self.journal = journal
        self.rules = rules
        self._stopped = 0

    async def run(self, session: aiohttp.ClientSession, upstream: str) -> web.StreamResponse:
        """Carry the request to the server and the answer back, as far as the rules allow."""
        rule = self.rules.claim(self.request, AT_REQUEST)
        try:
            if rule is not None and (answer := await self._before(rule)) is not None:
                return answer
            return await self._forward(session, URL(upstream + self.http.raw_path, encoded=True), rule)
        except (aiohttp.ClientError, OSError) as error:
            self.request.error = f"{type(error).__name__}: {error}"
            return self._hang_up(Ending.RESET)
        finally:
            self._resume()
            self.request.finished = time.monotonic()
            self.journal.changes.tell()

    async def _before(self, rule: ActiveRule) -> web.StreamResponse | None:
        match rule.action:
            case Answer(status=status, headers=headers, body=body):
                self._answered(status)
                self.rules.apply(rule, self.request)
                return web.Response(status=status, headers=headers, body=body.encode())
            case Reset():
                self.rules.apply(rule, self.request)
                return self._hang_up(Ending.RESET)
            case Kill(when="before"):
                return await self._kill(rule, rule.action)
            case Stop(when="before", first=first):
                await self._hold(rule, rule.action)
                if first == "process":
                    self._resume()
            case Delay(seconds=seconds):
                self.rules.apply(rule, self.request)
                await asyncio.sleep(seconds)
        return None

    async def _after(self, rule: ActiveRule) -> web.StreamResponse | None:
        match rule.action:
            case Kill(when="after"):
                return await self._kill(rule, rule.action)
            case Stop(when="after"):
                await self._hold(rule, rule.action)
        self._resume()
        return None

    async def _kill(self, rule: ActiveRule, action: Kill) -> web.StreamResponse:
        await kill_and_see_dead(action.pid, signal.Signals(action.signal))
        self.rules.apply(rule, self.request)
        return self._hang_up(Ending.RESET)

    async def _hold(self, rule: ActiveRule, action: Stop) -> None:
        self._stopped = action.pid
        await stop_and_see_stopped(action.pid)
        self.rules.apply(rule, self.request)
        await self.rules.changes.until(lambda: rule.released)

    def _resume(self) -> None:
        if self._stopped:
            send_signal(self._stopped, signal.SIGCONT)
            self._stopped = 0

    async def _forward(self, session: aiohttp.ClientSession, url: URL, rule: ActiveRule | None) -> web.StreamResponse:
        self.request.forwarded = True
        async with session.request(
            self.request.method,
            url,
            headers=end_to_end(self.http.headers),
            data=self.body or None,
            allow_redirects=False,
        ) as upstream:
            body = await upstream.read() if rule is not None and self.request.verb != "watch" else b""
            self._answered(upstream.status)
            if rule is not None and (answer := await self._after(rule)) is not None:
                return answer
            headers = end_to_end(upstream.headers)
            response = web.StreamResponse(status=upstream.status, reason=upstream.reason, headers=headers)
            await response.prepare(self.http)
            ending = await Relay(self, response, upstream.content).run(body)
            return response if ending is Ending.COMPLETE else self._hang_up(ending)

    def _answered(self, status: int) -> None:
        self.request.status, self.request.answered = status, time.monotonic()
        self.journal.changes.tell()

    def _hang_up(self, ending: Ending) -> web.StreamResponse:
        """End the connection; what is returned is for the HTTP server's form only, nobody hears it."""
        transport = self.http.transport
        if transport is None or transport.is_closing():
            return web.Response()
        if ending is Ending.RESET:
            lingering = struct.pack("ii", 1, 0)  # close() sends RST instead of FIN
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, lingering)
            transport.abort()
        else:
            transport.close()
        return web.Response()


class Relay:
    """The body of one answer on its way to the client, chunk by chunk as it comes."""

    def __init__(self, exchange: Exchange, response: web.StreamResponse, content: aiohttp.StreamReader) -> None:
        self._exchange = exchange
        self._response = response
        self._content = content
        self._rule: ActiveRule | None = None
        self._at_line_start = True
        self._passed = 0  # bytes since the rule was met

    async def run(self, chunk: bytes) -> Ending:
        """Pass `chunk` and then all that follows, until the server, the client or a rule ends it."""
        ending = await self._meet_rule() or (await self._pass(chunk) if chunk else None)
        reading = asyncio.ensure_future(self._content.readany())
        try:
            while ending is None:
                waking: set[asyncio.Future[Any]] = {reading, self._exchange.rules.changes.next()}
                await asyncio.wait(waking, timeout=CLIENT_GONE_CHECK, return_when=asyncio.FIRST_COMPLETED)
                if self._exchange.http.transport is None:
                    return Ending.CLOSED
                ending = await self._meet_rule()
                if ending is None and reading.done():
                    ending = await self._pass(reading.result())
                    reading = asyncio.ensure_future(self._content.readany() if reading.result() else never())
        finally:
            reading.cancel()
        return ending

    async def _meet_rule(self) -> Ending | None:
        rule = self._exchange.rules.claim(self._exchange.request, AT_STREAM)
        if rule is None:
            return None
        self._rule, self._passed = rule, 0
        match rule.action:
            case Reset():
                return self._apply(Ending.RESET)
            case Cut() | WatchError() as action if self._at_line_start:
                await self._write(action.last_words())
                return self._apply(Ending.COMPLETE)
            case Silence() | Slow():
                self._apply()
        return None

    async def _pass(self, chunk: bytes) -> Ending | None:
        action = self._rule.action if self._rule is not None else None
        if isinstance(action, Silence):
            return None
        if not chunk:
            return Ending.COMPLETE
        match action:
            case Truncate():
                return await self._truncate(chunk, action.after - self._passed)
            case Cut() | WatchError():
                return await self._end_line(chunk, action)
            case Slow(size=size, interval=interval):
                for start in range(0, len(chunk), size):
                    await self._write(chunk[start : start + size])
                    await asyncio.sleep(interval)
            case _:
                await self._write(chunk)
        return None

    async def _truncate(self, chunk: bytes, remaining: int) -> Ending | None:
        if len(chunk) < remaining:
            await self._write(chunk)
            return None
        await self._write(chunk[:remaining].rstrip(b"\n"))
        return self._apply(Ending.CLOSED)

    async def _end_line(self, chunk: bytes, action: Cut | WatchError) -> Ending | None:
        line, newline, _ = chunk.partition(b"\n")
        await self._write(line + newline)
        if not newline:
            return None
        await self._write(action.last_words())
        return self._apply(Ending.COMPLETE)

    async def _write(self, data: bytes) -> None:
        if data:
            await self._response.write(data)
            self._passed += len(data)
            self._at_line_start = data.endswith(b"\n")

    def _apply(self, ending: Ending | None = None) -> Ending | None:
        if self._rule is not None:
            self._exchange.rules.apply(self._rule, self._exchange.request)
        return ending


def end_to_end(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """Return the headers without those that concern one connection only."""
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in HOP_BY_HOP)


async def never() -> bytes:
    """Wait for ever."""
    forever: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    return await forever


def send_signal(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process, if it still lives."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


async def kill_and_see_dead(pid: int, number: signal.Signals) -> None:
    """Send a signal and wait until no thread of the process is left; TimeoutError if it survives."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, dead = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(handle, dead.set)  # readable when the last thread has ended, also before anybody has reaped it
    try:
        send_signal(pid, number)
        async with asyncio.timeout(PROCESS_TIMEOUT):
            await dead.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)


async def stop_and_see_stopped(pid: int) -> None:
    """Stop a process and wait until every thread of it stands still; TimeoutError if it does not."""
    send_signal(pid, signal.SIGSTOP)
    async with asyncio.timeout(PROCESS_TIMEOUT):
        while not all(state in "TZX" for state in thread_states(pid)):
            await asyncio.sleep(0.002)


def thread_states(pid: int) -> list[str]:
    """Return the state letter of each thread that the process has, none if it is gone."""
    states = []
    for thread in Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(OSError):
            states.append(thread.read_text().rpartition(")")[2].split()[0])
    return states
