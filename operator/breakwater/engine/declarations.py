"""Our own kinds: kopf watches them and feeds the inventory; we make sure that it missed nothing.

Kopf does not report deletions that happened while its stream was cut: it lists again and hands out what is there. So a
burst of listed objects, and now and then without one, a metadata list is compared with what the inventory holds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping

from breakwater.cluster.client import METADATA_OF_LIST, ApiError, Client, collection_path
from breakwater.cluster.informer import PAGE, without_managers
from breakwater.cluster.inventory import Inventory, ref_of
from breakwater.cluster.writes import Writer
from breakwater.kernel.reading import Absent, Manifest, Present, Unknown
from breakwater.kernel.references import Ref, Resource, definition_of

log = logging.getLogger(__name__)

SWEEP = 300.0
GATHER = 0.3
PATIENCE = 20
RETRY = 2.0


class Declarations:
    """Keeps the inventory true for the kinds that kopf watches."""

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
        self._scopes = {resource: scopes if resource.namespaced else ("",) for resource in resources}
        self._doubts = {resource: asyncio.Event() for resource in self._scopes}
        self._by_kind = {resource.kind: resource for resource in self._scopes}

    def feed(self, kind: str, event_type: str | None, manifest: Manifest) -> None:
        """One event of kopf's, in our loop. A type of None means that it was listed, perhaps after a gap."""
        resource = self._by_kind[kind]
        if event_type == "DELETED":
            self._inventory.drop(resource, manifest)
            return
        self._inventory.put(resource, without_managers(manifest))
        if event_type is None:
            self._doubts[resource].set()

    def doubt(self, name: str) -> None:
        """The definition of this name (`plural.group`) changed."""
        for resource in self._scopes:
            if definition_of(resource).name == name:
                self._doubts[resource].set()

    async def run(self) -> None:
        """Compare all kinds until cancelled."""
        async with asyncio.TaskGroup() as group:
            for resource in self._scopes:
                group.create_task(self._watch_over(resource))

    async def _watch_over(self, resource: Resource) -> None:
        doubt = self._doubts[resource]
        while True:
            doubt.clear()
            wait = SWEEP
            for scope in self._scopes[resource]:
                try:
                    await self._compare(resource, scope)
                except ApiError as error:
                    self._lose(resource, scope, error)
                    wait = error.retry_after or RETRY
            await _either(doubt, wait)
            await asyncio.sleep(GATHER)

    async def _compare(self, resource: Resource, scope: str) -> None:
        terminating = self._terminating(resource)
        if terminating is not None:
            self._inventory.lost(resource, scope, terminating)
            return
        refs, version = await self._list(resource, scope)
        await self._await_kopf(refs)
        self._inventory.complete(resource, scope, refs, version)

    async def _await_kopf(self, refs: Mapping[Ref, None]) -> None:
        """Kopf hands out the same list a moment earlier or later; what it never hands out is read by name."""
        for _ in range(PATIENCE):
            missing = [ref for ref in refs if not isinstance(self._inventory.metadata(ref), Present)]
            if not missing:
                return
            await asyncio.sleep(GATHER)
        for ref in missing:
            manifest = await self._writer.read(ref)
            if manifest is not None:
                self._inventory.put(ref.resource, without_managers(manifest))

    async def _list(self, resource: Resource, scope: str) -> tuple[dict[Ref, None], int]:
        refs: dict[Ref, None] = {}
        query = {"limit": str(PAGE)}
        while True:
            path = collection_path(resource, scope)
            page = await self._client.request("GET", path, query=query, accept=METADATA_OF_LIST)
            refs |= dict.fromkeys(ref_of(resource, item) for item in page.get("items") or ())
            following = page["metadata"].get("continue")
            if not following:
                return refs, int(page["metadata"]["resourceVersion"])
            query["continue"] = following

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


async def _either(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
