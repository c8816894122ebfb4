"""Requests to the API server without an operator: a bare client, so that its figures are the API server's own."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import aiohttp
import orjson
import yaml

WORKERS = 16
MERGE = "application/merge-patch+json"

T = TypeVar("T")


class RefusedError(RuntimeError):
    """The API server did not do what a measurement needs; the message is its own."""


@dataclass(frozen=True)
class Login:
    """What a kubeconfig with a token says."""

    server: str
    trust: ssl.SSLContext
    token: str

    @classmethod
    def read(cls, kubeconfig: Path) -> Login:
        """Read the file."""
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        return cls(cluster["server"], ssl.create_default_context(cadata=authority), user["token"])


class Bare:
    """One TLS session."""

    def __init__(self, login: Login) -> None:
        """Open the session; a context manager closes it."""
        self._server = login.server
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=login.trust),
            headers={"Authorization": f"Bearer {login.token}"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def send(self, method: str, path: str, body: bytes | None = None, content: str = "application/json") -> bytes:
        """One request; returns the answer's bytes.

        Raises:
            RefusedError: any answer but 2xx.
        """
        async with self._session.request(
            method, self._server + path, data=body, headers={"Content-Type": content}
        ) as answer:
            payload = await answer.read()
        if answer.status >= 300:
            raise RefusedError(f"{method} {path}: {answer.status} {payload[:300].decode(errors='replace')}")
        return payload

    async def items(self, path: str, page: int = 500) -> AsyncIterator[Mapping[str, Any]]:
        """All objects of a collection."""
        following = ""
        while True:
            answer = orjson.loads(await self.send("GET", f"{path}?limit={page}&continue={following}"))
            for item in answer["items"]:
                yield item
            following = answer["metadata"].get("continue") or ""
            if not following:
                return


async def side_by_side(work: Iterable[T], do: Callable[[T], Awaitable[object]], workers: int = WORKERS) -> None:
    """Do all the work with so many at a time."""
    pending = iter(work)

    async def worker() -> None:
        for item in pending:
            await do(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(worker())
