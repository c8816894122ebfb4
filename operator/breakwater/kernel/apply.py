"""Whether an apply would change anything, so that nothing changed means nothing written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from breakwater.kernel.ownership import MANAGER
from breakwater.kernel.reading import Manifest


def differs(wanted: Manifest, live: Manifest) -> bool:
    """Whether a field that we want differs, or one that we own is not wanted any more.

    Builders emit the server's defaulted form, so that equal means equal; fields of others do not count.
    """
    # Items of a list come without apiVersion and kind.
    fields = {key: value for key, value in wanted.items() if key not in ("apiVersion", "kind")}
    return not _covers(live, fields) or bool(_owned(live) - _paths(fields))


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


def owned_data_keys(live: Manifest) -> frozenset[str]:
    """The keys of a Secret's data that we wrote."""
    keys: set[str] = set()
    for item in live["metadata"].get("managedFields") or ():
        if item.get("manager") == MANAGER:
            owned = (item.get("fieldsV1") or {}).get("f:data") or {}
            keys.update(field[2:] for field in owned if field.startswith("f:"))
    return frozenset(keys)


def foreign_writers(live: Manifest, field: str, keys: Iterable[str] = ()) -> tuple[str, ...]:
    """Managers other than ours that own these keys (or, without keys, anything) below a top-level field."""
    wanted = {f"f:{key}" for key in keys}
    found = set()
    for item in live["metadata"].get("managedFields") or ():
        owned = (item.get("fieldsV1") or {}).get(f"f:{field}") or {}
        if item.get("manager") != MANAGER and (wanted & owned.keys() if wanted else owned):
            found.add(str(item.get("manager")))
    return tuple(sorted(found))
