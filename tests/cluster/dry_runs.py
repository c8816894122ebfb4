"""Many requests at once that the API server judges but does not keep, with its refusals and its warnings."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import aiohttp
import orjson

from breakwater.cluster.client import Login

_AT_ONCE = 12
_WARNING = re.compile(r'299 \S+ "(.*)"')


class Answer(NamedTuple):
    """What the API server said: its code, the message of a refusal, warnings beside it, and what it would store."""

    code: int
    message: str
    warnings: tuple[str, ...]
    stored: Mapping[str, Any]


class DryRuns:
    """An asynchronous client that creates pods and changes them, as dry runs."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig
        self._permits = asyncio.Semaphore(_AT_ONCE)

    async def __aenter__(self) -> Self:
        self._login = await Login.load(str(self._kubeconfig))
        connector = aiohttp.TCPConnector(limit=_AT_ONCE, ssl=self._login.tls())
        authorization = await self._login.authorization()
        headers = {"Authorization": authorization} if authorization else {}
        self._session = aiohttp.ClientSession(self._login.server, connector=connector, headers=headers)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def create(self, pods: Iterable[tuple[str, Mapping[str, Any]]]) -> list[Answer]:
        """Create each (namespace, pod), whatever the pod is called."""
        return await asyncio.gather(*(self.create_one(namespace, pod) for namespace, pod in pods))

    async def create_one(self, namespace: str, pod: Mapping[str, Any]) -> Answer:
        """Create one pod, whatever it is called."""
        metadata = {**(pod.get("metadata") or {}), "name": "sample"}  # some samples' own names are no names of pods
        return await self._request("POST", f"/api/v1/namespaces/{namespace}/pods", {**pod, "metadata": metadata})

    async def patch(self, namespace: str, name: str, change: Mapping[str, Any], subresource: str = "") -> Answer:
        """Change a pod that is there by a strategic merge patch."""
        return await self._request("PATCH", f"/api/v1/namespaces/{namespace}/pods/{name}{subresource}", change)

    async def _request(self, method: str, path: str, body: Mapping[str, Any]) -> Answer:
        kind = "application/strategic-merge-patch+json" if method == "PATCH" else "application/json"
        async with (
            self._permits,
            self._session.request(
                method, path, params={"dryRun": "All"}, data=orjson.dumps(body), headers={"Content-Type": kind}
            ) as response,
        ):
            answer = orjson.loads(await response.read())
            said = [_WARNING.fullmatch(text) for text in response.headers.getall("Warning", [])]
            warnings = tuple(match[1] for match in said if match)
            return Answer(response.status, str(answer.get("message", "")), warnings, answer)
