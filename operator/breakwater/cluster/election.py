"""One leader: a coordination Lease, renewed while we work.

A Lease does not fence: a paused leader may wake up after another took over, so every write is safe by itself (versions,
POST for keys). The Lease only keeps two operators from doing the same work.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from breakwater.cluster.client import ApiError
from breakwater.cluster.writes import Writer
from breakwater.kernel.reading import Manifest
from breakwater.kernel.references import LEASE, Ref

log = logging.getLogger(__name__)

# How often a standby looks, in seconds: the most that a released Lease lies unused.
POLL = 1.0
RELEASE_WITHIN = 2.0


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """Seconds.

    Attributes:
        duration: others take over when the Lease was not renewed for so long.
        renew: from one renewal to the next.
        deadline: a leader that could not renew for so long gives up by itself; shorter than `duration`.
    """

    duration: int = 15
    renew: float = 4.0
    deadline: float = 10.0


class LeaseLostError(Exception):
    """Another instance leads, or this one could not renew in time: the process must end."""


class Election:
    """Acquires and keeps the Lease."""

    def __init__(
        self, writer: Writer, ref: Ref, identity: str, times: LeaseTimes, monotonic: Callable[[], float]
    ) -> None:
        self._writer = writer
        self._ref = ref
        self._identity = identity
        self._times = times
        self._monotonic = monotonic
        self._seen: tuple[str, float] = ("", monotonic())
        self._held: Manifest | None = None
        self._renewed = monotonic()

    async def acquire(self) -> None:
        """Wait until this instance leads."""
        while True:
            self._renewed = self._monotonic()
            try:
                if await self._try_acquire():
                    log.info("leading", extra={"lease": str(self._ref), "identity": self._identity})
                    return
            except ApiError as error:
                log.warning("lease not acquired", extra={"error": str(error)})
            await asyncio.sleep(POLL * random.uniform(0.8, 1.2))  # noqa: S311 - spreading load

    async def keep(self) -> None:
        """Renew until cancelled.

        Raises:
            LeaseLostError: another instance took the Lease, or it could not be renewed before the deadline.
        """
        # From before the Lease was written: what happened since is time that has passed for others, too.
        renewed, wait = self._renewed, self._times.renew
        while True:
            await asyncio.sleep(wait)
            # A process that was stopped for longer than the deadline must not believe that it still leads.
            remaining = self._times.deadline - (self._monotonic() - renewed)
            if remaining <= 0:
                raise self._lose("the lease was not renewed in time")
            started = self._monotonic()
            try:
                # An API server that accepts the request and stays silent must not hold us beyond the deadline.
                async with asyncio.timeout(remaining):
                    held = await self._renew()
            except TimeoutError:
                raise self._lose("the lease was not renewed in time") from None
            except ApiError as error:
                log.warning("lease not renewed", extra={"error": str(error)})
                wait = min(POLL, self._times.renew)
                continue
            if not held:
                raise self._lose("another instance holds the lease")
            renewed, wait = started, self._times.renew

    def _lose(self, why: str) -> LeaseLostError:
        self._held = None  # there is nothing to release
        return LeaseLostError(why)

    async def release(self) -> None:
        """Give the Lease up, so that the next leader need not wait for its end."""
        if self._held is None:
            return
        spec = {**self._held["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
        held, self._held = self._held, None
        try:
            async with asyncio.timeout(RELEASE_WITHIN):
                await self._writer.replace(self._ref, {**held, "spec": spec})
        except (ApiError, TimeoutError) as error:
            log.info("lease not released", extra={"error": str(error)})

    async def _try_acquire(self) -> bool:
        live = await self._writer.read(self._ref)
        if live is None:
            self._held = await self._writer.create(LEASE, self._manifest({}, transitions=0))
            return True
        spec = live["spec"]
        if not self._is_free(live):
            return False
        transitions = int(spec.get("leaseTransitions") or 0) + (spec.get("holderIdentity") != self._identity)
        self._held = await self._writer.replace(self._ref, self._manifest(live["metadata"], transitions))
        return True

    def _is_free(self, live: Manifest) -> bool:
        """By our own clock only: the holder's may be wrong, so what counts is how long we saw no renewal."""
        spec = live["spec"]
        if spec.get("holderIdentity", "") in ("", self._identity):
            return True
        version = str(live["metadata"]["resourceVersion"])
        if self._seen[0] != version:
            self._seen = (version, self._monotonic())
        return self._monotonic() - self._seen[1] > int(spec.get("leaseDurationSeconds") or self._times.duration)

    async def _renew(self) -> bool:
        live = await self._writer.read(self._ref)
        if live is None or not self._is_held(live):
            return False
        transitions = int(live["spec"].get("leaseTransitions") or 0)
        try:
            self._held = await self._writer.replace(self._ref, self._manifest(live["metadata"], transitions))
        except ApiError as error:
            if error.status != 409:
                raise
            return self._is_held(await self._writer.read(self._ref))
        return True

    def _is_held(self, live: Manifest | None) -> bool:
        return live is not None and live["spec"].get("holderIdentity") == self._identity

    def _manifest(self, metadata: Manifest, transitions: int) -> Manifest:
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        spec: dict[str, Any] = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": self._times.duration,
            "renewTime": now,
            "leaseTransitions": transitions,
        }
        if self._held is None:
            spec["acquireTime"] = now
        else:
            spec["acquireTime"] = self._held["spec"].get("acquireTime", now)
        named = {"name": self._ref.name, "namespace": self._ref.namespace}
        version = {"resourceVersion": metadata["resourceVersion"]} if "resourceVersion" in metadata else {}
        return {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.kind,
            "metadata": named | version,
            "spec": spec,
        }
