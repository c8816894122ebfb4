"""What the engine is given to run: kinds of subjects, types to watch, indexes, probers; none is known by name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from breakwater.kernel.measurement import Measurement, Result
from breakwater.kernel.plan import Plan
from breakwater.kernel.reading import Manifest, Projection
from breakwater.kernel.references import Ref, Resource, Subject
from breakwater.kernel.world import Index, Source, World

PlanFunction = Callable[[Subject, World, datetime], Plan]


class Finding(Protocol):
    """What a prober found, before it is stamped with its time."""

    @property
    def result(self) -> Result:
        """Whether it holds."""
        ...

    @property
    def reason(self) -> str:
        """CamelCase."""
        ...

    @property
    def message(self) -> str:
        """A sentence for people, of our own words."""
        ...

    @property
    def facts(self) -> Mapping[str, str]:
        """What was seen."""
        ...


Prober = Callable[[Any, Source, datetime], Awaitable[Finding]]


@dataclass(frozen=True, slots=True)
class SubjectKind:
    """One kind of subject.

    Attributes:
        name: as in `Subject.kind`.
        plan: the pure function that plans it.
        resource: the type that declares it; None for derived subjects.
        seed: reads durable measurements back from a declaration's status.
    """

    name: str
    plan: PlanFunction
    resource: Resource | None = None
    seed: Callable[[Manifest], Iterable[Measurement]] = lambda _: ()


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything the rooms bring along.

    Attributes:
        kinds: by name.
        watched: types that are watched whole, with the function that drops what no plan reads.
        split: types of which only our own objects are watched whole.
        indexes: aggregates over them.
        left: those of them that say, as marks by declaration, what declarations leave on objects of others.
        probers: by the type of the probe that a plan asks for.
        traces: of objects of others, the derived subject that has left fields on one: it is planned though nobody
            mentions it any more.
    """

    kinds: Mapping[str, SubjectKind]
    watched: Mapping[Resource, Callable[[Manifest], Manifest]]
    split: tuple[Resource, ...]
    indexes: tuple[Index, ...]
    left: tuple[Index, ...] = ()
    probers: Mapping[type, Prober] = field(default_factory=dict)
    traces: Mapping[Resource, Projection[Subject | None]] = field(default_factory=dict)

    @property
    def declared(self) -> Mapping[Resource, SubjectKind]:
        """The kinds that are declared by a resource of ours."""
        return {kind.resource: kind for kind in self.kinds.values() if kind.resource is not None}

    def declaration(self, subject: Subject) -> Ref | None:
        """The object that declares a subject."""
        kind = self.kinds.get(subject.kind)
        if kind is None or kind.resource is None:
            return None
        return Ref(kind.resource, subject.namespace, subject.name)
