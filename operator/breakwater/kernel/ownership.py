"""Whose object is it: the marks that we put on what we make, and the rule that nothing is adopted by its name."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from breakwater.kernel.plan import Version
from breakwater.kernel.reading import WHOLE, Entry, Manifest, Present, Projection, Unknown
from breakwater.kernel.references import (
    ADMISSION,
    CLUSTER_TRUST_BUNDLE,
    CONFIG_MAP,
    GROUP,
    MIDDLEWARE,
    SECRET,
    Ref,
    Resource,
    Subject,
)
from breakwater.kernel.world import Index, World

MANAGER = "breakwater"
MANAGED_BY = "app.kubernetes.io/managed-by"
OURS = f"{MANAGED_BY}={MANAGER}"
SUBJECT = f"{GROUP}/subject"
RELEASED = f"{GROUP}/released"
DELETION_POLICY = f"{GROUP}/deletion-policy"
GENERATION = f"{GROUP}/generation"
RESTORED = f"{GROUP}/restored"
AUTHORITY = f"{GROUP}/authority"
USE = f"{GROUP}/use"
LOGIN_ORIGIN = f"{GROUP}/login"
"""On a binding: `Generated` where its password is one that we made, so that it may be restored from there."""

MADE: tuple[Resource, ...] = (SECRET, CONFIG_MAP, CLUSTER_TRUST_BUNDLE, MIDDLEWARE, *ADMISSION)


@dataclass(frozen=True, slots=True)
class Mark:
    """Who made an object, read from its metadata.

    Attributes:
        subject: the one subject that writes it; None when somebody removed that annotation.
        version: to change or delete exactly this.
        released: left behind on purpose when its declaration ended.
        deletes: its declaration asked for deletion.
        deleting: the API server is deleting it.
        restored: it bears our marks and we did not write it: a person put it there, from a backup.
        created: `creationTimestamp`, as written.
    """

    subject: Subject | None
    version: Version
    released: bool
    deletes: bool
    deleting: bool
    created: str
    restored: bool = False


def mark_of(manifest: Manifest) -> Mark | None:
    """The mark, or None when the object is not ours.

    Either our field manager has written it and one of our marks is left: a label or annotation that somebody removed is
    drift to be repaired. Or all our marks are there, as on a copy from a backup, which no manager of ours has written;
    such a one counts only under the name and for the subject that it states.
    """
    metadata = manifest["metadata"]
    labels = metadata.get("labels") or {}
    annotations = metadata.get("annotations") or {}
    subject = Subject.parse(annotations.get(SUBJECT, ""))
    labelled, wrote = labels.get(MANAGED_BY) == MANAGER, _wrote(metadata)
    if not ((labelled or subject) if wrote else (labelled and subject)):
        return None
    return Mark(
        subject,
        Version(metadata.get("uid", ""), metadata.get("resourceVersion", "")),
        released=RELEASED in labels,
        deletes=annotations.get(DELETION_POLICY) == "Delete",
        deleting="deletionTimestamp" in metadata,
        created=metadata.get("creationTimestamp", ""),
        restored=not wrote,
    )


def _wrote(metadata: Mapping[str, Any]) -> bool:
    return any(item.get("manager") == MANAGER for item in metadata.get("managedFields") or ())


MARK: Projection[Mark | None] = Projection("mark", mark_of)


def _owned(manifest: Manifest) -> Mapping[Hashable, Any]:
    mark = mark_of(manifest)
    # A copy under another name bears our marks as well: nothing is taken away that we have not written ourselves.
    if mark is None or mark.subject is None or mark.restored:
        return {}
    # Who may write objects here must not be able to name a subject elsewhere.
    elsewhere = mark.subject.namespace not in ("", manifest["metadata"].get("namespace", ""))
    return {} if elsewhere else {mark.subject: mark}


OWNED = Index("owned", MADE, _owned, overlooks=("NotServed", "Forbidden"))
"""What we made counts object by object: a type that the operator has no rights to hides nothing of the others."""


@dataclass(frozen=True, slots=True)
class Free:
    """Nothing stands under that name."""


@dataclass(frozen=True, slots=True)
class Ours:
    """Our own object, as it stands."""

    entry: Entry
    mark: Mark

    @property
    def taking_up(self) -> dict[str, str]:
        """An annotation for what was restored from a backup: with it this very object is written by us again."""
        return {RESTORED: self.mark.version.uid} if self.mark.restored else {}


@dataclass(frozen=True, slots=True)
class Taken:
    """Somebody else's object stands under that name; `by` says whose."""

    by: str


Claim = Free | Ours | Taken | Unknown


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
    whole = world.get(ref, WHOLE)
    if isinstance(whole, Unknown):
        return whole
    return Ours(whole.value, reading.value) if isinstance(whole, Present) else Free()
