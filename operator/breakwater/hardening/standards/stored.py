"""A pod's manifest as the API server stores it, as far as the standards look at what it fills in.

Admission judges the stored form, so a file must be brought into it before it is judged
(k8s.io/kubernetes, pkg/apis/core/v1/defaults.go: SetDefaults_Volume and defaultHostNetworkPorts).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from breakwater.hardening.standards.rules import CONTAINER_LISTS


def as_stored(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    """The pod with volumes that name no source made empty directories, and with the ports of a host's network."""
    spec = pod.get("spec")
    if not isinstance(spec, Mapping):
        return pod
    changed = dict(spec)
    if isinstance(spec.get("volumes"), list | tuple):
        changed["volumes"] = [_volume(volume) for volume in spec["volumes"]]
    if spec.get("hostNetwork") is True:
        changed |= {name: _on_host(spec[name]) for name in CONTAINER_LISTS[:2] if isinstance(spec.get(name), list)}
    return {**pod, "spec": changed}


def _volume(volume: Any) -> Any:
    if not isinstance(volume, Mapping) or any(value is not None for key, value in volume.items() if key != "name"):
        return volume
    return {**volume, "emptyDir": {}}


def _on_host(containers: list[Any]) -> list[Any]:
    return [_with_host_ports(container) if isinstance(container, Mapping) else container for container in containers]


def _with_host_ports(container: Mapping[str, Any]) -> Mapping[str, Any]:
    ports = container.get("ports")
    if not isinstance(ports, list):
        return container
    return {**container, "ports": [_on_same_port(port) if isinstance(port, Mapping) else port for port in ports]}


def _on_same_port(port: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**port, "hostPort": port.get("hostPort") or port.get("containerPort")}
