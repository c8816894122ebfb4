"""Indexes of small facts over many objects, updated by difference."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any

from breakwater.kernel.reading import Entry, Present, Projection, Reading
from breakwater.kernel.references import Ref, Resource
from breakwater.kernel.world import Index

log = logging.getLogger(__name__)

_NONE: Mapping[Hashable, Any] = {}


class Indexes:
    """The facts of all indexes; memoised by object version through the entry."""

    def __init__(self, indexes: Iterable[Index]) -> None:
        self._tables: dict[Index, dict[Hashable, dict[Ref, Any]]] = {}
        self._projections: dict[Index, Projection[Mapping[Hashable, Any]]] = {}
        self._by_resource: dict[Resource, list[Index]] = {}
        for index in indexes:
            self._tables[index] = {}
            self._projections[index] = Projection(f"index:{index.name}", index.facts)
            for resource in index.resources:
                self._by_resource.setdefault(resource, []).append(index)

    def read(self, index: Index, key: Hashable) -> Mapping[Ref, Any]:
        """The facts under a key, by object."""
        return self._tables[index].get(key, {})

    def keys(self, index: Index) -> Iterable[Hashable]:
        """All keys under which anything is known."""
        return self._tables[index].keys()

    def update(self, ref: Ref, before: Reading[Entry], after: Reading[Entry]) -> Iterator[tuple[Index, list[Hashable]]]:
        """Take an object's change in; yields the keys whose facts differ now."""
        for index in self._by_resource.get(ref.resource, ()):
            old, new = self._facts(index, before, ref), self._facts(index, after, ref)
            changed = [key for key in old.keys() | new.keys() if old.get(key) != new.get(key)]
            for key in changed:
                self._set(index, key, ref, new)
            if changed:
                yield index, changed

    def _facts(self, index: Index, reading: Reading[Entry], ref: Ref) -> Mapping[Hashable, Any]:
        if not isinstance(reading, Present):
            return _NONE
        try:
            return reading.value.project(self._projections[index])
        except Exception:
            # One object that an index cannot read must not keep the others from being known.
            log.exception("bug", extra={"object": str(ref), "index": index.name})
            return _NONE

    def _set(self, index: Index, key: Hashable, ref: Ref, facts: Mapping[Hashable, Any]) -> None:
        table = self._tables[index]
        if key in facts:
            table.setdefault(key, {})[ref] = facts[key]
            return
        held = table.get(key, {})
        held.pop(ref, None)
        if not held:
            table.pop(key, None)
