"""Secrets that a channel writes: where, over which version, and whether the marks on them are right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from breakwater.kernel.ownership import RELEASED, Ours
from breakwater.kernel.plan import WriteSecret
from breakwater.kernel.recipe import Recipe
from breakwater.kernel.references import Ref

Marks = tuple[Mapping[str, str], Mapping[str, str | None]]
"""Labels and annotations; an annotation of None must not be there."""


@dataclass(frozen=True, slots=True)
class Target:
    """The Secret to write; `held` is the version of ours that stands there."""

    ref: Ref
    held: Ours | None


def secret_action(
    action_id: str,
    target: Target,
    parts: tuple[Recipe, ...],
    secret_type: str,
    marks: Marks,
    *,
    reason: str,
    message: str,
    notable: bool = False,
) -> WriteSecret:
    """The action that makes or changes it."""
    labels, annotations = marks
    return WriteSecret(
        id=action_id,
        target=target.ref,
        reason=reason,
        message=message,
        parts=parts,
        secret_type=secret_type,
        labels={**labels, RELEASED: None},
        annotations={**annotations, **(target.held.taking_up if target.held else {})},
        replaces=target.held.mark.version if target.held else None,
        notable=notable,
    )


def marks_differ(held: Ours, labels: Mapping[str, str], annotations: Mapping[str, str | None]) -> bool:
    """Whether a label or annotation of ours was changed, or the object is taken up again: released, or restored."""
    entry = held.entry
    return (
        held.mark.restored
        or RELEASED in entry.labels
        or any(entry.labels.get(key) != value for key, value in labels.items())
        or any(entry.annotations.get(key) != value for key, value in annotations.items())
    )
