"""A session that waits out what its user would die of: the transport below kopf.

Kopf gives up, and takes the process with it, when requests keep failing, and at once when a watch is forbidden, even in
one namespace of many. Here a request that fails for a reason that can pass is sent again until it passes; its user only
sees an answer that took longer, while its other requests go on. What comes inside of a watch, after its answer has
begun, is not looked at: an error other than 410 there ends kopf, and so the process.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable

import aiohttp

from breakwater.cluster.client import Login
from breakwater.kernel.references import Resource

log = logging.getLogger(__name__)

Handler = Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]]

FIRST_DELAY = 0.5
LONGEST_DELAY = 8.0
LONGEST_RETRY_AFTER = 60.0
CONNECT_SECONDS = 5.0


class Patience:
    """An aiohttp client middleware.

    Args:
        login: who we are; its token is asked for anew at each attempt.
        resource: what the session is for. Until it is served, discovery has no answer either, and neither its absence
            nor a 403 is told.
    """

    def __init__(self, login: Login, resource: Resource) -> None:
        self._login = login
        self._resource = resource
        self._groups, self._version = "/apis", f"/apis/{resource.api_version}"
        self._asked = time.monotonic()

    def idle(self) -> float:
        """Seconds since the last request was sent."""
        return time.monotonic() - self._asked

    def session(self, user_agent: str) -> aiohttp.ClientSession:
        """A session of the running loop that is patient; whoever uses it closes it."""
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self._login.tls(), keepalive_timeout=60),
            headers={"User-Agent": user_agent},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
            proxy=self._login.proxy(),
            middlewares=(self,),
        )

    async def __call__(self, request: aiohttp.ClientRequest, handler: Handler) -> aiohttp.ClientResponse:
        """Send until there is an answer that time does not change."""
        delay = FIRST_DELAY
        while True:
            wait = await self._attempt(request, handler)
            if isinstance(wait, aiohttp.ClientResponse):
                return wait
            await asyncio.sleep(max(wait, delay * random.uniform(0.75, 1.0)))  # noqa: S311 - spreading load
            delay = min(delay * 2, LONGEST_DELAY)

    async def _attempt(self, request: aiohttp.ClientRequest, handler: Handler) -> aiohttp.ClientResponse | float:
        """The answer, or for how many seconds at least it asks to wait."""
        path, self._asked = request.url.path, time.monotonic()
        authorization = await self._login.authorization()
        if authorization:
            request.headers["Authorization"] = authorization
        try:
            response = await handler(request)
        except (aiohttp.ClientConnectionError, TimeoutError) as error:
            log.warning("no answer", extra={"path": path, "error": type(error).__name__})
            return 0.0
        if response.status == 410 and "continue" in request.url.query:
            # Page by page a list takes time, and its place in it expires: from the first page on it is as complete.
            request.url = request.url.without_query_params("continue")
        elif self._passes(response.status, path):
            log.warning("refused", extra={"path": path, "status": response.status})
        elif await self._names_it(response, path):
            return response
        response.release()
        return _retry_after(response.headers.get("Retry-After", ""))

    def _passes(self, status: int, path: str) -> bool:
        return status in (401, 429) or status >= 500 or (status in (403, 404) and self._version in path)

    async def _names_it(self, response: aiohttp.ClientResponse, path: str) -> bool:
        """Whether an answer of discovery names the resource; true for all other answers."""
        if path.endswith(self._groups):
            return any(item["name"] == self._resource.group for item in (await response.json()).get("groups") or ())
        if path.endswith(self._version):
            return any(item["name"] == self._resource.plural for item in (await response.json()).get("resources") or ())
        return True


def _retry_after(header: str) -> float:
    return min(float(header), LONGEST_RETRY_AFTER) if header.isdigit() else 0.0
