"""Manifests as the API server sends them, for what watches them."""

from __future__ import annotations

from typing import Any

from breakwater.kernel.reading import Projection
from breakwater.kernel.references import Ref, Resource

WIDGET = Resource("example.org", "v1", "Widget", "widgets")
VALUE: Projection[Any] = Projection("value", lambda manifest: manifest.get("value"))


def manifest(
    name: str,
    version: int,
    *,
    namespace: str = "a",
    uid: str = "",
    labels: dict[str, str] | None = None,
    **members: Any,
) -> dict[str, Any]:
    """An object; by default its uid follows from its name."""
    metadata = {"name": name, "namespace": namespace, "uid": uid or f"uid-{namespace}-{name}", "labels": labels or {}}
    return {"metadata": {**metadata, "resourceVersion": str(version)}, **members}


def ref(name: str, namespace: str = "a", resource: Resource = WIDGET) -> Ref:
    """Its name."""
    return Ref(resource, namespace, name)
