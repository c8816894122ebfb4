"""Whether an apply would change anything, so that nothing changed means nothing written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from breakwater.kernel.ownership import MANAGER
from breakwater.kernel.reading import Manifest


def differs(wanted: Manifest, live: Manifest) -> bool:
    """Whether a field that we want differs, or one that we own is not wanted any more.

    Builders emit the server's defaulted form, so that equal means equal; fields of others do not count.
    """
    # Items of a list come without apiVersion and kind.
    fields = {key: value for key, value in wanted.items() if key not in ("apiVersion", "kind")}
    return not _covers(live, fields) or not _owned(live) <= _prefixes(_paths(fields))


def _covers(live: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(live, Mapping) and all(
            key in live and _covers(live[key], value) for key, value in wanted.items()
        )
    if isinstance(wanted, list) and wanted and all(isinstance(item, Mapping) for item in wanted):
        return isinstance(live, list) and all(any(_covers(candidate, item) for candidate in live) for item in wanted)
    return bool(live == wanted)


def _owned(live: Manifest) -> set[tuple[str, ...]]:
    paths: set[tuple[str, ...]] = set()
    for item in live["metadata"].get("managedFields") or ():
        if item.get("manager") == MANAGER and item.get("operation") == "Apply" and not item.get("subresource"):
            paths |= set(_field_paths(item.get("fieldsV1") or {}))
    return paths


def _field_paths(fields: Mapping[str, Any], prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Paths of maps' leaves in fieldsV1; list items end a path, since they are compared by value."""
    found: list[tuple[str, ...]] = []
    for key, value in fields.items():
        if key == ".":
            # The map itself, beside what stands in it.
            continue
        if not key.startswith("f:"):
            return [prefix]
        path = (*prefix, key[2:])
        found += _field_paths(value, path) if value else [path]
    return found


def _paths(wanted: Any, prefix: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    if not isinstance(wanted, Mapping) or not wanted:
        return {prefix}
    found: set[tuple[str, ...]] = set()
    for key, value in wanted.items():
        found |= _paths(value, (*prefix, key))
    return found


def _prefixes(paths: set[tuple[str, ...]]) -> set[tuple[str, ...]]:
    """The paths with all above them: an atomic map is owned as one, by its own path."""
    return {path[:length] for path in paths for length in range(len(path) + 1)}


def rivals(live: Manifest, wanted: Manifest) -> tuple[tuple[str, str], ...]:
    """Who else owns what a write of `wanted` would change, as (manager, field); None in `wanted` stands for removal."""
    changed = {path for path in _paths(wanted) if not _stands_at(live, path, wanted)}
    found: set[tuple[str, str]] = set()
    for item in live["metadata"].get("managedFields") or ():
        if item.get("manager") != MANAGER:
            held = changed.intersection(_field_paths(item.get("fieldsV1") or {}))
            found |= {(str(item.get("manager")), f".{'.'.join(path)}") for path in held}
    return tuple(sorted(found))


def missing(live: Manifest, wanted: Manifest) -> frozenset[tuple[str, ...]]:
    """The fields of `wanted` that do not stand so; what is decoded need not say its type."""
    fields = {key: value for key, value in wanted.items() if key not in ("apiVersion", "kind")}
    return frozenset(path for path in _paths(fields) if not _stands_at(live, path, fields))


def _stands_at(live: Manifest, path: tuple[str, ...], wanted: Manifest) -> bool:
    value, standing = _value_at(wanted, path), _value_at(live, path)
    return standing is None if value is None else _covers(standing, value)


def _value_at(manifest: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        manifest = manifest.get(key) if isinstance(manifest, Mapping) else None
    return manifest


def owned_data_keys(live: Manifest) -> frozenset[str]:
    """The keys of a Secret's data that we wrote."""
    keys: set[str] = set()
    for item in live["metadata"].get("managedFields") or ():
        if item.get("manager") == MANAGER:
            owned = (item.get("fieldsV1") or {}).get("f:data") or {}
            keys.update(field[2:] for field in owned if field.startswith("f:"))
    return frozenset(keys)


def is_written_by_others(live: Manifest, key: str) -> bool:
    """Whether somebody else wrote this key of a Secret's data last."""
    return any(
        item.get("manager") != MANAGER and f"f:{key}" in ((item.get("fieldsV1") or {}).get("f:data") or {})
        for item in live["metadata"].get("managedFields") or ()
    )
