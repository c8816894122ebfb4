"""List, diff, watch: keeps the inventory true for one type, whatever the stream of events does.

Each list is complete, so what is missing in it has been deleted, even if no event ever said so. A watch that ends is
resumed from its last version; only when the API server has forgotten that version (410) is everything listed again.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from breakwater.cluster.client import (
    JSON,
    METADATA_OF_LIST,
    METADATA_OF_ONE,
    ApiError,
    Client,
    collection_path,
    error_of_status,
)
from breakwater.cluster.inventory import Inventory, Stream, ref_of
from breakwater.kernel.reading import Manifest, Unknown
from breakwater.kernel.references import Ref, Resource

log = logging.getLogger(__name__)

PAGE = 500
# Together they bound how long a dead stream can hide a deletion: the server ends a quiet watch first, normally.
WATCH_SECONDS = 40
SILENCE = 50.0
FIRST_DELAY = 0.5
LONGEST_DELAY = 8.0
LONGEST_RETRY_AFTER = 60.0
# Longer than any watch, request or pause lasts: whoever is quiet for so long hangs.
LONGEST_SILENCE = 180.0


@dataclass(frozen=True, slots=True)
class Feed:
    """What one informer watches.

    Attributes:
        resource: the type.
        scope: a namespace, or empty for all.
        stream: whole objects or metadata only.
        selector: label selector on the server's side.
        reduce: drops what no plan reads, while decoding.
    """

    resource: Resource
    scope: str = ""
    stream: Stream = Stream.WHOLE
    selector: str = ""
    reduce: Callable[[Manifest], Manifest] = lambda manifest: manifest


class RestoredError(Exception):
    """The API server's data was set back to an earlier state; the process must end and begin anew."""


