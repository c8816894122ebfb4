"""What probes need of Services, slices, pods and nodes, kept while decoding: there are many of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from breakwater.kernel.reading import Manifest
from breakwater.workloads.pods import ready_since

_METADATA = ("name", "namespace", "uid", "resourceVersion", "labels")


def service(manifest: Manifest) -> Manifest:
    """Type, ports and cluster addresses."""
    spec = _kept(manifest.get("spec"), ("type", "externalName", "ports", "clusterIPs"))
    return {"metadata": _kept(manifest["metadata"], _METADATA), "spec": spec}


def slice_(manifest: Manifest) -> Manifest:
    """Endpoints and ports."""
    return {"metadata": _kept(manifest["metadata"], _METADATA)} | _kept(manifest, ("endpoints", "ports"))


def pod(manifest: Manifest) -> Manifest:
    """Its addresses, whether they are (still) its own, and since when it is ready."""
    since = ready_since(manifest)
    return {
        "metadata": _kept(manifest["metadata"], _METADATA),
        "spec": _kept(manifest.get("spec"), ("hostNetwork",)),
        "status": _kept(manifest.get("status"), ("podIPs", "phase")) | ({"readySince": since} if since else {}),
    }


def node(manifest: Manifest) -> Manifest:
    """Its addresses."""
    return {"metadata": _kept(manifest["metadata"], _METADATA), "status": _kept(manifest.get("status"), ("addresses",))}


def _kept(part: Mapping[str, Any] | None, keys: Iterable[str]) -> dict[str, Any]:
    return {key: part[key] for key in keys if key in part} if part else {}
