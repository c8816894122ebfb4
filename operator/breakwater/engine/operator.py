"""One process of the operator, in its order of start.

Configuration, informers synced, kopf listed, ready; then the Lease, measurements seeded from status, workers, and the
prune gate last. Whatever ends unexpectedly ends the process: Kubernetes starts another, and the Lease is free.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from breakwater.cluster.client import Client, Login
from breakwater.cluster.election import Election, LeaseTimes
from breakwater.cluster.events import Events
from breakwater.cluster.informer import Feed, Informer, metadata_reduced
from breakwater.cluster.inventory import Inventory, Stream
from breakwater.cluster.writes import Writer
from breakwater.engine.catalogue import Catalogue, Prober
from breakwater.engine.declarations import Declarations
from breakwater.engine.execute import Executor
from breakwater.engine.fetch import Fetcher
from breakwater.engine.frame import Frame
from breakwater.engine.gate import PruneGate
from breakwater.engine.measuring import Measuring
from breakwater.engine.metrics import Metrics
from breakwater.engine.queue import WorkQueue
from breakwater.engine.reconcile import Reconciler
from breakwater.engine.reduce import made_by_us
from breakwater.engine.serve import Endpoints
from breakwater.engine.trying import DryRunner
from breakwater.engine.wakes import Reads
from breakwater.kernel.dryrun import DryRun
from breakwater.kernel.ownership import OURS
from breakwater.kernel.references import LEASE, Ref, Resource, Subject
from breakwater.kernel.settings import Settings

log = logging.getLogger(__name__)

WORKERS = 16
SYNC_TICK = 0.05
# Seconds for kopf to clean up; after a failure others wait for us to be gone.
PATIENCE = 10.0
IMPATIENCE = 0.5


@dataclass(frozen=True, slots=True)
class Options:
    """How one process is run.

    Attributes:
        settings: what plans depend on.
        identity: unique among the replicas, the pod's name.
        namespaces: serve only these; empty for the whole cluster.
        lease: name of the Lease in the operator's namespace.
        times: of the Lease.
        host, port: where /metrics, /healthz and /readyz are served.
    """

    settings: Settings
    identity: str
    namespaces: tuple[str, ...] = ()
    lease: str = "breakwater"
    times: LeaseTimes = field(default_factory=LeaseTimes)
    host: str = "127.0.0.1"
    port: int = 8080


class Operator:
    """Wires the parts of the engine together and runs them."""

    def __init__(self, options: Options, catalogue: Catalogue, login: Login) -> None:
        self._options = options
        self._catalogue = catalogue
        self._metrics = Metrics()
        self._client = Client(login, f"breakwater/{options.identity}")
        writer = Writer(self._client)
        # Its own namespace is always served: the keys of its authorities live there.
        own = options.settings.namespace
        namespaces = tuple(dict.fromkeys((*options.namespaces, own))) if options.namespaces else ()
        scopes = namespaces or ("",)
        declared = tuple(catalogue.declared)
        self._inventory = Inventory(
            options.settings,
            whole=(*catalogue.watched, *declared),
            split=catalogue.split,
            indexes=catalogue.indexes,
            scopes=scopes,
        )
        self._queue = WorkQueue(_now, time.monotonic)
        self._metrics.queue.set_function(lambda: float(len(self._queue)))
        self._declarations = Declarations(self._client, writer, self._inventory, declared, scopes)
        self._reads = Reads(catalogue, self._queue, self._definition_changed)
        self._inventory.listener = self._reads
        events = Events(writer, options.identity)
        probers: dict[type, Prober] = {DryRun: DryRunner(writer).probe, **catalogue.probers}
        self._measuring = Measuring(self._inventory, probers, self._metrics, _now)
        self._fetcher = Fetcher(writer, self._inventory, self._reads)
        executor = Executor(writer, self._inventory, self._metrics, _now, catalogue.watched)
        self._reconciler = Reconciler(
            catalogue,
            self._inventory,
            self._reads,
            self._queue,
            writer,
            executor,
            self._measuring,
            events,
            self._metrics,
            _now,
        )
        self._gate = PruneGate(catalogue, self._inventory, events, self._metrics, _now)
        self._informers = [Informer(self._client, self._inventory, feed) for feed in _feeds(catalogue, scopes)]
        self._frames = [Frame(login, resource, namespaces, self._declarations.feed) for resource in declared]
        lease = Ref(LEASE, options.settings.namespace, options.lease)
        self._election = Election(writer, lease, options.identity, options.times, time.monotonic)
        live = {"kopf": self._hanging, "workers": self._standing, "watches": self._silent}
        self._endpoints = Endpoints(self._metrics, live, {"synced": self._unsynced})
        self._leading = False

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set.

        Raises:
            Exception: what ended a part that must not end; the process must exit non-zero.
        """
        port = await self._endpoints.start(self._options.host, self._options.port)
        log.info("serving", extra={"host": self._options.host, "port": port})
        patience = IMPATIENCE
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._stopped(stop))
                for informer in self._informers:
                    group.create_task(informer.run())
                group.create_task(self._lead(group))
        except* _StopError:
            log.info("stopping")
            patience = PATIENCE
        finally:
            await self._shut_down(patience)

    async def _lead(self, group: asyncio.TaskGroup) -> None:
        await self._until_synced([feed.resource for feed in _feeds(self._catalogue, ("",))])
        for frame in self._frames:
            frame.start()
        _spawn(group, *(frame.ended() for frame in self._frames), self._declarations.run())
        await self._until_synced(list(self._catalogue.declared))
        log.info("ready", extra={"subjects": len(self._queue)})
        await self._election.acquire()
        self._leading = True
        self._metrics.leading.set(1)
        self._seed()
        _spawn(
            group,
            self._election.keep(),
            self._queue.keep_time(),
            self._fetcher.run(),
            *(self._work() for _ in range(WORKERS)),
        )
        await self._gate.run(lambda: self._queue.is_drained)

    async def _work(self) -> None:
        while True:
            subject = await self._queue.get()
            try:
                await self._reconciler.reconcile(subject)
            finally:
                self._queue.done(subject)
            # Plans that write nothing never wait; however many are due, the Lease and a wish to stop have their turn.
            await asyncio.sleep(0)

    def _seed(self) -> None:
        for resource, kind in self._catalogue.declared.items():
            for ref, entry in self._inventory.held(resource):
                self._measuring.seed(Subject(kind.name, ref.namespace, ref.name), kind.seed(entry.manifest))

    async def _until_synced(self, resources: list[Resource]) -> None:
        while not all(map(self._inventory.synced, resources)):  # noqa: ASYNC110 - at start only, see engine/gate.py
            await asyncio.sleep(SYNC_TICK)

    def _unsynced(self) -> str | None:
        behind = sorted(
            str(resource) for resource in self._inventory.resources() if not self._inventory.synced(resource)
        )
        return f"not listed yet: {', '.join(behind)}" if behind else None

    def _standing(self) -> str | None:
        return self._queue.fault() if self._leading else None

    def _hanging(self) -> str | None:
        return next((fault for fault in (frame.fault() for frame in self._frames) if fault), None)

    def _silent(self) -> str | None:
        return next((fault for fault in (informer.fault() for informer in self._informers) if fault), None)

    def _definition_changed(self, name: str) -> None:
        self._declarations.doubt(name)
        for informer in self._informers:
            informer.kick()

    async def _stopped(self, stop: asyncio.Event) -> None:
        await stop.wait()
        raise _StopError

    async def _shut_down(self, patience: float) -> None:
        # First, for others wait for it; what is still under way is safe by its own rules.
        if self._leading:
            await self._election.release()
        await self._measuring.close()
        await asyncio.gather(*(frame.stop(patience) for frame in self._frames))
        await self._endpoints.close()
        await self._client.close()


class _StopError(Exception):
    """Somebody asked us to end."""


def _spawn(group: asyncio.TaskGroup, *parts: Coroutine[Any, Any, None]) -> None:
    for part in parts:
        group.create_task(part)


def _now() -> datetime:
    return datetime.now(UTC)


def _feeds(catalogue: Catalogue, scopes: tuple[str, ...]) -> list[Feed]:
    feeds: list[Feed] = []
    for resource, reduce in catalogue.watched.items():
        feeds.extend(Feed(resource, scope, reduce=reduce) for scope in (scopes if resource.namespaced else ("",)))
    for resource in catalogue.split:
        for scope in scopes:
            feeds.append(Feed(resource, scope, selector=OURS, reduce=made_by_us))
            feeds.append(Feed(resource, scope, stream=Stream.METADATA, reduce=metadata_reduced))
    return feeds
