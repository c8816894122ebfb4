"""What the fault proxy remembers: the requests that it saw and the rules in force."""

import asyncio
import itertools
from collections.abc import Callable
from typing import TypeVar

from aiohttp import web

from tests.controlplane.proxy_model import (
    READING_METHODS,
    Cut,
    Kill,
    Match,
    Request,
    Rule,
    Stop,
    WatchError,
    parse_target,
)

T = TypeVar("T")


class Changes:
    """Wakes all who wait whenever something has changed."""

    def __init__(self) -> None:
        self._next: asyncio.Future[None] | None = None

    def next(self) -> asyncio.Future[None]:
        """Return a future of the next change; shared, so never await it but through asyncio.wait."""
        if self._next is None or self._next.done():
            self._next = asyncio.get_running_loop().create_future()
        return self._next

    def tell(self) -> None:
        """Wake everybody."""
        if self._next is not None and not self._next.done():
            self._next.set_result(None)

    async def until(self, found: Callable[[], T | None], within: float | None = None) -> T:
        """Wait until `found` returns something true and return it; TimeoutError after `within` seconds."""
        async with asyncio.timeout(within):
            while not (result := found()):
                await asyncio.wait({self.next()})
            return result


class Journal:
    """All requests since the last reset, numbered in the order in which their last byte arrived."""

    def __init__(self, count: Match) -> None:
        self.requests: list[Request] = []
        self.last_serial = 0
        self.changes = Changes()
        self._count = count
        self._writes = itertools.count(1)

    def enter(self, http: web.BaseRequest, started: float) -> Request:
        """Number a request that has arrived."""
        path, _, query = http.raw_path.partition("?")
        self.last_serial += 1
        request = Request(
            serial=self.last_serial,
            number=len(self.requests) + 1,
            write_number=None,
            method=http.method,
            path=path,
            query=query,
            user_agent=http.headers.get("User-Agent", ""),
            mutating=http.method not in READING_METHODS,
            dry_run="dryRun=All" in query.split("&"),
            started=started,
            **parse_target(http.method, path, query)._asdict(),
        )
        if self._count.accepts(request):
            request.write_number = next(self._writes)
        self.requests.append(request)
        self.changes.tell()
        return request

    def reset(self, count: Match | None) -> None:
        """Forget all requests and number from 1 again; streams that live on have the number 0 from now on."""
        for request in self.requests:
            request.number, request.write_number = 0, None
        self.requests, self._writes = [], itertools.count(1)
        self._count = count or self._count


class ActiveRule:
    """A rule in force, with what it has done."""

    def __init__(self, rule: Rule, since: int) -> None:
        self.rule = rule
        self.action = rule.action
        self.released = False
        self.applied: list[Request] = []
        self._since = since
        self._matched: set[int] = set()

    def claims(self, request: Request) -> bool:
        """Count a request that matches, once, and say whether the rule applies to it."""
        if request.serial in self._matched or not self._in_scope(request) or not self.rule.match.accepts(request):
            return False
        self._matched.add(request.serial)
        times = 1 if isinstance(self.action, Kill | Stop) else self.rule.times
        return len(self._matched) >= self.rule.nth and (times is None or len(self._matched) < self.rule.nth + times)

    def _in_scope(self, request: Request) -> bool:
        if isinstance(self.action, Cut | WatchError) and request.verb != "watch":
            return False
        live = request.serial <= self._since
        return self.rule.scope == "all" or live == (self.rule.scope == "live")


class Rulebook:
    """The rules in force, in order."""

    def __init__(self) -> None:
        self.active: dict[int, ActiveRule] = {}
        self.changes = Changes()
        self._ids = itertools.count(1)

    def add(self, rule: Rule, since: int) -> int:
        """Put a rule in force behind the others; requests up to the serial `since` are live."""
        number = next(self._ids)
        self.active[number] = ActiveRule(rule, since)
        self.changes.tell()
        return number

    def remove(self, number: int) -> None:
        """Take a rule out of force and let go of what it holds."""
        self.release(number)
        del self.active[number]

    def release(self, number: int) -> None:
        """Let go of the request that a Stop holds."""
        self.active[number].released = True
        self.changes.tell()

    def claim(self, request: Request, kinds: tuple[type, ...]) -> ActiveRule | None:
        """Return the first rule with an action of these kinds that claims the request."""
        return next(
            (rule for rule in self.active.values() if isinstance(rule.action, kinds) and rule.claims(request)), None
        )

    def apply(self, rule: ActiveRule, request: Request) -> None:
        """Record that the rule has taken effect."""
        rule.applied.append(request)
        self.changes.tell()
