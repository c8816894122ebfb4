"""What a policy needs to know of a pod: small, shared by all pods of a workload, the same whatever its status says.

A fact depends on no policy: it is what the pod declares, as far as the Pod Security Standards look at it. Policies
judge that text once for all pods that share it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from breakwater.hardening.standards.baseline import (
    APPARMOR_ANNOTATION,
    SECCOMP_CONTAINER_ANNOTATION,
    SECCOMP_POD_ANNOTATION,
)
from breakwater.hardening.standards.rules import CONTAINER_LISTS
from breakwater.kernel.reading import Manifest
from breakwater.kernel.references import POD
from breakwater.kernel.world import Index

_POD_FIELDS = ("hostNetwork", "hostPID", "hostIPC", "os", "securityContext")
_HANDLERS = ("livenessProbe", "readinessProbe", "startupProbe")
_HOOKS = ("postStart", "preStop")
_ENDED = ("Succeeded", "Failed")
_JUDGED_ANNOTATIONS = (APPARMOR_ANNOTATION, SECCOMP_CONTAINER_ANNOTATION, SECCOMP_POD_ANNOTATION)
_INTERNED = 65536


class Facts(NamedTuple):
    """One pod.

    Attributes:
        workload: what made it, as Kind/name; itself where nothing did.
        labels: sorted.
        shape: the pod as `shape_of` reduces it, in JSON with sorted keys.
    """

    workload: str
    labels: tuple[tuple[str, str], ...]
    shape: bytes


@lru_cache(maxsize=_INTERNED)
def _shared(namespace: str, workload: str, labels: tuple[tuple[str, str], ...], shape: bytes) -> Mapping[Hashable, Any]:
    """One object for all pods that say the same: it stays with each of them."""
    return {namespace: Facts(workload, labels, shape)}


def _facts(manifest: Manifest) -> Mapping[Hashable, Any]:
    metadata = manifest["metadata"]
    ended = (manifest.get("status") or {}).get("phase") in _ENDED or "deletionTimestamp" in metadata
    if ended or not (manifest.get("spec") or {}).get("containers"):
        return {}
    labels = tuple(sorted((metadata.get("labels") or {}).items()))
    shape = orjson.dumps(shape_of(manifest), option=orjson.OPT_SORT_KEYS)
    return _shared(metadata.get("namespace", ""), _workload(metadata), labels, shape)


PODS = Index("hardening-pods", (POD,), _facts)
"""By namespace."""


def reduced(manifest: Manifest) -> Manifest:
    """What facts are made of, kept while decoding."""
    metadata = manifest["metadata"]
    shape = shape_of(manifest)
    owners = [
        {key: owner[key] for key in ("kind", "name", "controller")}
        for owner in metadata.get("ownerReferences") or ()
        if owner.get("controller")
    ]
    kept = {key: metadata[key] for key in ("name", "namespace", "labels", "deletionTimestamp") if key in metadata}
    kept |= {"ownerReferences": owners} if owners else {}
    kept |= shape.get("metadata", {})
    phase = (manifest.get("status") or {}).get("phase")
    return {"metadata": kept, "spec": shape["spec"]} | ({"status": {"phase": phase}} if phase else {})


def shape_of(manifest: Manifest) -> dict[str, Any]:
    """The part of a pod that the standards look at; indexes of lists are kept, for they are in the paths of fields."""
    spec = manifest.get("spec") or {}
    shape = {key: spec[key] for key in _POD_FIELDS if spec.get(key)}
    # False is what says something: then root in the container is nobody on the node.
    shape |= {"hostUsers": False} if spec.get("hostUsers") is False else {}
    volumes: list[dict[str, Any]] = [
        {key: {} for key, value in volume.items() if key != "name" and value is not None}
        for volume in _items(spec, "volumes")
    ]
    shape |= {"volumes": volumes} if volumes else {}
    host = bool(spec.get("hostNetwork"))
    annotations = ((manifest.get("metadata") or {}).get("annotations") or {}).items()
    profiles = {key: value for key, value in annotations if key.startswith(_JUDGED_ANNOTATIONS)}
    for name in CONTAINER_LISTS:
        containers = [_container(item, host, profiles) for item in _items(spec, name)]
        shape |= {name: containers} if containers else {}
    return {"spec": shape} | ({"metadata": {"annotations": profiles}} if profiles else {})


def _items(spec: Mapping[str, Any], name: str) -> Iterable[Mapping[str, Any]]:
    return spec.get(name) or ()


def _container(container: Mapping[str, Any], host: bool, profiles: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    if f"{SECCOMP_CONTAINER_ANNOTATION}{container.get('name')}" in profiles:
        # The annotation counts for the container of that name only.
        kept["name"] = container["name"]
    if container.get("securityContext"):
        kept["securityContext"] = container["securityContext"]
    ports = [
        {key: port[key] for key in ("hostPort", *(["containerPort"] if host else [])) if port.get(key)}
        for port in container.get("ports") or ()
    ]
    if any(ports):
        kept["ports"] = ports
    kept |= _with_hosts(container, _HANDLERS)
    hooks = _with_hosts(container.get("lifecycle") or {}, _HOOKS)
    return kept | ({"lifecycle": hooks} if hooks else {})


def _with_hosts(holder: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Probes and hooks, only those that name a host."""
    found: dict[str, Any] = {}
    for name in names:
        handler = holder.get(name) or {}
        hosts = {
            kind: {"host": handler[kind]["host"]}
            for kind in ("httpGet", "tcpSocket")
            if (handler.get(kind) or {}).get("host")
        }
        found |= {name: hosts} if hosts else {}
    return found


def _workload(metadata: Mapping[str, Any]) -> str:
    owner: Mapping[str, Any] = next(
        (item for item in metadata.get("ownerReferences") or () if item.get("controller")), {}
    )
    kind, name = str(owner.get("kind", "Pod")), str(owner.get("name", metadata["name"]))
    suffix = "-" + str((metadata.get("labels") or {}).get("pod-template-hash", ""))
    # What people wrote is the Deployment; the name of its ReplicaSet says which.
    if kind == "ReplicaSet" and len(suffix) > 1 and name.endswith(suffix):
        return f"Deployment/{name.removesuffix(suffix)}"
    return f"{kind}/{name}"
