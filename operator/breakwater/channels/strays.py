"""Secrets that a channel made once and does not declare any more: released, or deleted where that was asked for."""

from __future__ import annotations

from breakwater.channels.part import Asked
from breakwater.kernel.ownership import OWNED, RELEASED, Mark
from breakwater.kernel.plan import Action, DeleteObject, RelabelSecret
from breakwater.kernel.reading import Present
from breakwater.kernel.references import Ref


def strays(asked: Asked, kept: frozenset[str]) -> tuple[Action, ...]:
    """One action for each Secret of ours whose name the declaration does not stand for."""
    owned = asked.world.indexed(OWNED, asked.subject)
    if not isinstance(owned, Present):
        return ()
    return tuple(
        _leave(ref, mark)
        for ref, mark in owned.value
        if ref.name not in kept and not mark.deleting and not mark.released
    )


def _leave(ref: Ref, mark: Mark) -> Action:
    message = f"the channel does not declare Secret {ref.name} any more"
    if mark.deletes:
        return DeleteObject(
            id=f"delete:{ref.name}",
            target=ref,
            reason="NotDeclared",
            message=message,
            replaces=mark.version,
            takes_away=True,
        )
    return RelabelSecret(
        id=f"release:{ref.name}",
        target=ref,
        reason="NotDeclared",
        message=message,
        labels={RELEASED: "true"},
        annotations={},
        replaces=mark.version,
        takes_away=True,
    )
