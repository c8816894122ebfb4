"""The world as one plan sees it: read-only, three-valued, and every read recorded.

When something that was read changes, exactly the subjects that read it are planned again. That is the only wiring:
nobody writes a mapping from one kind to another by hand, and nothing is polled.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

from breakwater.kernel.measurement import Measurement
from breakwater.kernel.plan import Contest, Failure
from breakwater.kernel.reading import (
    ABSENT,
    NOT_PLANNED,
    Entry,
    Manifest,
    Present,
    Projection,
    Reading,
    Unknown,
    project,
)
from breakwater.kernel.references import Ref, Resource, Subject
from breakwater.kernel.settings import Settings

T = TypeVar("T")


class Selector(Protocol):
    """Anything that tells by labels whether an object is meant; compared with == when a plan is repeated."""

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is selected."""
        ...


@dataclass(frozen=True, slots=True)
class Everything:
    """The selector that selects all."""

    def matches(self, labels: Mapping[str, str]) -> bool:  # noqa: ARG002 - the protocol's shape
        """Always."""
        return True


EVERYTHING = Everything()


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """Small facts about many objects, kept by key, so that an aggregate never reads the objects again.

    `facts` must be pure: it maps one object to the keys under which it is found and what is known of it there.
    `overlooks` are reasons for which a type may be unknown without hiding what is known of the others.
    """

    name: str
    resources: tuple[Resource, ...]
    facts: Callable[[Manifest], Mapping[Hashable, Any]]
    overlooks: tuple[str, ...] = ("NotServed",)


class KeyRead(NamedTuple):
    """One object was read, or only its metadata."""

    ref: Ref
    projection: Projection[Any]
    metadata: bool


class SelectRead(NamedTuple):
    """Objects of a type were selected by label; `namespace` None means all."""

    resource: Resource
    namespace: str | None
    selector: Selector
    projection: Projection[Any]


class IndexRead(NamedTuple):
    """One key of an index was read."""

    table: Index
    key: Hashable


class FactRead(NamedTuple):
    """Something that is no object was read: a derived subject's value, a measurement, a state of the operator."""

    key: Hashable


Read = KeyRead | SelectRead | IndexRead | FactRead


class Source(Protocol):
    """Where a world comes from: the live inventory, or a folder of manifests."""

    settings: Settings

    def look_up(self, ref: Ref) -> Reading[Entry]:
        """The whole object."""
        ...

    def metadata(self, ref: Ref) -> Reading[Entry]:
        """The object's metadata, without asking for the data of a foreign Secret."""
        ...

    def listing(self, resource: Resource, namespace: str | None) -> Reading[Iterable[tuple[Ref, Entry]]]:
        """All objects of a type in one namespace, or in all that this operator serves."""
        ...

    def indexed(self, index: Index, key: Hashable) -> Reading[Mapping[Ref, Any]]:
        """The facts under one key."""
        ...

    def fact(self, key: Hashable) -> Reading[Any]:
        """A fact that is no object."""
        ...

    def failures(self, subject: Subject) -> Mapping[str, Failure]:
        """What became of the subject's last actions, by action id; only the failed ones."""
        ...

    def contest(self, ref: Ref) -> Contest | None:
        """Who keeps changing what we own on this object, if anyone does."""
        ...


class World:
    """A source seen through one plan."""

    def __init__(self, source: Source, subject: Subject) -> None:
        self._source = source
        self._subject = subject
        self.settings = source.settings
        self.reads: dict[Read, None] = {}
        self.unknowns: dict[Read, Unknown] = {}

    def get(self, ref: Ref, projection: Projection[T]) -> Reading[T]:
        """One object, as far as `projection` shows it."""
        return self._record(KeyRead(ref, projection, metadata=False), project(self._source.look_up(ref), projection))

    def metadata(self, ref: Ref, projection: Projection[T]) -> Reading[T]:
        """One object's metadata; never causes a foreign Secret to be read."""
        return self._record(KeyRead(ref, projection, metadata=True), project(self._source.metadata(ref), projection))

    def select(
        self,
        resource: Resource,
        projection: Projection[T],
        *,
        selector: Selector = EVERYTHING,
        namespace: str | None = None,
    ) -> Reading[tuple[tuple[Ref, T], ...]]:
        """The objects that a selector means, sorted by namespace and name."""
        read = SelectRead(resource, namespace, selector, projection)
        reading = self._source.listing(resource, namespace)
        if not isinstance(reading, Present):
            return self._record(read, reading)
        chosen = ((ref, entry.project(projection)) for ref, entry in reading.value if selector.matches(entry.labels))
        return self._record(read, Present(tuple(sorted(chosen, key=_by_name))))

    def indexed(self, index: Index, key: Hashable) -> Reading[tuple[tuple[Ref, Any], ...]]:
        """The facts under one key of an index, sorted by namespace and name."""
        reading = self._source.indexed(index, key)
        if not isinstance(reading, Present):
            return self._record(IndexRead(index, key), reading)
        return self._record(IndexRead(index, key), Present(tuple(sorted(reading.value.items(), key=_by_name))))

    def derived(self, subject: Subject) -> Reading[Any]:
        """What a derived subject's last plan published; nobody can tell before its first one."""
        key = ("derived", subject)
        said = self._source.fact(key)
        if isinstance(said, Present):
            return self._record(FactRead(key), ABSENT if said.value is None else said)
        return self._record(FactRead(key), NOT_PLANNED)

    def derived_of(self, kind: str) -> Reading[Mapping[Subject, Any]]:
        """What the derived subjects of a kind published, those that published nothing left out."""
        return self.fact(("derived-of", kind))

    def askers(self) -> Mapping[Subject, Any]:
        """Who mentions this subject, with what they say to it."""
        reading = self.fact(("asked", self._subject))
        return reading.value if isinstance(reading, Present) else {}

    def measurement(self, name: str) -> Reading[Measurement]:
        """The last measurement that this subject asked for under `name`."""
        return self.fact(("measured", self._subject, name))

    def fact(self, key: Hashable) -> Reading[Any]:
        """A fact that is no object; Absent when there is none."""
        return self._record(FactRead(key), self._source.fact(key))

    def failure(self, action_id: str) -> Failure | None:
        """How the action of this id ended when it was last tried, if it failed.

        Not a recorded read: whoever acted plans again anyway.
        """
        return self._source.failures(self._subject).get(action_id)

    def contest(self, ref: Ref) -> Contest | None:
        """Who keeps taking our fields on this object."""
        return self._source.contest(ref)

    def _record(self, read: Read, reading: Reading[T]) -> Reading[T]:
        self.reads[read] = None
        if isinstance(reading, Unknown):
            self.unknowns[read] = reading
        return reading


def _by_name(item: tuple[Ref, Any]) -> tuple[str, str, str]:
    ref = item[0]
    return ref.namespace, ref.name, ref.resource.kind
