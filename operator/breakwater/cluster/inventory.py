"""What the cluster holds, as far as this operator looks: the live source of every world.

Of most types everything is watched, projected while decoding. Of Secrets and ConfigMaps there are many that are none of
our business: of all of them only metadata is watched, in full only those with our label, and a foreign one is read by
name when a plan asks for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import Any

from breakwater.cluster.indexes import Indexes
from breakwater.cluster.store import EVERYWHERE, Store
from breakwater.kernel.ownership import MANAGED_BY, MANAGER
from breakwater.kernel.plan import Contest, Failure
from breakwater.kernel.reading import ABSENT, NOT_FETCHED, NOT_SYNCED, Entry, Manifest, Present, Reading, Unknown
from breakwater.kernel.references import Ref, Resource, Subject
from breakwater.kernel.settings import Settings
from breakwater.kernel.world import Index


class Stream(Enum):
    """Which of a type's streams an event came from."""

    WHOLE = auto()
    METADATA = auto()


@dataclass(frozen=True, slots=True)
class Change:
    """One object before and after, as readings of the whole object and of its metadata alone."""

    ref: Ref
    before: Reading[Entry]
    after: Reading[Entry]
    metadata_before: Reading[Entry]
    metadata_after: Reading[Entry]


class Listener:
    """Who is told of changes; the engine's registry of reads."""

    def changed(self, change: Change) -> None:
        """An object changed."""

    def indexed(self, index: Index, keys: Iterable[Hashable]) -> None:
        """Facts under these keys of an index changed."""

    def known(self, resource: Resource) -> None:
        """A scope of a type can be told completely now, or why it cannot is another reason."""

    def lost(self, resource: Resource, scope: str) -> None:
        """A scope of a type cannot be told any more: what was absent in it is Unknown."""

    def fact(self, key: Hashable, *, debounced: bool = False) -> None:
        """A fact that is no object changed."""

    def wanted(self, ref: Ref) -> None:
        """A plan asked for a foreign object that has to be read by name."""


