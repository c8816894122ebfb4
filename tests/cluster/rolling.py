"""Deployments that run (kwok plays their pods), watched while they roll."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cluster.harness import NAMESPACE, USER, OperatorProcess, authority, channel, install
from tests.cluster.second_client import Manifest, SecondClient, Thing
from tests.controlplane import Cluster, ControlPlane, wait_until

RESTARTED_AT = "breakwater.dev/restarted-at"
DEPLOYMENTS = "apis/apps/v1/deployments"
QUICK = {"restarts": {"maxConcurrent": 2, "minReady": "1s"}}


def deployment_of(namespace: str, name: str) -> Thing:
    return Thing(DEPLOYMENTS, namespace, name)


def schedule(namespace: str = NAMESPACE, name: str = "default", **spec: Any) -> Manifest:
    """A RotationSchedule; by default the one that applies where none is named."""
    return {
        "apiVersion": "breakwater.dev/v1alpha1",
        "kind": "RotationSchedule",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def consumer(namespace: str, name: str, *secrets: str, replicas: int = 3, **spec: Any) -> Manifest:
    """A Deployment that mounts these Secrets and can roll without an outage."""
    labels = {"app": name}
    volumes = [{"name": f"v{number}", "secret": {"secretName": secret}} for number, secret in enumerate(secrets)]
    pod = {"containers": [{"name": "app", "image": "registry.example.com/app:1"}], "volumes": volumes}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        }
        | spec,
    }


def flow(namespace: str, name: str, *consumers: str, **spec: Any) -> Manifest:
    """A channel with a server certificate in NAME-tls, used by these Deployments."""
    return channel(namespace, name, consumers=[{"name": each} for each in consumers], **spec)


def short_lived(lifetime: str) -> Manifest:
    """The authority, with certificates of that lifetime."""
    return authority(leafLifetime={"default": lifetime, "maximum": lifetime})


@dataclass
class Seen:
    """What was seen of the Deployments of a namespace, ten times a second.

    Attributes:
        orders: values of the annotation, by Deployment, in the order of their coming.
        most: the most that were rolling at once.
        unavailable: when one of them was not Available.
    """

    orders: dict[str, list[str]] = field(default_factory=dict)
    most: int = 0
    unavailable: list[str] = field(default_factory=list)

    def look(self, items: list[Manifest]) -> None:
        """Take a moment in."""
        rolling = 0
        for item in items:
            name = item["metadata"]["name"]
            order = annotations_of(item).get(RESTARTED_AT)
            known = self.orders.setdefault(name, [])
            if order and order not in known:
                known.append(order)
            rolling += bool(order) and not is_rolled(item)
            if not is_available(item):
                self.unavailable.append(f"{name} at {time.time():.1f}")
        self.most = max(self.most, rolling)

    @property
    def restarts(self) -> dict[str, int]:
        """How often each was restarted."""
        return {name: len(orders) for name, orders in self.orders.items()}


def annotations_of(item: Mapping[str, Any]) -> Mapping[str, str]:
    """Of the pod template."""
    return item["spec"]["template"]["metadata"].get("annotations") or {}


def is_rolled(item: Mapping[str, Any]) -> bool:
    """As `kubectl rollout status` judges."""
    status, wanted = item.get("status") or {}, item["spec"]["replicas"]
    counts = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")]
    return status.get("observedGeneration") == item["metadata"]["generation"] and counts == [wanted] * 3


def is_available(item: Mapping[str, Any]) -> bool:
    """The Deployment's own condition."""
    found = (item.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Available" and each["status"] == "True" for each in found)


@contextmanager
def watching(kubeconfig: Path, namespace: str) -> Iterator[Seen]:
    """Look at the Deployments of a namespace all the while, with a client of its own."""
    seen, stop = Seen(), threading.Event()

    def look() -> None:
        with SecondClient(kubeconfig) as client:
            while not stop.wait(0.1):
                found = [item for item in client.list(DEPLOYMENTS) if item["metadata"]["namespace"] == namespace]
                seen.look(found)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


@contextmanager
def running_pods(**options: Any) -> Iterator[ControlPlane]:
    """A control plane on which pods run, with the operator's surroundings; `options` are those of ControlPlane."""
    with ControlPlane(scheduler=True, kwok=True, **options) as plane:
        plane.add_node("node-1")
        install(plane)
        yield plane


def apply_and_settle(plane: Cluster, *manifests: Manifest) -> None:
    """Apply, and wait until every Deployment among them has rolled out."""
    plane.apply(list(manifests))
    for item in manifests:
        if item["kind"] == "Deployment":
            name, namespace = item["metadata"]["name"], item["metadata"]["namespace"]
            _await_rolled(plane, namespace, name)


def _await_rolled(plane: Cluster, namespace: str, name: str) -> None:
    wait_until(lambda: is_rolled(plane.get("deployment", name, "-n", namespace)), 60, f"{name} running")


def consumers_of(plane: Cluster, namespace: str, name: str) -> list[Mapping[str, Any]]:
    """`status.consumers` of a channel."""
    return _consumers(plane.get("chan", name, "-n", namespace))


def states(plane: Cluster, namespace: str, name: str) -> list[str]:
    """How its consumers stand."""
    return states_of(plane.get("chan", name, "-n", namespace))


def states_of(item: Manifest) -> list[str]:
    """How the consumers of this channel stand."""
    return [str(consumer.get("state", "")) for consumer in _consumers(item)]


def _consumers(item: Manifest) -> list[Mapping[str, Any]]:
    return list((item.get("status") or {}).get("consumers") or ())


def another_replica(plane: Cluster, identity: str) -> OperatorProcess:
    """One more instance, which takes over soon after the leader's end."""
    return OperatorProcess(plane, identity=identity, lease_duration=4)


def await_current(plane: Cluster, space: str, *channels: str) -> None:
    """Until every consumer of these channels runs with what it should."""
    found: dict[str, list[str]] = {}

    def check() -> bool:
        items = {item["metadata"]["name"]: item for item in plane.get("chan", "-n", space)["items"]}
        found.update({name: states_of(items[name]) for name in channels})
        return all(each and set(each) == {"Current"} for each in found.values())

    try:
        wait_until(check, 90, "the consumers being current", interval=0.5)
    except TimeoutError as error:
        raise AssertionError(f"not current: {found}") from error


def renew(plane: Cluster, space: str, name: str) -> None:
    """Have another certificate issued: by another name in it."""
    plane.kubectl("patch", "chan", name, "-n", space, "--type=merge", "-p", json.dumps({"spec": renamed(space, name)}))


def renamed(space: str, name: str) -> dict[str, object]:
    """A change to the channel's certificate."""
    names = [f"{name}.{space}.svc", f"more.{space}.svc"]
    server = {"secretName": f"{name}-tls", "authorityRef": {"name": "platform"}, "dnsNames": names}
    return {"encryption": {"trust": {"authorityRef": {"name": "platform"}}, "serverCertificate": server}}


def restarts_ordered(plane: ControlPlane, namespace: str, name: str = "app") -> int:
    """How often the API server took a change of a Deployment from the operator: orders, where none was halted."""
    asked = plane.audit().events(user=USER, resource="deployments", namespace=namespace)
    return len([event for event in asked if (event.verb, event.name, event.code) == ("patch", name, 200)])


def said(plane: Cluster, namespace: str, name: str) -> str:
    """What a channel says of its consumers, in words."""
    return " ".join(str(item.get("message", "")) for item in consumers_of(plane, namespace, name))
