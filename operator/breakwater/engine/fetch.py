"""Reads foreign Secrets and ConfigMaps by name, because a plan asked for them, and again when they change."""

from __future__ import annotations

import asyncio
import logging

from breakwater.cluster.client import ApiError
from breakwater.cluster.inventory import Inventory
from breakwater.cluster.writes import Writer
from breakwater.engine.reduce import made_by_us
from breakwater.engine.wakes import Reads
from breakwater.kernel.reading import Entry, Unknown
from breakwater.kernel.references import Ref

log = logging.getLogger(__name__)

TICK = 0.05
RETRY_AFTER = 2.0
RETRY_FORBIDDEN = 30.0
AT_ONCE = 8


class Fetcher:
    """One GET per foreign object and version that somebody wants."""

    def __init__(self, writer: Writer, inventory: Inventory, reads: Reads) -> None:
        self._writer = writer
        self._inventory = inventory
        self._reads = reads
        self._places = asyncio.Semaphore(AT_ONCE)
        self._busy: dict[Ref, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                for ref in self._reads.take_wanted():
                    if ref in self._busy:
                        # The answer on its way may be about an earlier object of that name.
                        self._reads.wanted(ref)
                    else:
                        self._busy[ref] = asyncio.create_task(self._fetch(ref))
                await asyncio.sleep(TICK)
        finally:
            for task in self._busy.values():
                task.cancel()

    async def _fetch(self, ref: Ref) -> None:
        try:
            async with self._places:
                manifest = await self._writer.read(ref)
            if manifest is not None:
                self._inventory.fetched(ref, Entry.of(made_by_us(manifest)))
        except ApiError as error:
            await self._refused(ref, error)
        except Exception:
            # Nobody awaits this task: whoever waits for the object must not wait for ever.
            log.exception("bug", extra={"object": str(ref)})
            await asyncio.sleep(RETRY_AFTER)
            self._reads.wanted(ref)
        finally:
            self._busy.pop(ref, None)

    async def _refused(self, ref: Ref, error: ApiError) -> None:
        log.warning("not readable", extra={"object": str(ref), "error": str(error)})
        wait = error.retry_after or RETRY_AFTER
        if error.status == 403:
            wait = RETRY_FORBIDDEN
            message = f"the operator may not read {ref}; grant it get on this {ref.resource.kind}"
            self._inventory.fetched(ref, Unknown("Forbidden", message))
        await asyncio.sleep(wait)
        if self._reads.is_wanted(ref):
            self._inventory.refetch(ref)
