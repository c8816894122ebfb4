"""Which Ingresses link to a companion: a copy of an Ingress that was made with kubectl links to what is not its own."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from breakwater.kernel.reading import Manifest, Present, Unknown
from breakwater.kernel.references import INGRESS
from breakwater.kernel.world import Index, World
from breakwater.zones.dialects import DIALECTS
from breakwater.zones.ingress import listed

_KEYS = tuple(sorted({dialect.links for dialect in DIALECTS.values() if dialect.links}))


def _linked(manifest: Manifest) -> Mapping[Hashable, Any]:
    metadata = manifest["metadata"]
    annotations = metadata.get("annotations") or {}
    links = {link for key in _KEYS for link in listed(annotations.get(key, ""))}
    return {} if "deletionTimestamp" in metadata else {(metadata["namespace"], link): True for link in links}


LINKED = Index("links", (INGRESS,), _linked)
"""By namespace and link, the Ingresses that bear it."""


def linking(namespace: str, link: str, world: World) -> tuple[str, ...] | Unknown:
    """The names of the Ingresses of a namespace that link so."""
    found = world.indexed(LINKED, (namespace, link))
    if isinstance(found, Unknown):
        return found
    return tuple(ref.name for ref, _ in found.value) if isinstance(found, Present) else ()
