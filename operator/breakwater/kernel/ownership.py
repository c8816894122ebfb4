"""Whose object is it: the marks that we put on what we make, and the rule that nothing is adopted by its name."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from breakwater.kernel.plan import Version
from breakwater.kernel.reading import Entry, Manifest, Present, Projection, Unknown
from breakwater.kernel.references import CLUSTER_TRUST_BUNDLE, CONFIG_MAP, GROUP, SECRET, Ref, Resource, Subject
from breakwater.kernel.world import Index, World

MANAGER = "breakwater"
MANAGED_BY = "app.kubernetes.io/managed-by"
OURS = f"{MANAGED_BY}={MANAGER}"
SUBJECT = f"{GROUP}/subject"
RELEASED = f"{GROUP}/released"
DELETION_POLICY = f"{GROUP}/deletion-policy"
GENERATION = f"{GROUP}/generation"
AUTHORITY = f"{GROUP}/authority"
USE = f"{GROUP}/use"

MADE: tuple[Resource, ...] = (SECRET, CONFIG_MAP, CLUSTER_TRUST_BUNDLE)


@dataclass(frozen=True, slots=True)
class Mark:
    """Who made an object, read from its metadata.

    Attributes:
        subject: the one subject that writes it; None when somebody removed that annotation.
        version: to change or delete exactly this.
        released: left behind on purpose when its declaration ended.
        deletes: its declaration asked for deletion.
        deleting: the API server is deleting it.
        created: `creationTimestamp`, as written.
    """

    subject: Subject | None
    version: Version
    released: bool
    deletes: bool
    deleting: bool
    created: str


def mark_of(manifest: Manifest) -> Mark | None:
    """The mark, or None when the object is not ours.

    Our field manager must have written it, and one of our marks be left: a label or annotation that somebody removed is
    drift to be repaired, but a label alone can be put on anything.
    """
    metadata = manifest["metadata"]
    labels = metadata.get("labels") or {}
    annotations = metadata.get("annotations") or {}
    subject = Subject.parse(annotations.get(SUBJECT, ""))
    if not _wrote(metadata) or (labels.get(MANAGED_BY) != MANAGER and subject is None):
        return None
    return Mark(
        subject,
        Version(metadata.get("uid", ""), metadata.get("resourceVersion", "")),
        released=RELEASED in labels,
        deletes=annotations.get(DELETION_POLICY) == "Delete",
        deleting="deletionTimestamp" in metadata,
        created=metadata.get("creationTimestamp", ""),
    )


def _wrote(metadata: Mapping[str, Any]) -> bool:
    return any(item.get("manager") == MANAGER for item in metadata.get("managedFields") or ())


MARK: Projection[Mark | None] = Projection("mark", mark_of)


def _owned(manifest: Manifest) -> Mapping[Hashable, Any]:
    mark = mark_of(manifest)
    return {mark.subject: mark} if mark and mark.subject else {}


OWNED = Index("owned", MADE, _owned)


@dataclass(frozen=True, slots=True)
class Free:
    """Nothing stands under that name."""


@dataclass(frozen=True, slots=True)
class Ours:
    """Our own object, as it stands."""

    entry: Entry
    mark: Mark


@dataclass(frozen=True, slots=True)
class Taken:
    """Somebody else's object stands under that name; `by` says whose."""

    by: str


Claim = Free | Ours | Taken | Unknown

ENTRY: Projection[Entry] = Projection("entry", Entry.of)


def claim(world: World, ref: Ref, subject: Subject) -> Claim:
    """What stands under the name that a subject wants to write."""
    reading = world.metadata(ref, MARK)
    if isinstance(reading, Unknown):
        return reading
    if not isinstance(reading, Present):
        return Free()
    if reading.value is None:
        return Taken("an object that Breakwater did not make")
    if reading.value.subject not in (subject, None):
        return Taken(str(reading.value.subject))
    whole = world.get(ref, ENTRY)
    if isinstance(whole, Unknown):
        return whole
    return Ours(whole.value, reading.value) if isinstance(whole, Present) else Free()