class Inventory:
    """The live source. Everything here runs in one event loop, without awaiting, so each read is of one moment."""

    def __init__(
        self,
        settings: Settings,
        *,
        whole: Iterable[Resource],
        split: Iterable[Resource],
        indexes: Iterable[Index],
        scopes: tuple[str, ...] = (EVERYWHERE,),
    ) -> None:
        self.settings = settings
        self.listener = Listener()
        self.changes: Counter[Resource] = Counter()
        self._whole = {resource: Store(resource, _scopes_of(resource, scopes)) for resource in (*whole, *split)}
        self._metadata = {resource: Store(resource, scopes) for resource in split}
        self._fetched: dict[Ref, Entry | Unknown] = {}
        self._indexes = Indexes(indexes)
        self._facts: dict[Hashable, Any] = {}
        self._failures: dict[Subject, dict[str, Failure]] = {}
        self._contests: dict[Ref, Contest] = {}
        self._waiting: dict[Ref, list[Callable[[], None]]] = {}

    # --- the source of worlds ---------------------------------------------------------------------------------

    def look_up(self, ref: Ref) -> Reading[Entry]:
        """The whole object; a foreign Secret or ConfigMap is asked for and Unknown until it was read."""
        reading = self._peek(ref)
        if reading is NOT_FETCHED:
            self.listener.wanted(ref)
        return reading

    def metadata(self, ref: Ref) -> Reading[Entry]:
        """The object's metadata; for types that are watched whole, the object."""
        store = self._store(ref.resource)
        if store is None:
            return _unserved(ref.resource)
        entry = store.entry(ref)
        if entry is not None:
            return Present(entry)
        overview = self._metadata.get(ref.resource)
        return overview.read(ref) if overview is not None else store.read(ref)

    def listing(self, resource: Resource, namespace: str | None) -> Reading[Iterable[tuple[Ref, Entry]]]:
        """All objects that are watched whole; Unknown while a part of them is."""
        store = self._store(resource)
        if store is None:
            return _unserved(resource)
        return store.gap(namespace) or Present(store.items(namespace))

    def indexed(self, index: Index, key: Hashable) -> Reading[Mapping[Ref, Any]]:
        """Facts under a key; Unknown while a type of the index is not fully known."""
        for resource in index.resources:
            store = self._store(resource)
            gap = _unserved(resource) if store is None else store.gap(None)
            if gap is not None and gap.reason not in index.overlooks:
                return gap
        return Present(self._indexes.read(index, key))

    def keys(self, index: Index) -> Iterable[Hashable]:
        """All keys of an index."""
        return self._indexes.keys(index)

    def fact(self, key: Hashable) -> Reading[Any]:
        """A fact that is no object."""
        return self._facts.get(key, ABSENT)  # type: ignore[no-any-return]  # readings of whatever was stated

    def failures(self, subject: Subject) -> Mapping[str, Failure]:
        """The failed actions of the subject's last attempt."""
        return self._failures.get(subject, {})

    def contest(self, ref: Ref) -> Contest | None:
        """Who keeps taking our fields there."""
        return self._contests.get(ref)

    # --- what the engine states -------------------------------------------------------------------------------

    def state(self, key: Hashable, reading: Reading[Any], *, quiet: bool = False, debounced: bool = False) -> None:
        """Set a fact; Absent removes it. Readers are told of a change unless it is a `quiet` one, or `debounced`."""
        if self._facts.get(key, ABSENT) == reading:
            return
        if reading == ABSENT:
            del self._facts[key]
        else:
            self._facts[key] = reading
        if not quiet:
            self.listener.fact(key, debounced=debounced)

    def remember(self, subject: Subject, failures: Mapping[str, Failure]) -> None:
        """Keep what failed, for the conditions of the next plan."""
        if failures:
            self._failures[subject] = dict(failures)
        else:
            self._failures.pop(subject, None)

    def contested(self, ref: Ref, contest: Contest | None) -> None:
        """Record, or end, a contest over an object of ours."""
        if contest is None:
            self._contests.pop(ref, None)
        else:
            self._contests[ref] = contest

    # --- what streams and writes feed -------------------------------------------------------------------------

    @contextmanager
    def writing(self, ref: Ref) -> Iterator[None]:
        """Around a write of ours: events of its object wait for the answer, lest the writer be woken by its own write.

        Without that it is a matter of luck which of them comes first.
        """
        if ref in self._waiting:
            yield
            return
        self._waiting[ref] = []
        try:
            yield
        finally:
            for event in self._waiting.pop(ref):
                event()

    def put(self, resource: Resource, manifest: Manifest, stream: Stream = Stream.WHOLE) -> None:
        """A version of an object, from an event or a list."""
        ref = ref_of(resource, manifest)
        if ref in self._waiting:
            self._waiting[ref].append(partial(self._put, ref, Entry.of(manifest), stream))
        else:
            self._put(ref, Entry.of(manifest), stream)

    def answered(self, resource: Resource, manifest: Manifest) -> None:
        """A version of an object, from the answer to a write of ours."""
        self._put(ref_of(resource, manifest), Entry.of(manifest), Stream.WHOLE)

    def _put(self, ref: Ref, entry: Entry, stream: Stream) -> None:
        stores = [self._stores(ref.resource, each) for each in self._fed_by(ref.resource, stream)]
        # Most events tell of what an answer told already.
        if not any(store.is_news(ref, entry) for store in stores):
            return
        with self._changing(ref):
            for store in stores:
                store.put(ref, entry)
            if stream is Stream.METADATA:
                self._refresh(ref, entry)

    def drop(self, resource: Resource, manifest: Manifest, stream: Stream = Stream.WHOLE) -> None:
        """The end of an object, or (of the labelled stream) of our label on it."""
        ref = ref_of(resource, manifest)
        if ref in self._waiting:
            self._waiting[ref].append(partial(self._drop, ref, Entry.of(manifest), stream))
        else:
            self._drop(ref, Entry.of(manifest), stream)

    def _drop(self, ref: Ref, entry: Entry, stream: Stream) -> None:
        resource = ref.resource
        with self._changing(ref):
            self._stores(resource, stream).drop(ref, entry.uid, entry.version)
            if stream is Stream.METADATA:
                self._fetched.pop(ref, None)
                self._whole[resource].drop(ref, entry.uid, entry.version)

    def gone(self, ref: Ref, uid: str) -> None:
        """The API server answered that this object does not exist any more."""
        for stream in Stream:
            if stream is Stream.WHOLE or ref.resource in self._metadata:
                store = self._stores(ref.resource, stream)
                held = store.entry(ref)
                if held is not None and held.uid == uid:
                    with self._changing(ref):
                        store.drop(ref, uid, held.version)

    def listed(
        self, resource: Resource, scope: str, manifests: Iterable[Manifest], version: int, stream: Stream = Stream.WHOLE
    ) -> None:
        """A complete list: what is not in it any more has been deleted, whatever events were missed."""
        names: list[Ref] = []
        for manifest in manifests:
            self.put(resource, manifest, stream)
            names.append(ref_of(resource, manifest))
        self.complete(resource, scope, names, version, stream)

    def complete(
        self, resource: Resource, scope: str, names: Iterable[Ref], version: int, stream: Stream = Stream.WHOLE
    ) -> None:
        """These are all objects of a scope at that version; the rest is forgotten and the scope is known."""
        store = self._stores(resource, stream)
        for ref, entry in store.missing(scope, names, version):
            with self._changing(ref):
                store.drop(ref, entry.uid, entry.version)
                if stream is Stream.METADATA:
                    self._fetched.pop(ref, None)
        self._close(resource, scope, None, stream)

    def lost(self, resource: Resource, scope: str, why: Unknown, stream: Stream = Stream.WHOLE) -> None:
        """A scope cannot be listed: what is not held of it is Unknown from now on."""
        self._close(resource, scope, why, stream)

    def fetched(self, ref: Ref, result: Entry | Unknown) -> None:
        """The answer to a read of a foreign object by name; one that was overtaken by the watch is asked for again."""
        overview = self._metadata[ref.resource].entry(ref)
        if isinstance(result, Entry) and overview is not None and overview.version > result.version:
            self.refetch(ref)
            return
        with self._changing(ref):
            self._fetched[ref] = result

    def refetch(self, ref: Ref) -> None:
        """Forget the answer to a read by name, so that it is asked for again."""
        with self._changing(ref):
            self._fetched.pop(ref, None)
        self.listener.wanted(ref)

    def held(self, resource: Resource) -> Iterable[tuple[Ref, Entry]]:
        """Every object of a type that is here, known completely or not."""
        return self._whole[resource].items()

    def synced(self, resource: Resource) -> bool:
        """Whether everything that is served of a type has been listed."""
        return all(self._stores(resource, stream).is_listed for stream in self._streams(resource))

    def resources(self) -> Iterable[Resource]:
        """Every type that is watched."""
        return self._whole

    # --- inside -----------------------------------------------------------------------------------------------

    def _peek(self, ref: Ref) -> Reading[Entry]:
        store = self._store(ref.resource)
        if store is None:
            return _unserved(ref.resource)
        overview = self._metadata.get(ref.resource)
        entry = store.entry(ref)
        if overview is None or entry is not None:
            return store.read(ref)
        reading = overview.read(ref)
        if not isinstance(reading, Present):
            return reading
        if reading.value.labels.get(MANAGED_BY) == MANAGER and store.gap(ref.namespace) is not None:
            return NOT_SYNCED
        fetched = self._fetched.get(ref, NOT_FETCHED)
        return fetched if isinstance(fetched, Unknown) else Present(fetched)

    def _refresh(self, ref: Ref, entry: Entry) -> None:
        """A foreign object that was read by name has changed: it is read again if somebody still wants it."""
        held = self._fetched.get(ref)
        if isinstance(held, Unknown) or (held is not None and held.version < entry.version):
            del self._fetched[ref]

    def _store(self, resource: Resource) -> Store | None:
        return self._whole.get(resource)

    def _stores(self, resource: Resource, stream: Stream) -> Store:
        return (self._metadata if stream is Stream.METADATA else self._whole)[resource]

    def _streams(self, resource: Resource) -> tuple[Stream, ...]:
        return (Stream.WHOLE, Stream.METADATA) if resource in self._metadata else (Stream.WHOLE,)

    def _fed_by(self, resource: Resource, stream: Stream) -> tuple[Stream, ...]:
        """The whole object tells of its metadata, too."""
        return self._streams(resource) if stream is Stream.WHOLE else (stream,)

    def _close(self, resource: Resource, scope: str, gap: Unknown | None, stream: Stream) -> None:
        if self._stores(resource, stream).close(scope, gap):
            self.changes[resource] += 1
            self.listener.known(resource)
            if gap is not None:
                self.listener.lost(resource, scope)

    @contextmanager
    def _changing(self, ref: Ref) -> Iterator[None]:
        """Compare the object before and after, and tell the listener if it differs."""
        before, metadata_before = self._peek(ref), self.metadata(ref)
        yield
        change = Change(ref, before, self._peek(ref), metadata_before, self.metadata(ref))
        if change.before != change.after or change.metadata_before != change.metadata_after:
            self._notify(change)

    def _notify(self, change: Change) -> None:
        self.changes[change.ref.resource] += 1
        if change.before != change.after:
            for index, keys in self._indexes.update(change.ref, change.before, change.after):
                self.listener.indexed(index, keys)
        self.listener.changed(change)


def ref_of(resource: Resource, manifest: Manifest) -> Ref:
    """The name of an object that the API server sent."""
    metadata = manifest["metadata"]
    return Ref(resource, metadata.get("namespace", ""), metadata["name"])


def _scopes_of(resource: Resource, scopes: tuple[str, ...]) -> tuple[str, ...]:
    return scopes if resource.namespaced else (EVERYWHERE,)


def _unserved(resource: Resource) -> Unknown:
    return Unknown("NotServed", f"{resource} is not watched by this operator")
