"""Which Secrets the pods of a workload use, found in their template: volumes, projected volumes, env and envFrom."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any

from breakwater.kernel.reading import Manifest
from breakwater.kernel.references import DAEMON_SET, DEPLOYMENT, STATEFUL_SET, Resource
from breakwater.kernel.world import Index

WORKLOADS: Mapping[str, Resource] = {item.kind: item for item in (DEPLOYMENT, STATEFUL_SET, DAEMON_SET)}


def secrets_used(manifest: Manifest) -> tuple[str, ...]:
    """Names of the Secrets that the pod template reads, sorted."""
    template = ((manifest.get("spec") or {}).get("template") or {}).get("spec") or {}
    found = {*_of_volumes(template), *_of_containers(template)}
    return tuple(sorted(name for name in found if name))


def _of_volumes(spec: Mapping[str, Any]) -> Iterator[str]:
    for volume in spec.get("volumes") or ():
        yield (volume.get("secret") or {}).get("secretName", "")
        for source in (volume.get("projected") or {}).get("sources") or ():
            yield (source.get("secret") or {}).get("name", "")


def _of_containers(spec: Mapping[str, Any]) -> Iterator[str]:
    for kind in ("initContainers", "containers"):
        for container in spec.get(kind) or ():
            yield from _of_env(container.get("env") or ())
            for source in container.get("envFrom") or ():
                yield (source.get("secretRef") or {}).get("name", "")


def _of_env(variables: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for variable in variables:
        yield ((variable.get("valueFrom") or {}).get("secretKeyRef") or {}).get("name", "")


def _consumed(manifest: Manifest) -> Mapping[Hashable, Any]:
    namespace = manifest["metadata"].get("namespace", "")
    return dict.fromkeys(((namespace, name) for name in manifest.get("secrets") or ()), True)


CONSUMERS = Index("consumers", tuple(WORKLOADS.values()), _consumed)
