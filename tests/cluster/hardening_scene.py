"""Policies and pods of the tests of hardening."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.cluster.harness import OperatorProcess, conditions
from tests.controlplane import Cluster, KubectlError, wait_until

Manifest = dict[str, Any]
MADE = ("mutatingadmissionpolicy", "validatingadmissionpolicy")
KINDS = ",".join([*MADE, *(f"{kind}binding" for kind in MADE)])
BINDINGS = ",".join(f"{kind}binding" for kind in MADE)
DEFAULTS = {
    "runAsNonRoot": True,
    "runAsUser": 10001,
    "fsGroup": 10001,
    "seccompProfile": "RuntimeDefault",
    "allowPrivilegeEscalation": False,
    "dropCapabilities": ["ALL"],
}
HARDENED_POD = {
    "runAsNonRoot": True,
    "runAsUser": 10001,
    "fsGroup": 10001,
    "seccompProfile": {"type": "RuntimeDefault"},
}
HARDENED_CONTAINER = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
ROOT = {"runAsUser": 0}


def policy(place: str, mode: str = "Enforce", **spec: Any) -> Manifest:
    """A policy of that name for the namespace of that name; `spec` adds or replaces members."""
    return {
        "apiVersion": "breakwater.dev/v1alpha1",
        "kind": "HardeningPolicy",
        "metadata": {"name": place},
        "spec": {
            "mode": mode,
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": place}},
            "profile": {"level": "Restricted", "version": "v1.37"},
            "podDefaults": DEFAULTS,
        }
        | spec,
    }


def workload(place: str, name: str, context: Mapping[str, Any] | None = None, replicas: int = 2) -> Manifest:
    """A Deployment whose container has this security context."""
    labels = {"app": name}
    pod = {"containers": [container(context)]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": place},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def container(context: Mapping[str, Any] | None = None) -> Manifest:
    own = {"securityContext": dict(context)} if context is not None else {}
    return {"name": "app", "image": "registry.example.com/app:1"} | own


def pod(place: str, name: str, context: Mapping[str, Any] | None = None, **spec: Any) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": place},
        "spec": {"containers": [container(context)]} | spec,
    }


def status(plane: Cluster, name: str) -> Mapping[str, Any]:
    return plane.get("harden", name).get("status") or {}


def enforced(plane: Cluster, name: str) -> Mapping[str, Any]:
    """The condition, of the generation that was asked for; empty while it is that of an earlier one."""
    item = plane.get("harden", name)
    found = conditions(item).get("Enforced", {})
    return found if found.get("observedGeneration") == item["metadata"]["generation"] else {}


def await_bound(plane: Cluster, name: str) -> str:
    """Wait until a policy is in force; returns the name of its pair."""
    wait_until(lambda: enforced(plane, name).get("reason") == "Bound", 40, f"{name} being bound")
    return str(status(plane, name)["bound"])


def await_reason(plane: Cluster, name: str, reason: str, seconds: float = 40) -> str:
    """Wait for a reason of Enforced; returns its message."""
    wait_until(lambda: enforced(plane, name).get("reason") == reason, seconds, f"{name}: {reason}")
    return str(enforced(plane, name)["message"])


def made(plane: Cluster, prefix: str, kinds: str = KINDS) -> list[str]:
    """What stands of the admission objects whose names begin so, as kind/name."""
    found = plane.kubectl("get", kinds, "-o", "name").split()
    short = (item.replace(".admissionregistration.k8s.io", "") for item in found)
    return sorted(item for item in short if item.partition("/")[2].startswith(prefix))


def tried(plane: Cluster, manifest: Manifest) -> str:
    """What the API server says to a dry run: nothing where it would create the object, else why it does not."""
    try:
        plane.kubectl("create", "--dry-run=server", "-f", "-", input=json.dumps(manifest))
    except KubectlError as error:
        return str(error)
    return ""


def pods_of(plane: Cluster, place: str, app: str) -> list[Manifest]:
    return list(plane.get("pods", "-n", place, "-l", f"app={app}")["items"])


def await_refusal(plane: Cluster, place: str, app: str) -> str:
    """Wait until the pods of a Deployment are refused; returns why."""

    def refusals() -> list[str]:
        sets = plane.get("replicasets", "-n", place, "-l", f"app={app}")["items"]
        found = [each for item in sets for each in item["status"].get("conditions") or ()]
        return [str(each["message"]) for each in found if each["type"] == "ReplicaFailure"]

    wait_until(refusals, 40, f"pods of {app} being refused")
    return refusals()[0]


class BrokenOperator(OperatorProcess):
    """One that makes policies with a mistake in them."""

    def __init__(self, cluster: Cluster, part: str) -> None:
        super().__init__(cluster, lease_duration=4)
        position = self._command.index("breakwater")
        self._command[position : position + 1] = ["tests.cluster.broken_hardening", part]


@contextmanager
def asking(plane: Cluster, manifest: Manifest) -> Iterator[list[str]]:
    """Ask all the while whether an object would be created; the answers, in their order."""
    answers: list[str] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            answers.append(tried(plane, manifest))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        wait_until(lambda: len(answers) > 2, 20, "the first answers")
        yield answers
        reached = len(answers)
        wait_until(lambda: len(answers) > reached + 5, 20, "answers after the change")
    finally:
        stop.set()
        thread.join()


def settle(seconds: float) -> None:
    """Let a time of quiet pass: that nothing happens in it is what is asserted."""
    time.sleep(seconds)
