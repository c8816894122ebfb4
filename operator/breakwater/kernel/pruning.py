"""When something may be taken away because its declaration is gone.

A declaration can vanish by mistake: a CRD deleted and applied again, a GitOps repository synced to an empty folder. A
key that was deleted with it does not come back, so many at once need a second word from a person.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from breakwater.kernel.plan import Version
from breakwater.kernel.reading import Manifest, Projection
from breakwater.kernel.references import GROUP, Ref, Subject

CONFIRM = f"{GROUP}/confirm-deletion"
SETTLE = timedelta(seconds=2)
WINDOW = timedelta(minutes=1)
FEW = 10
SHARE = 10


@dataclass(frozen=True, slots=True)
class Definition:
    """A CustomResourceDefinition, as far as the absence of its resources depends on it.

    Attributes:
        uid: a definition that was deleted and applied again has another one.
        created: `creationTimestamp`, as written.
        deleting: it is taking all its resources along.
    """

    uid: str
    created: str
    deleting: bool


def _definition(manifest: Manifest) -> Definition:
    metadata = manifest["metadata"]
    return Definition(metadata.get("uid", ""), metadata.get("creationTimestamp", ""), "deletionTimestamp" in metadata)


DEFINITION: Projection[Definition] = Projection("definition", _definition)


@dataclass(frozen=True, slots=True)
class Permit:
    """Whether a subject without declaration may be pruned now.

    Attributes:
        definition: uid of the definition that was looked at; under another one the permit is void.
    """

    granted: bool
    reason: str
    message: str = ""
    definition: str = ""


@dataclass(frozen=True, slots=True)
class Left:
    """What a declaration that ended has left behind.

    Attributes:
        since: when it was seen first that it is gone.
        objects: those that it left, with their versions.
        oldest: the earliest `creationTimestamp` among them.
        declared: the declaration's own `creationTimestamp`; empty when this process never saw it.
        definition: of its kind; None when it cannot be told.
    """

    since: datetime
    objects: Mapping[Ref, Version]
    oldest: str
    declared: str
    definition: Definition | None

    @property
    def is_doubtful(self) -> bool:
        """Whether the definition may have taken the declaration along.

        It cannot when the declaration was made under the present definition, or when everything that was made for the
        declaration is younger than that. Timestamps are in whole seconds, so an equal one proves nothing.
        """
        if self.definition is None or self.definition.deleting:
            return True
        return self.declared <= self.definition.created and self.oldest <= self.definition.created


@dataclass(frozen=True, slots=True)
class Vanished:
    """The operator's memory of declarations that ended.

    Attributes:
        left: those that left objects behind.
        confirmed: those that a person has confirmed.
        pruned: when the last ones were pruned that nobody was asked about.
        declared: how many declarations there are.
    """

    left: Mapping[Subject, Left]
    confirmed: frozenset[Subject]
    pruned: tuple[datetime, ...]
    declared: int

    @property
    def unconfirmed(self) -> frozenset[Subject]:
        """Those that no person has confirmed."""
        return frozenset(self.left) - self.confirmed


def token(left: Mapping[Subject, Left]) -> str:
    """A short name of exactly these subjects with exactly these objects.

    So a confirmation covers nothing that vanishes later, and an annotation that stays behind never confirms again: what
    was released or made anew since then has another version.
    """
    lines = [
        f"{subject} {ref} {version.uid} {version.resource_version}"
        for subject, remains in left.items()
        for ref, version in remains.objects.items()
    ]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:12]


def questioned(state: Vanished, now: datetime) -> Mapping[Subject, Left]:
    """Those that need a person's word: doubtful ones, and all when they are too many at once."""
    recent = sum(1 for instant in state.pruned if now - instant < WINDOW)
    bound = max(FEW, (state.declared + len(state.left)) // SHARE)
    many = len(state.unconfirmed) + recent >= bound
    return {subject: state.left[subject] for subject in state.unconfirmed if many or state.left[subject].is_doubtful}


def judge(state: Vanished, now: datetime) -> Mapping[Subject, Permit]:
    """A permit for each vanished subject."""
    asked = questioned(state, now)
    refusal = _refusal(asked)
    return {subject: refusal if subject in asked else _settled(left, now) for subject, left in state.left.items()}


def _refusal(asked: Mapping[Subject, Left]) -> Permit:
    return Permit(
        granted=False,
        reason="MassDeletion",
        message=f"{len(asked)} declarations vanished at once, or with their definition; nothing of theirs is deleted "
        f"or released until the operator's namespace carries the annotation {CONFIRM}={token(asked)}",
    )


def _settled(left: Left, now: datetime) -> Permit:
    if left.definition is None:
        return Permit(granted=False, reason="KindNotServed", message="the definition of its kind is not known")
    if now - left.since < SETTLE:
        return Permit(granted=False, reason="JustVanished", message="waiting whether more declarations vanish with it")
    return Permit(granted=True, reason="DeclarationGone", definition=left.definition.uid)
