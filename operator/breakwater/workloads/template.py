"""The security fields of a pod template: what it declares, and which of them stand there by our hand.

What pods are to be is decided above; here it is a set of fields, each with its path and value, that the restart which
brings them writes. What stands is read from the template and its managedFields, never from a memory of ours.

They are patched, not applied: an apply would hold the container too in which it sets a field, and whoever applies the
workload could not remove that container any more: without an image it would be left behind, and refused.
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


def ours(manifest: Manifest) -> dict[str, Any]:
    """What stands in the template by our hand.

    `placed` are fields, as pairs of path and value; `whole` the maps that we made and in which nothing else stands.
    """
    spec = ((manifest.get("spec") or {}).get("template") or {}).get("spec") or {}
    held: dict[Path, Any] = {}
    for item in manifest["metadata"].get("managedFields") or ():
        if item.get("manager") == FIELD_MANAGER and item.get("operation") == "Update" and not item.get("subresource"):
            below = _below(item.get("fieldsV1") or {}, "f:spec", "f:template", "f:spec")
            held |= {path: value for path in _held(below) if (value := _value_at(spec, path)) is not None}
    fields = {path: value for path, value in held.items() if not isinstance(value, dict)}
    maps = [
        path for path, value in held.items() if isinstance(value, dict) and _all_below(path, value) <= fields.keys()
    ]
    found = {"placed": [[list(path), value] for path, value in sorted(fields.items())]}
    return found | {"whole": [list(path) for path in sorted(maps)]} if fields else {}


def _all_below(path: Path, value: Any) -> set[Path]:
    if not isinstance(value, dict):
        return {path}
    return {leaf for key, item in value.items() for leaf in _all_below((*path, key), item)}


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
        if key == ".":
            # The map itself, beside what stands in it.
            yield path
        elif key.startswith("f:"):
            own = (*path, key[2:])
            yield from _leaves(below, own) if below else (own,)


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


def patch(fields: Fields, placed: Fields, whole: Iterable[Path], containers: Iterable[Path]) -> dict[str, Any]:
    """A strategic merge patch of `spec.template.spec` after which exactly these fields stand there by our hand.

    Args:
        fields: to stand.
        placed: what stands.
        whole: maps that are ours as a whole, and leave with the last of their fields.
        containers: of the template, in their order, each as its list and its name.
    """
    leaving = placed.keys() - fields.keys()
    empty = [path for path in whole if not any(other[: len(path)] == path for other in fields)]
    changed: dict[Path, Any] = {path: value for path, value in fields.items() if placed.get(path) != value}
    for path in leaving:
        around = (prefix for prefix in empty if path[: len(prefix)] == prefix)
        changed[min(around, key=len, default=path)] = None
    return _nested(changed, tuple(containers))


def _nested(fields: Fields, containers: tuple[Path, ...]) -> dict[str, Any]:
    spec: dict[str, Any] = {}
    for name in {path[0] for path in fields} & set(LISTS):
        # All of them: those that a patch does not name would come last.
        spec[name] = [{"name": container} for kind, container in containers if kind == name]
    for path, value in sorted(fields.items()):
        node, steps = spec, path
        if path[0] in LISTS:
            node, steps = next(item for item in spec[path[0]] if item["name"] == path[1]), path[2:]
        for key in steps[:-1]:
            node = node.setdefault(key, {})
        node[steps[-1]] = list(value) if isinstance(value, tuple) else value
    return spec


def content_of(uid: str, fields: Fields) -> Sealed:
    """What is marked of the fields: those of another workload of the same name are something else."""
    return Sealed(orjson.dumps([uid, sorted([list(path), value] for path, value in fields.items())]))
