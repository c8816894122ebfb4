"""Where measurements take place: a control plane with the operator's CRDs and RBAC, and channels by the thousand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson

from tests.bench.load import Bare, Login, side_by_side
from tests.bench.usage import Meter
from tests.cluster.harness import USER, OperatorProcess, all_ready, authority, channel, install, is_ready
from tests.controlplane import AuditLevel, ControlPlane, wait_until
from tests.controlplane.audit import AuditEvent

PER_NAMESPACE = 50
LEASE_SECONDS = 120
"""A machine that is busy with other things may slow a measurement down; it shall not end it."""
CHANNELS = "/apis/breakwater.dev/v1alpha1/communicationchannels"
QUIET_KINDS = ("leases",)


class Stage(ControlPlane):
    """A control plane without controllers: what its programs cost, they cost for the operator."""

    def __init__(self) -> None:
        super().__init__(controllers=False, audit_level=AuditLevel.METADATA)
        self._login: Login | None = None

    @property
    def login(self) -> Login:
        """The measurements' own, with a token and all rights."""
        if self._login is None:
            raise RuntimeError("the stage is not set up")
        return self._login

    def set_up(self) -> None:
        """Install the operator's surroundings and make the authority with it."""
        install(self)
        self.apply(_administrator())
        self._login = Login.read(self.service_account_kubeconfig("default", "bench"))
        self.apply(authority())
        with self.operator():
            wait_until(all_ready(self, "bwca"), 60, "the authority being ready")

    def operator(self) -> OperatorProcess:
        """An operator that is not started yet."""
        return OperatorProcess(self, lease_duration=LEASE_SECONDS)

    def meter(self, operator: OperatorProcess) -> Meter:
        """Count CPU from now on."""
        return Meter.start(operator=operator.pid, **self.pids())

    def pids(self) -> dict[str, int]:
        """The programs of the control plane."""
        return {"apiserver": self.program("kube-apiserver").pid, "etcd": self.program("etcd").pid}

    def populate(self, count: int, prefix: str) -> None:
        """Create so many channels, spread over namespaces `PREFIX-N`, many at a time."""
        asyncio.run(self._populate(count, prefix))

    async def _populate(self, count: int, prefix: str) -> None:
        spaces = {namespace_of(prefix, number): None for number in range(count)}
        async with Bare(self.login) as bare:
            await side_by_side(spaces, lambda name: bare.send("POST", "/api/v1/namespaces", _namespace(name)))
            await side_by_side(range(count), lambda number: bare.send("POST", *_new_channel(prefix, number)))

    def channels(self, prefix: str) -> list[dict[str, Any]]:
        """All channels of these namespaces, without what kubectl would cost."""
        return asyncio.run(self._read(CHANNELS, prefix))

    def secrets(self, prefix: str) -> list[dict[str, Any]]:
        """All Secrets of these namespaces."""
        return asyncio.run(self._read("/api/v1/secrets", prefix))

    async def _read(self, path: str, prefix: str) -> list[dict[str, Any]]:
        async with Bare(self.login) as bare:
            found = [dict(item) async for item in bare.items(path)]
        return [item for item in found if item["metadata"]["namespace"].startswith(f"{prefix}-")]

    def all_channels_ready(self, count: int, prefix: str) -> bool:
        """Whether that many channels are there and all of them are Ready."""
        found = self.channels(prefix)
        return len(found) == count and all(map(is_ready, found))

    def requests(self, since: int) -> list[AuditEvent]:
        """What the operator asked for since a mark of the audit log, but its Lease."""
        events = self.audit().events(since, user=USER)
        return [event for event in events if event.resource not in QUIET_KINDS]


@contextmanager
def stage() -> Iterator[Stage]:
    """A stage that is set up."""
    with Stage() as made:
        made.set_up()
        yield made


def namespace_of(prefix: str, number: int) -> str:
    """The namespace of a channel by its number."""
    return f"{prefix}-{number // PER_NAMESPACE}"


def _new_channel(prefix: str, number: int) -> tuple[str, bytes]:
    namespace = namespace_of(prefix, number)
    manifest = channel(namespace, f"channel-{number}")
    return f"/apis/breakwater.dev/v1alpha1/namespaces/{namespace}/communicationchannels", orjson.dumps(manifest)


def _namespace(name: str) -> bytes:
    return orjson.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


def _administrator() -> list[dict[str, Any]]:
    account = {"kind": "ServiceAccount", "name": "bench", "namespace": "default"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "bench", "namespace": "default"}},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "bench"},
            "roleRef": role,
            "subjects": [account],
        },
    ]
