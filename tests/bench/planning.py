"""Microseconds per plan of each kind, in this process, and CPU per certificate: what no network can hide."""

from __future__ import annotations

import asyncio
import itertools
import time
import timeit
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from breakwater.cli.catalogue import catalogue
from breakwater.cluster.inventory import Inventory, Stream
from breakwater.cluster.writes import Writer
from breakwater.engine.execute import Executor
from breakwater.engine.metrics import Metrics
from breakwater.kernel.ownership import MANAGER
from breakwater.kernel.plan import Plan
from breakwater.kernel.reading import Manifest
from breakwater.kernel.references import (
    CERTIFICATE_AUTHORITY,
    COMMUNICATION_CHANNEL,
    DEPLOYMENT,
    NAMESPACE,
    Ref,
    Resource,
    Subject,
)
from breakwater.kernel.restrain import restrain
from breakwater.kernel.settings import Settings
from breakwater.kernel.world import World
from breakwater.pki import Algorithm, KeyPair, LeafRequest, RootRequest, Usage, issue_leaf, issue_root
from tests.cluster.harness import authority, channel

NAMESPACE_NAME = "bench"
SUBJECTS = (
    Subject("CertificateAuthority", "", "platform"),
    Subject("CommunicationChannel", NAMESPACE_NAME, "web"),
    Subject("Trust", NAMESPACE_NAME, "platform"),
    Subject("Workload", NAMESPACE_NAME, "Deployment:engine"),
)
SECONDS = 1.0
BATCH = 20


class Echo(Writer):
    """Answers each write as an API server would: with the object, a new version and its manager."""

    def __init__(self, versions: itertools.count[int]) -> None:
        self._versions = versions

    async def read(self, ref: Ref) -> None:
        """Nothing stands anywhere that was not written here."""

    async def create(self, resource: Resource, manifest: Manifest) -> Manifest:  # noqa: ARG002 - as it is asked
        return stored(manifest, next(self._versions), "Update")

    async def apply(self, ref: Ref, manifest: Manifest, **_: Any) -> Manifest:  # noqa: ARG002 - as it is asked
        return stored(manifest, next(self._versions), "Apply")


def stored(manifest: Manifest, version: int, operation: str = "") -> Manifest:
    """The object as it comes back from an API server."""
    metadata = {
        "uid": f"uid-{manifest['metadata']['name']}",
        "resourceVersion": str(version),
        "generation": 1,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "managedFields": [{"manager": MANAGER, "operation": operation}] if operation else [],
    }
    return {**manifest, "metadata": {**metadata, **manifest["metadata"]}}


@dataclass
class Cell:
    """An inventory without a cluster, in which subjects are planned and acted upon until they want nothing more."""

    versions: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.catalogue = catalogue()
        declared = tuple(self.catalogue.declared)
        self.inventory = Inventory(
            Settings(),
            whole=(*self.catalogue.watched, *declared),
            split=self.catalogue.split,
            indexes=self.catalogue.indexes,
        )
        for resource in self.inventory.resources():
            for stream in Stream if resource in self.catalogue.split else (Stream.WHOLE,):
                self.inventory.complete(resource, "", (), 0, stream)
        self._executor = Executor(Echo(self.versions), self.inventory, Metrics(), now, self.catalogue.watched)

    def put(self, resource: Resource, manifest: Manifest) -> None:
        """An event of this object."""
        self.inventory.put(resource, stored(manifest, next(self.versions)))

    def plan(self, subject: Subject) -> Plan:
        """As the engine plans."""
        world = World(self.inventory, subject)
        return restrain(self.catalogue.kinds[subject.kind].plan(subject, world, now()), world, subject)

    async def settle(self, subject: Subject) -> None:
        """Do what it wants, until it wants nothing."""
        while actions := self.plan(subject).actions:
            for action in actions:
                failure, take = await self._executor.run(action)
                if failure is not None:
                    raise RuntimeError(f"{subject}: {failure.message}")
                take()

    def status(self, resource: Resource, subject: Subject, manifest: Mapping[str, Any]) -> None:
        """Write the status that it wants."""
        self.put(resource, {**manifest, "status": self.plan(subject).status})


def now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


def populated() -> Cell:
    """An authority with its trust placed, a channel with its certificate, and a Deployment that mounts it."""
    cell = Cell()
    issuer = authority(trust={"namespaceSelector": {}})
    web = channel(NAMESPACE_NAME, "web")
    pod = {"volumes": [{"name": "tls", "secret": {"secretName": "web-tls"}}]}
    engine = {"metadata": {"name": "engine", "namespace": NAMESPACE_NAME}, "spec": {"template": {"spec": pod}}}
    for name in (NAMESPACE_NAME, Settings().namespace):
        cell.put(NAMESPACE, {"metadata": {"name": name}})
    cell.put(CERTIFICATE_AUTHORITY, issuer)
    cell.put(COMMUNICATION_CHANNEL, web)
    cell.put(DEPLOYMENT, cell.catalogue.watched[DEPLOYMENT](engine))
    for subject in SUBJECTS:
        asyncio.run(cell.settle(subject))
    cell.status(CERTIFICATE_AUTHORITY, SUBJECTS[0], issuer)
    cell.status(COMMUNICATION_CHANNEL, SUBJECTS[1], web)
    return cell


def measure() -> None:
    """Plans of what stands already, then of what was sent anew, so that its projections are computed again."""
    cell = populated()
    print("plan: microseconds of CPU", flush=True)
    for subject in SUBJECTS:
        print(f"  {subject.kind:22} {_microseconds(partial(cell.plan, subject)):8.0f}")
    web = cell.inventory.held(COMMUNICATION_CHANNEL)
    manifest = next(iter(web))[1].manifest

    def changed() -> None:
        metadata = {**manifest["metadata"], "resourceVersion": str(next(cell.versions))}
        cell.inventory.put(COMMUNICATION_CHANNEL, {**manifest, "metadata": metadata})
        cell.plan(SUBJECTS[1])

    print(f"  {'a channel sent anew':22} {_microseconds(changed):8.0f}")
    request = RootRequest(common_name="bench", algorithm=Algorithm.ECDSA_P256, lifetime=timedelta(days=3650))
    root = issue_root(request, now())
    for algorithm in (Algorithm.ECDSA_P256, Algorithm.ECDSA_P384, Algorithm.ED25519, Algorithm.RSA_2048):
        print(f"  issue {algorithm.value:16} {_microseconds(_issuing(root, algorithm)):8.0f}", flush=True)


def _issuing(root: KeyPair, algorithm: Algorithm) -> Callable[[], object]:
    usages = frozenset({Usage.SERVER})
    request = LeafRequest(usages=usages, algorithm=algorithm, lifetime=timedelta(days=90), dns_names=("web.bench.svc",))
    return lambda: issue_leaf(request, root, now())


def _microseconds(do: Callable[[], object]) -> float:
    """CPU per call: the best of several batches, since what else runs on the machine only adds to it."""
    batches: list[float] = []
    ends = time.process_time() + SECONDS
    while time.process_time() < ends or not batches:
        batches.append(timeit.timeit(do, timer=time.process_time, number=BATCH) / BATCH)
    return min(batches) * 1e6
