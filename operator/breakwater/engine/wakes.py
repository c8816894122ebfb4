"""Who read what: a change of something that was read wakes exactly its readers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Protocol

from breakwater.cluster.inventory import Change, Listener
from breakwater.engine.catalogue import Catalogue
from breakwater.kernel.ownership import MARK
from breakwater.kernel.reading import Entry, Present, Reading, Unknown, project
from breakwater.kernel.references import CUSTOM_RESOURCE_DEFINITION, Ref, Resource, Subject
from breakwater.kernel.world import Index, IndexRead, KeyRead, Read, SelectRead

log = logging.getLogger(__name__)


class Waker(Protocol):
    """The queue, as far as wakes need it."""

    def add(self, subject: Subject) -> None:
        """Plan it soon."""
        ...

    def add_debounced(self, subject: Subject) -> None:
        """Plan it when the burst that it is part of has passed."""
        ...


Place = tuple[Resource, str | None]


class Reads(Listener):
    """The recorded reads of all subjects, by what was read."""

    def __init__(self, catalogue: Catalogue, waker: Waker, definition_changed: Callable[[str], None]) -> None:
        self._catalogue = catalogue
        self._waker = waker
        self._definition_changed = definition_changed
        self._of: dict[Subject, tuple[Read, ...]] = {}
        self._keys: dict[Ref, dict[KeyRead, set[Subject]]] = {}
        self._selects: dict[Place, dict[SelectRead, set[Subject]]] = {}
        self._indexes: dict[IndexRead, set[Subject]] = {}
        self._facts: dict[Hashable, set[Subject]] = {}
        self._gaps: dict[Resource, set[Subject]] = {}
        self._gaps_of: dict[Subject, frozenset[Resource]] = {}
        self._fetches: dict[Ref, None] = {}
        self._declared = catalogue.declared

    def record(self, subject: Subject, reads: Iterable[Read], unknowns: Mapping[Read, Unknown]) -> None:
        """Replace what a subject is known to have read."""
        new = tuple(reads)
        old = self._of.get(subject, ())
        if new != old:
            for read in set(old).difference(new):
                self._readers(read).discard(subject)
                self._tidy(read)
            for read in set(new).difference(old):
                self._readers(read).add(subject)
        self._of[subject] = new
        self._record_gaps(subject, frozenset(resource for read in unknowns for resource in _resources(read)))

    def forget(self, subject: Subject) -> None:
        """The subject is no more."""
        self.record(subject, (), {})
        del self._of[subject]
        self._gaps_of.pop(subject, None)

    def is_wanted(self, ref: Ref) -> bool:
        """Whether any plan still reads the object."""
        return ref in self._keys

    def take_wanted(self) -> list[Ref]:
        """The foreign objects to read by name, once each."""
        wanted, self._fetches = list(self._fetches), {}
        return wanted

    # --- the listener -----------------------------------------------------------------------------------------

    def changed(self, change: Change) -> None:
        """Wake those to whom the difference shows; make a subject known when its declaration or object appears."""
        self._introduce(change)
        if change.ref.resource is CUSTOM_RESOURCE_DEFINITION:
            self._definition_changed(change.ref.name)
        for read, subjects in self._keys.get(change.ref, {}).items():
            if _shows(read, change):
                self._wake(subjects)
        for place in ((change.ref.resource, None), (change.ref.resource, change.ref.namespace)):
            for select, subjects in self._selects.get(place, {}).items():
                if _touches(select, change):
                    self._wake(subjects, debounced=True)

    def indexed(self, index: Index, keys: Iterable[Hashable]) -> None:
        """Wake the readers of these keys."""
        for key in keys:
            self._wake(self._indexes.get(IndexRead(index, key), ()), debounced=True)

    def known(self, resource: Resource) -> None:
        """Wake those who could not tell because of this type."""
        self._wake(self._gaps.get(resource, ()))

    def lost(self, resource: Resource, scope: str) -> None:
        """Wake those who believed to know this scope of the type."""
        for ref, reads in self._keys.items():
            if ref.resource is resource and scope in ("", ref.namespace):
                for subjects in reads.values():
                    self._wake(subjects, debounced=True)
        for (selected, namespace), selects in self._selects.items():
            if selected is resource and (not scope or namespace in (None, scope)):
                for subjects in selects.values():
                    self._wake(subjects, debounced=True)
        for index, subjects in self._indexes.items():
            if resource in index.table.resources:
                self._wake(subjects, debounced=True)

    def fact(self, key: Hashable, *, debounced: bool = False) -> None:
        """Wake the readers of a fact."""
        self._wake(self._facts.get(key, ()), debounced=debounced)

    def wanted(self, ref: Ref) -> None:
        """Note a foreign object to be read."""
        self._fetches[ref] = None

    # --- inside -----------------------------------------------------------------------------------------------

    def _introduce(self, change: Change) -> None:
        kind = self._declared.get(change.ref.resource)
        if kind is not None:
            declared = Subject(kind.name, change.ref.namespace, change.ref.name)
            if declared not in self._of:
                self._waker.add(declared)
            return
        if isinstance(change.metadata_after, Present):
            subject = self._left_by(change.ref.resource, change.metadata_after.value)
            if subject and subject not in self._of and subject.kind in self._catalogue.kinds:
                self._waker.add(subject)

    def _left_by(self, resource: Resource, entry: Entry) -> Subject | None:
        trace = self._catalogue.traces.get(resource)
        if trace is not None:
            return entry.project(trace)
        mark = entry.project(MARK)
        return mark.subject if mark else None

    def _wake(self, subjects: Iterable[Subject], *, debounced: bool = False) -> None:
        for subject in tuple(subjects):
            if debounced:
                self._waker.add_debounced(subject)
            else:
                self._waker.add(subject)

    def _readers(self, read: Read) -> set[Subject]:
        if isinstance(read, KeyRead):
            return self._keys.setdefault(read.ref, {}).setdefault(read, set())
        if isinstance(read, SelectRead):
            return self._selects.setdefault((read.resource, read.namespace), {}).setdefault(read, set())
        if isinstance(read, IndexRead):
            return self._indexes.setdefault(read, set())
        return self._facts.setdefault(read.key, set())

    def _tidy(self, read: Read) -> None:
        if self._readers(read):
            return
        if isinstance(read, KeyRead):
            _remove(self._keys, read.ref, read)
        elif isinstance(read, SelectRead):
            _remove(self._selects, (read.resource, read.namespace), read)
        elif isinstance(read, IndexRead):
            del self._indexes[read]
        else:
            del self._facts[read.key]

    def _record_gaps(self, subject: Subject, resources: frozenset[Resource]) -> None:
        old = self._gaps_of.get(subject, frozenset())
        for resource in old - resources:
            self._gaps[resource].discard(subject)
        for resource in resources - old:
            self._gaps.setdefault(resource, set()).add(subject)
        if resources:
            self._gaps_of[subject] = resources
        else:
            self._gaps_of.pop(subject, None)


def _remove(table: dict[Any, dict[Any, set[Subject]]], outer: Hashable, inner: Read) -> None:
    del table[outer][inner]
    if not table[outer]:
        del table[outer]


def _resources(read: Read) -> tuple[Resource, ...]:
    if isinstance(read, KeyRead):
        return (read.ref.resource,)
    if isinstance(read, SelectRead):
        return (read.resource,)
    if isinstance(read, IndexRead):
        return read.table.resources
    return ()


def _shows(read: KeyRead, change: Change) -> bool:
    try:
        return _differs(read, change)
    except Exception:
        # Its reader meets the same in its plan, where it ends alone and with back-off.
        log.exception("bug", extra={"object": str(change.ref), "projection": read.projection.name})
        return True


def _differs(read: KeyRead, change: Change) -> bool:
    before, after = (change.metadata_before, change.metadata_after) if read.metadata else (change.before, change.after)
    return _view(before, read) != _view(after, read)


def _view(reading: Reading[Entry], read: KeyRead) -> Reading[Any]:
    return project(reading, read.projection)


def _touches(read: SelectRead, change: Change) -> bool:
    try:
        return _selects(read, change)
    except Exception:
        # As above: whoever selects it is woken, and fails alone.
        log.exception("bug", extra={"object": str(change.ref), "projection": read.projection.name})
        return True


def _selects(read: SelectRead, change: Change) -> bool:
    return _selected(change.before, read) != _selected(change.after, read)


def _selected(reading: Reading[Entry], read: SelectRead) -> tuple[bool, Any]:
    if not isinstance(reading, Present) or not read.selector.matches(reading.value.labels):
        return False, None
    return True, reading.value.project(read.projection)