class Informer:
    """Feeds the inventory from one list and watch."""

    def __init__(self, client: Client, inventory: Inventory, feed: Feed) -> None:
        self._client = client
        self._inventory = inventory
        self._feed = feed
        self._path = collection_path(feed.resource, feed.scope)
        self._query = {"labelSelector": feed.selector} if feed.selector else {}
        self._delay = FIRST_DELAY
        self._kicked = asyncio.Event()
        self._heard = time.monotonic()
        self._newest = 0
        self._served = True

    def fault(self) -> str | None:
        """What is wrong with it, for /healthz: a refusal is heard as well, only silence is a fault."""
        silent = time.monotonic() - self._heard
        return f"{self._feed.resource}: nothing heard for {silent:.0f} s" if silent > LONGEST_SILENCE else None

    def kick(self) -> None:
        """Try again at once; the reason of the last failure may be gone."""
        self._kicked.set()

    async def run(self) -> None:
        """Until cancelled.

        Raises:
            RestoredError: resource versions went back.
        """
        version: str | None = None
        while True:
            try:
                if version is None:
                    version = await self._list()
                version = await self._watch(version)
            except ApiError as error:
                version = await self._recover(error, version)

    async def _recover(self, error: ApiError, version: str | None) -> str | None:
        self._heard = time.monotonic()
        if error.status == 410:
            log.info("listing again", extra={"resource": str(self._feed.resource), "why": error.message})
            await self._pause(None)
            return None
        if error.status == 404:
            # Types of engines that a cluster does not have are no trouble; their arrival kicks.
            self._lose(error)
            if self._served:
                log.info("not served", extra={"resource": str(self._feed.resource), "scope": self._feed.scope})
            self._served = False
            await self._pause(None)
            return None
        if error.status == 403:
            self._lose(error)
            version = None
        log.warning(
            "watch interrupted",
            extra={"resource": str(self._feed.resource), "scope": self._feed.scope, "error": str(error)},
        )
        await self._pause(error.retry_after)
        return version

    async def _pause(self, retry_after: float | None) -> None:
        delay = self._delay * random.uniform(0.75, 1.25)  # noqa: S311 - spreading load
        if retry_after is not None:
            delay = min(retry_after, LONGEST_RETRY_AFTER)
        self._delay = min(self._delay * 2, LONGEST_DELAY)
        self._kicked.clear()
        try:
            async with asyncio.timeout(delay):
                await self._kicked.wait()
        except TimeoutError:
            return

    def _lose(self, error: ApiError) -> None:
        resource, scope = self._feed.resource, self._feed.scope
        if error.status == 404:
            why = Unknown("NotServed", f"the API server does not serve {resource}")
        else:
            place = f"in namespace {scope}" if scope else "in all namespaces"
            why = Unknown("Forbidden", f"the operator may not list {resource.plural} {place}; grant it list and watch")
        self._inventory.lost(resource, scope, why, self._feed.stream)

    async def _list(self) -> str:
        feed, names = self._feed, list[Ref]()
        async for page in self._pages():
            # Page by page: decoded, thousands of objects take ten times the memory that they take in the inventory.
            for item in page.get("items") or ():
                names.append(ref_of(feed.resource, item))
                self._inventory.put(feed.resource, self._reduced(item), feed.stream)
            version = str(page["metadata"]["resourceVersion"])
            self._heard = time.monotonic()
        self._served = True
        self._judge(version)
        self._inventory.complete(feed.resource, feed.scope, names, int(version), feed.stream)
        self._delay = FIRST_DELAY
        return version

    def _judge(self, version: str) -> None:
        """Versions only grow, but where etcd was restored from a backup: then nothing that we hold counts any more."""
        if int(version) < self._newest:
            raise RestoredError(f"{self._feed.resource} is at version {version} after {self._newest}")
        self._newest = int(version)

    async def _pages(self) -> AsyncIterator[Manifest]:
        accept = METADATA_OF_LIST if self._feed.stream is Stream.METADATA else JSON
        query = {**self._query, "limit": str(PAGE)}
        while True:
            page = await self._client.request("GET", self._path, query=query, accept=accept)
            yield page
            following = page["metadata"].get("continue")
            if not following:
                return
            query["continue"] = following

    async def _watch(self, version: str) -> str:
        """Take events in until the stream ends; returns the version to resume from."""
        accept = METADATA_OF_ONE if self._feed.stream is Stream.METADATA else JSON
        query = self._query | {
            "watch": "true",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        seen, started = version, time.monotonic()
        try:
            async with self._client.stream(self._path, query, accept, SILENCE) as events:
                async for event in events:
                    seen = self._take(event)
                    self._heard, self._delay = time.monotonic(), FIRST_DELAY
        except ApiError as error:
            if error.status != 0:
                raise
            # The connection broke, not the watch: go on from the last event that came through.
            log.info("watch resumed", extra={"resource": str(self._feed.resource), "error": str(error)})
        self._heard = time.monotonic()
        # Whoever ends our watches as soon as they begin must not be asked without end.
        if seen == version and self._heard - started < LONGEST_DELAY:
            await self._pause(None)
        return seen

    def _take(self, event: Manifest) -> str:
        feed, kind, manifest = self._feed, event["type"], event["object"]
        if kind == "ERROR":
            raise error_of_status(int(manifest.get("code") or 500), manifest)
        if kind in ("ADDED", "MODIFIED"):
            self._inventory.put(feed.resource, self._reduced(manifest), feed.stream)
        elif kind == "DELETED":
            self._inventory.drop(feed.resource, manifest, feed.stream)
        return str(manifest["metadata"]["resourceVersion"])

    def _reduced(self, manifest: Manifest) -> Manifest:
        return self._feed.reduce(manifest)


def metadata_reduced(manifest: Manifest) -> Manifest:
    """Metadata without what could hold data: annotations of others, last-applied among them, are dropped."""
    metadata = manifest["metadata"]
    kept: dict[str, Any] = {
        key: metadata[key]
        for key in ("name", "namespace", "uid", "resourceVersion", "deletionTimestamp", "creationTimestamp")
        if key in metadata
    }
    labels = _of_house(metadata.get("labels"))
    if labels:
        kept["labels"] = labels
    annotations = _of_house(metadata.get("annotations"))
    if annotations:
        kept["annotations"] = annotations
    if labels or annotations:
        kept["managedFields"] = folded(metadata.get("managedFields"), details=False)
    return {"metadata": kept}


def _of_house(pairs: Mapping[str, str] | None) -> dict[str, str]:
    return {
        key: value
        for key, value in (pairs or {}).items()
        if "breakwater.dev/" in key or key == "app.kubernetes.io/managed-by"
    }


def folded(fields: object, *, details: bool) -> list[dict[str, Any]]:
    """ManagedFields reduced to who wrote by which operation; `details` keeps which fields, and when."""
    kept = ("manager", "operation", "subresource", "fieldsV1", "time") if details else ("manager", "operation")
    items = fields if isinstance(fields, list) else []
    return [{key: item[key] for key in kept if key in item} for item in items]


def without_managers(manifest: Manifest) -> Manifest:
    """For types whose writers do not matter."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key != "managedFields"}
    return {**manifest, "metadata": metadata}
