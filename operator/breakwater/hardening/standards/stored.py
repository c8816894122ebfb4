"""A pod's manifest as the API server stores it, as far as the standards look at what it fills in.

Admission judges the stored form, so a file must be brought into it before it is judged
(k8s.io/kubernetes, pkg/apis/core/v1/defaults.go: SetDefaults_Volume and defaultHostNetworkPorts).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from breakwater.hardening.standards.rules import CONTAINER_LISTS
from breakwater.hardening.standards.terms import entries_of, items_of


def as_stored(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    """The pod with volumes that name no source made empty directories, and with the ports of a host's network."""
    spec = entries_of(pod.get("spec"))
    stored = dict(spec)
    if items_of(spec.get("volumes")):
        stored["volumes"] = [_volume(volume) for volume in spec["volumes"]]
    if spec.get("hostNetwork") is True:
        stored |= {name: [_on_host(container) for container in items_of(spec.get(name))] for name in CONTAINER_LISTS}
    return {**pod, "spec": stored}


def _volume(volume: Any) -> Any:
    if any(value is not None for key, value in entries_of(volume).items() if key != "name"):
        return volume
    return {**entries_of(volume), "emptyDir": {}}


def _on_host(container: Any) -> Any:
    ports = [_on_same_port(port) for port in items_of(entries_of(container).get("ports"))]
    return {**container, "ports": ports} if ports else container


def _on_same_port(port: Any) -> Any:
    return {**entries_of(port), "hostPort": entries_of(port).get("hostPort") or entries_of(port).get("containerPort")}
