"""Our own kinds: kopf watches them and feeds the inventory; we make sure that it missed nothing.

Kopf does not report deletions that happened while its stream was cut: it lists again and hands out what is there. So a
burst of listed objects, and now and then without one, a metadata list is compared with what the inventory holds.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping

from breakwater.cluster.client import METADATA_OF_LIST, ApiError, Client, collection_path
from breakwater.cluster.informer import PAGE, without_managers
from breakwater.cluster.inventory import Inventory, ref_of
from breakwater.cluster.writes import Writer
from breakwater.kernel.reading import Absent, Manifest, Present, Unknown
from breakwater.kernel.references import Ref, Resource, definition_of

log = logging.getLogger(__name__)

SWEEP = 300.0
GLANCE = 20.0
GATHER = 0.3
PATIENCE = 20
RETRY = 2.0

Place = tuple[Resource, str]


class Declarations:
    """Keeps the inventory true for the kinds that kopf watches, in each scope for itself."""

    def __init__(
        self,
        client: Client,
        writer: Writer,
        inventory: Inventory,
        resources: Iterable[Resource],
        scopes: tuple[str, ...],
    ) -> None:
        self._client = client
        self._writer = writer
        self._inventory = inventory
        self._by_kind = {resource.kind: resource for resource in resources}
        self._doubts: dict[Place, asyncio.Event] = {}
        for resource in self._by_kind.values():
            for scope in scopes if resource.namespaced else ("",):
                self._doubts[resource, scope] = asyncio.Event()

    def feed(self, kind: str, event_type: str | None, manifest: Manifest) -> None:
        """One event of kopf's, in our loop. A type of None means that it was listed, perhaps after a gap."""
        resource = self._by_kind[kind]
        try:
            if event_type == "DELETED":
                self._inventory.drop(resource, manifest)
            else:
                self._inventory.put(resource, without_managers(manifest))
        except Exception:
            # Nobody awaits this; one object that cannot be taken in must not take the rest along.
            log.exception("bug", extra={"object": str(ref_of(resource, manifest)), "event": event_type})
        if event_type is None:
            for scope in ("", manifest["metadata"].get("namespace", "")):
                if (resource, scope) in self._doubts:
                    self._doubts[resource, scope].set()

    def doubt(self, name: str) -> None:
        """The definition of this name (`plural.group`) changed."""
        for (resource, _), doubt in self._doubts.items():
            if definition_of(resource).name == name:
                doubt.set()

    async def run(self) -> None:
        """Compare all kinds until cancelled."""
        async with asyncio.TaskGroup() as group:
            for resource, scope in self._doubts:
                group.create_task(self._watch_over(resource, scope))

    async def _watch_over(self, resource: Resource, scope: str) -> None:
        doubt = self._doubts[resource, scope]
        while True:
            doubt.clear()
            try:
                await self._compare(resource, scope)
                await self._until_doubtful(resource, scope)
            except ApiError as error:
                self._lose(resource, scope, error)
                await _either(doubt, error.retry_after or RETRY)
            await asyncio.sleep(GATHER)

    async def _until_doubtful(self, resource: Resource, scope: str) -> None:
        """Until kopf listed again, or the API server counts other than we do.

        When everything was deleted in a gap, kopf lists nothing, and hence says nothing.
        """
        ends = time.monotonic() + SWEEP
        while time.monotonic() < ends:
            if await _either(self._doubts[resource, scope], GLANCE):
                return
            if await self._count(resource, scope) != self._held(resource, scope):
                return

    async def _count(self, resource: Resource, scope: str) -> int:
        page = await self._page(resource, scope, {"limit": "1"})
        return len(page.get("items") or ()) + int(page["metadata"].get("remainingItemCount") or 0)

    def _held(self, resource: Resource, scope: str) -> int:
        return sum(1 for ref, _ in self._inventory.held(resource) if scope in ("", ref.namespace))

    async def _compare(self, resource: Resource, scope: str) -> None:
        terminating = self._terminating(resource)
        if terminating is not None:
            self._inventory.lost(resource, scope, terminating)
            return
        versions, version = await self._list(resource, scope)
        await self._await_kopf(versions)
        self._inventory.complete(resource, scope, versions, version)

    async def _await_kopf(self, versions: Mapping[Ref, int]) -> None:
        """Kopf hands out the same list a moment earlier or later; what it never hands out is read by name."""
        behind, waits = list(versions), 0
        while waits < PATIENCE:
            before = len(behind)
            behind = [ref for ref in behind if self._is_behind(ref, versions[ref])]
            if not behind:
                return
            # Thousands take their time, and are waited for as long as there are fewer each time.
            waits = 0 if len(behind) < before else waits + 1
            await asyncio.sleep(GATHER)
        log.warning("kopf is behind", extra={"objects": len(behind), "first": str(behind[0])})
        for ref in behind:
            manifest = await self._writer.read(ref)
            if manifest is not None:
                self._inventory.put(ref.resource, without_managers(manifest))

    def _is_behind(self, ref: Ref, version: int) -> bool:
        held = self._inventory.metadata(ref)
        return not isinstance(held, Present) or held.value.version < version

    async def _list(self, resource: Resource, scope: str) -> tuple[dict[Ref, int], int]:
        versions: dict[Ref, int] = {}
        query = {"limit": str(PAGE)}
        while True:
            page = await self._page(resource, scope, query)
            for item in page.get("items") or ():
                versions[ref_of(resource, item)] = int(item["metadata"]["resourceVersion"])
            following = page["metadata"].get("continue")
            if not following:
                return versions, int(page["metadata"]["resourceVersion"])
            query["continue"] = following

    async def _page(self, resource: Resource, scope: str, query: Mapping[str, str]) -> Manifest:
        path = collection_path(resource, scope)
        return await self._client.request("GET", path, query=query, accept=METADATA_OF_LIST)

    def _terminating(self, resource: Resource) -> Unknown | None:
        definition = self._inventory.metadata(definition_of(resource))
        if isinstance(definition, Absent):
            return Unknown("NotServed", f"the definition of {resource} is not installed; apply the CRDs")
        if isinstance(definition, Present) and "deletionTimestamp" in definition.value.metadata:
            return Unknown("KindTerminating", f"the definition of {resource} is being deleted")
        return None

    def _lose(self, resource: Resource, scope: str, error: ApiError) -> None:
        log.warning("declarations not listed", extra={"resource": str(resource), "scope": scope, "error": str(error)})
        if error.status == 404:
            self._inventory.lost(resource, scope, Unknown("NotServed", f"the API server does not serve {resource}"))
        elif error.status == 403:
            self._inventory.lost(resource, scope, Unknown("Forbidden", f"the operator may not list {resource.plural}"))


async def _either(event: asyncio.Event, seconds: float) -> bool:
    """Whether the event came before the time was over."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
