"""The security fields of a pod template: what it declares, and which of them stand there by our hand.

What pods are to be is decided above; here it is a set of fields, each with its path and value, that the restart which
brings them writes. What stands is read from the template and its managedFields, never from a memory of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from breakwater.kernel.ownership import MANAGER
from breakwater.kernel.reading import Manifest
from breakwater.kernel.sealed import Sealed

FIELD_MANAGER = f"{MANAGER}/Restarts"
POD_DEFAULTS = "podDefaults"
"""The entry for these fields in the record of a restart; no Secret can be named so."""
LISTS = ("containers", "initContainers")
CONTEXT = "securityContext"

Path = tuple[str, ...]
"""Below `spec.template.spec`; containers go by their names."""
Fields = Mapping[Path, Any]


def declared(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a pod's spec while decoding."""
    kept = {key: spec[key] for key in ("os", CONTEXT) if spec.get(key)}
    for name in LISTS:
        containers = [_named(container) for container in spec.get(name) or ()]
        kept |= {name: containers} if containers else {}
    return kept


def _named(container: Mapping[str, Any]) -> dict[str, Any]:
    context = {CONTEXT: container[CONTEXT]} if container.get(CONTEXT) else {}
    return {"name": container.get("name", ""), **context}


def placed(manifest: Manifest) -> list[list[Any]]:
    """The fields of the template that we hold, as pairs of path and value, sorted."""
    spec = ((manifest.get("spec") or {}).get("template") or {}).get("spec") or {}
    found: dict[Path, Any] = {}
    for item in manifest["metadata"].get("managedFields") or ():
        if item.get("manager") == FIELD_MANAGER and item.get("operation") == "Apply" and not item.get("subresource"):
            held = _below(item.get("fieldsV1") or {}, "f:spec", "f:template", "f:spec")
            found |= {path: value for path in _held(held) if (value := _value_at(spec, path)) is not None}
    return [[list(path), value] for path, value in sorted(found.items())]


def _below(node: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    for key in keys:
        node = node.get(key) or {}
    return node


def _held(spec: Mapping[str, Any]) -> Iterator[Path]:
    yield from _leaves(_below(spec, f"f:{CONTEXT}"), (CONTEXT,))
    for name in LISTS:
        for key, item in _below(spec, f"f:{name}").items():
            if key.startswith("k:"):
                container = str(orjson.loads(key[2:]).get("name", ""))
                yield from _leaves(_below(item, f"f:{CONTEXT}"), (name, container, CONTEXT))


def _leaves(node: Mapping[str, Any], path: Path) -> Iterator[Path]:
    for key, below in node.items():
        if key.startswith("f:"):
            own = (*path, key[2:])
            # Beside what stands in it a map can be held itself.
            inner = {name: item for name, item in below.items() if name != "."}
            yield from _leaves(inner, own) if inner else (own,)


def _value_at(spec: Mapping[str, Any], path: Path) -> Any:
    node: Any = spec
    for key in path:
        if isinstance(node, list):
            node = next((item for item in node if item.get("name") == key), None)
        else:
            node = node.get(key) if isinstance(node, Mapping) else None
    return node


def read_placed(pairs: Iterable[Iterable[Any]]) -> dict[Path, Any]:
    """Read back what `placed` found."""
    return {tuple(path): tuple(value) if isinstance(value, list) else value for path, value in pairs}


def without(spec: Mapping[str, Any], fields: Iterable[Path]) -> dict[str, Any]:
    """What would be declared if these fields were not there."""
    bare: dict[str, Any] = orjson.loads(orjson.dumps(spec))
    for path in fields:
        _remove(bare, path)
    return bare


def _remove(node: Any, path: Path) -> None:
    key, *rest = path
    if isinstance(node, list):
        item = next((item for item in node if item.get("name") == key), None)
        if item is not None:
            _remove(item, tuple(rest))
    elif key in node and not rest:
        del node[key]
    elif key in node:
        _remove(node[key], tuple(rest))
        if not node[key]:
            del node[key]


def nested(fields: Fields) -> dict[str, Any]:
    """The fields as `spec.template.spec` of an apply holds them."""
    spec: dict[str, Any] = {}
    for path, value in sorted(fields.items()):
        node, steps = spec, path
        if path[0] in LISTS:
            containers = spec.setdefault(path[0], [])
            if not containers or containers[-1]["name"] != path[1]:
                containers.append({"name": path[1]})
            node, steps = containers[-1], path[2:]
        for key in steps[:-1]:
            node = node.setdefault(key, {})
        node[steps[-1]] = list(value) if isinstance(value, tuple) else value
    return spec


def content_of(uid: str, fields: Fields) -> Sealed:
    """What is marked of the fields: those of another workload of the same name are something else."""
    return Sealed(orjson.dumps([uid, sorted([list(path), value] for path, value in fields.items())]))
