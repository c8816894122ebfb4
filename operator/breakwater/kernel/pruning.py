"""When something may be taken away because its declaration is gone.

A declaration can vanish by mistake: a CRD deleted and applied again, a GitOps repository synced to an empty folder. A
key that was deleted with it does not come back, so many at once need a second word from a person.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from breakwater.kernel.references import GROUP, Subject

CONFIRM = f"{GROUP}/confirm-deletion"
SETTLE = timedelta(seconds=2)
WINDOW = timedelta(minutes=1)
FEW = 10
SHARE = 10


@dataclass(frozen=True, slots=True)
class Permit:
    """Whether a subject without declaration may be pruned now."""

    granted: bool
    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Vanished:
    """The operator's memory of declarations that ended.

    Attributes:
        since: those that left objects behind, and when that was seen first.
        doubtful: those whose kind was defined anew after their objects were made: the definition may have taken them.
        confirmed: those that a person has confirmed.
        pruned: when the last ones were pruned.
        subjects: how many declarations there are.
    """

    since: Mapping[Subject, datetime]
    doubtful: frozenset[Subject]
    confirmed: frozenset[Subject]
    pruned: tuple[datetime, ...]
    subjects: int

    @property
    def unconfirmed(self) -> frozenset[Subject]:
        """Those that no person has confirmed."""
        return frozenset(self.since) - self.confirmed


def token(subjects: Iterable[Subject]) -> str:
    """A short name of exactly this set, so that a confirmation does not cover what vanishes later."""
    text = "\n".join(sorted(map(str, subjects)))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def questioned(state: Vanished, now: datetime) -> frozenset[Subject]:
    """Those that need a person's word: doubtful ones, and all when they are too many at once."""
    recent = sum(1 for instant in state.pruned if now - instant < WINDOW)
    bound = max(FEW, (state.subjects + len(state.since)) // SHARE)
    if len(state.unconfirmed) + recent >= bound:
        return state.unconfirmed
    return state.doubtful & state.unconfirmed


def judge(state: Vanished, now: datetime) -> Mapping[Subject, Permit]:
    """A permit for each vanished subject."""
    asked = questioned(state, now)
    refusal = _refusal(asked)
    return {subject: refusal if subject in asked else _settled(since, now) for subject, since in state.since.items()}


def _refusal(asked: frozenset[Subject]) -> Permit:
    return Permit(
        granted=False,
        reason="MassDeletion",
        message=f"{len(asked)} declarations vanished at once, or with their definition; nothing of theirs is deleted "
        f"or released until the operator's namespace carries the annotation {CONFIRM}={token(asked)}",
    )


def _settled(since: datetime, now: datetime) -> Permit:
    if now - since < SETTLE:
        return Permit(granted=False, reason="JustVanished", message="waiting whether more declarations vanish with it")
    return Permit(granted=True, reason="DeclarationGone")
