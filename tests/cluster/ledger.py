"""What a cluster's audit log and Secrets say of the operator: which writes it made, and which keys there are."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.cluster.harness import USER, OperatorProcess
from tests.controlplane import AuditEvent, Cluster, ControlPlane, mutating, wait_until

OURS = ("-l", "app.kubernetes.io/managed-by=breakwater")
KEY_ENTRIES = ("tls.key", "private-key", "password")
RELEASED = "breakwater.dev/released"
Name = tuple[str, str]


def writes(controlplane: ControlPlane, since: int) -> list[str]:
    """The operator's writes after a mark of the audit log, one line each, so that a failing test shows them."""
    return [_line(event) for event in mutating(controlplane.audit().events(since, stage=None), USER)]


def writes_but_status(controlplane: ControlPlane, since: int) -> list[str]:
    """Those that are no status of ours."""
    events = mutating(controlplane.audit().events(since, stage=None), USER)
    return [_line(event) for event in events if event.subresource != "status"]


def _line(event: AuditEvent) -> str:
    what = f"{event.resource}/{event.subresource}".rstrip("/")
    return f"{event.verb} {what} {event.namespace}/{event.name} {event.code}"


def secrets(cluster: Cluster, namespace: str) -> dict[str, Mapping[str, Any]]:
    """Secrets of ours in a namespace, by name."""
    return {item["metadata"]["name"]: item for item in cluster.get("secrets", "-n", namespace, *OURS)["items"]}


def keys(cluster: Cluster) -> dict[Name, dict[str, str]]:
    """Every private key and password of ours in the cluster: a digest of each by Secret and entry."""
    found: dict[Name, dict[str, str]] = {}
    for item in cluster.get("secrets", "-A", *OURS)["items"]:
        data = item.get("data") or {}
        digests = {name: hashlib.sha256(data[name].encode()).hexdigest() for name in KEY_ENTRIES if name in data}
        found[item["metadata"]["namespace"], item["metadata"]["name"]] = digests
    return found


def versions(cluster: Cluster) -> dict[Name, str]:
    """The resource version of every Secret of ours."""
    items = cluster.get("secrets", "-A", *OURS)["items"]
    return {(item["metadata"]["namespace"], item["metadata"]["name"]): _version(item) for item in items}


def _version(item: Mapping[str, Any]) -> str:
    return str(item["metadata"]["resourceVersion"])


def released(cluster: Cluster, namespace: str) -> set[str]:
    """Names of the Secrets that were released."""
    return {name for name, item in secrets(cluster, namespace).items() if RELEASED in item["metadata"]["labels"]}


def complaints(operator: OperatorProcess) -> list[Mapping[str, Any]]:
    """What the operator logged above info since its start."""
    return [line for line in operator.lines() if line.get("level") not in ("info", "debug", None)]


def events_of(cluster: Cluster, reason: str) -> Iterator[Mapping[str, Any]]:
    """Events with a reason, wherever they lie."""
    return (item for item in cluster.get("events.events.k8s.io", "-A")["items"] if item["reason"] == reason)


def still(controlplane: ControlPlane, seconds: float, timeout: float = 60) -> int:
    """Wait until the operator has written nothing for so long; returns the mark after its last write."""
    state = {"mark": controlplane.audit().mark(), "since": time.monotonic()}

    def quiet() -> bool:
        mark = controlplane.audit().mark()
        if writes(controlplane, int(state["mark"])):
            state.update(mark=mark, since=time.monotonic())
        return time.monotonic() - state["since"] >= seconds

    wait_until(quiet, timeout, f"{seconds} s without a write")
    return int(state["mark"])


def namespace(cluster: Cluster, name: str) -> str:
    """Make a namespace."""
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


def gone(cluster: Cluster, *arguments: str) -> Callable[[], bool]:
    """Whether `kubectl get` finds nothing; for wait_until."""
    return lambda: not cluster.kubectl("get", *arguments, "--ignore-not-found", "-o", "name").strip()
