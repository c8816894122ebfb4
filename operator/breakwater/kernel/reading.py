"""What a plan can learn of one thing: it is there, it is not there, or nobody can tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

import orjson

T = TypeVar("T")
Manifest = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Present(Generic[T]):
    """It exists; `value` is what was asked of it."""

    value: T


@dataclass(frozen=True, slots=True)
class Absent:
    """It does not exist, and its kind is synced: this is knowledge, not a gap."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody can tell. A plan that met this may add, never delete or drop.

    Attributes:
        reason: CamelCase: NotSynced, Forbidden, NotServed, NotFetched, NotPlanned, NotMeasured.
        message: a sentence for people.
    """

    reason: str
    message: str = ""


Reading = Present[T] | Absent | Unknown

ABSENT = Absent()
NOT_SYNCED = Unknown("NotSynced", "the first list of this kind is not complete yet")
NOT_FETCHED = Unknown("NotFetched", "the object is being read")
NOT_PLANNED = Unknown("NotPlanned", "the subject that tells is being planned")


@dataclass(frozen=True, slots=True, eq=False)
class Projection(Generic[T]):
    """The part of an object that a plan depends on; only a change of this part wakes its reader.

    `of` must be pure. Its values are compared with ==, and memoised for the version of the object that they came from.
    """

    name: str
    of: Callable[[Manifest], T]


def compact(value: Any) -> bytes:
    """JSON text, in as many bytes as it has: what orjson returns still owns the rest of its buffer."""
    return bytes(memoryview(orjson.dumps(value)))


@dataclass(slots=True, eq=False)
class Entry:
    """One version of one object as the inventory holds it, with the projections computed from it so far.

    It is kept as JSON text, which takes a third of the memory of its decoded form and, since plans read projections, is
    hardly ever decoded again.
    """

    uid: str
    version: int
    _text: bytes = field(repr=False)
    _memo: dict[Projection[Any], Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, manifest: Manifest) -> Entry:
        """Wrap what the API server sent. Resource versions compare as integers (KEP-5504)."""
        metadata = manifest["metadata"]
        return cls(metadata.get("uid", ""), int(metadata.get("resourceVersion") or 0), compact(manifest))

    def project(self, projection: Projection[T]) -> T:
        """The projected value, computed once for this version."""
        if projection is WHOLE:
            return self  # type: ignore[return-value]  # what WHOLE projects to
        try:
            return self._memo[projection]  # type: ignore[no-any-return]  # keyed by the projection that made it
        except KeyError:
            value = self._memo[projection] = projection.of(self.manifest)
            return value

    @property
    def manifest(self) -> Manifest:
        """The whole object, decoded anew each time."""
        return orjson.loads(self._text)  # type: ignore[no-any-return]  # `of` was given an object

    @property
    def metadata(self) -> Manifest:
        """`metadata`, never absent; decoded anew each time."""
        return self.manifest["metadata"]  # type: ignore[no-any-return]

    @property
    def labels(self) -> Mapping[str, str]:
        """`metadata.labels`, empty when there are none."""
        return self.project(LABELS)

    @property
    def annotations(self) -> Mapping[str, str]:
        """`metadata.annotations`, empty when there are none."""
        return self.project(ANNOTATIONS)


WHOLE: Final[Projection[Entry]] = Projection("whole", Entry.of)
"""All of it: each new version wakes the reader."""
LABELS: Final[Projection[Mapping[str, str]]] = Projection(
    "labels", lambda manifest: manifest["metadata"].get("labels") or {}
)
ANNOTATIONS: Final[Projection[Mapping[str, str]]] = Projection(
    "annotations", lambda manifest: manifest["metadata"].get("annotations") or {}
)
CREATED: Final[Projection[str]] = Projection(
    "created", lambda manifest: str(manifest["metadata"].get("creationTimestamp", ""))
)


def project(reading: Reading[Entry], projection: Projection[T]) -> Reading[T]:
    """Carry a projection into a reading."""
    return Present(reading.value.project(projection)) if isinstance(reading, Present) else reading
