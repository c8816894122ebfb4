"""Which fields a pod template is to bear of all that is said of it; and who speaks where nobody does any more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from breakwater.certificates.following import followed
from breakwater.kernel.pruning import DEFINITION
from breakwater.kernel.reading import LABELS, Absent, Unknown
from breakwater.kernel.references import HARDENING_POLICY, Resource, definition_of
from breakwater.kernel.restrain import effective_mode
from breakwater.kernel.settings import Mode
from breakwater.kernel.world import World
from breakwater.workloads.asking import Asking, Template, under
from breakwater.workloads.marking import read_record, token_of
from breakwater.workloads.target import Target
from breakwater.workloads.template import LISTS, POD_DEFAULTS, Fields

SPEAKERS = (HARDENING_POLICY,)
"""Kinds that speak for fields of templates; while one of them cannot be told nothing is given back."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The template's fields beside those that are wanted.

    Attributes:
        fields: to be written by the next restart.
        stands: they are there already.
        ordered: a restart brought them, and it may not be over.
        undone: a restart brought them, and they are not there any more.
    """

    fields: Fields
    stands: bool
    ordered: bool = False
    undone: bool = False


def wanted_of(target: Target, askings: Iterable[Asking]) -> Fields | None:
    """What the template is to bear by our hand, of several askers by the first; None where it never bore anything."""
    said = [asking.template for asking in askings if asking.template is not None]
    fields: dict[Any, Any] = {}
    for template in said:
        fields = {**template.fields, **fields}
    if any(template.keeps for template in said):
        fields = {**dict(target.placed), **fields}
    # The asker may not have seen yet that a container is gone.
    there = {path: value for path, value in fields.items() if path[0] not in LISTS or path[:2] in target.containers}
    return there if there or target.placed or _has_borne(target) else None


def compared(target: Target, fields: Fields, mark: str, recorded: Mapping[str, str], now: datetime) -> Compared:
    """How the template stands to `fields`, whose mark is `mark`."""
    ordered = recorded.get(POD_DEFAULTS) == mark
    if dict(target.placed) != fields:
        return Compared(fields, stands=False, undone=ordered)
    return Compared(fields, stands=True, ordered=ordered and _is_recent(target, now))


def until(target: Target) -> datetime | None:
    """Until when a rollout that fails is that of our last restart; nobody remembers longer whether it came back."""
    return target.restarted_at + 2 * target.rollout.patience if target.restarted_at else None


def _is_recent(target: Target, now: datetime) -> bool:
    ends = until(target)
    return target.halted == token_of(target.restarted_for) or (ends is not None and now < ends)


def _has_borne(target: Target) -> bool:
    return has_borne(target.restarted_for)


def has_borne(record: str) -> bool:
    """Whether a restart that brought fields is on record."""
    return POD_DEFAULTS in read_record(record)


def unasked(target: Target, askings: Iterable[Asking], namespace: str, world: World, now: datetime) -> Asking | None:
    """The word of the house on fields for which nobody speaks any more: given back, by the default schedule."""
    if any(asking.template is not None for asking in askings):
        return None
    if not target.placed and not (_has_borne(target) and _is_recent(target, now)):
        return None
    free = _is_certain(world) and effective_mode(Mode.ENFORCE, world, namespace) is Mode.ENFORCE
    schedule = followed(world, namespace, None, None)
    return Asking(secrets={}, restart=free, server=False, template=Template({}, keeps=not free), **under(schedule))


def _is_certain(world: World) -> bool:
    """Whether nobody can still want the fields: everybody who might is known, or gone with his kind."""
    readings = ((kind, world.select(kind, LABELS)) for kind in SPEAKERS)
    return all(not isinstance(reading, Unknown) or _is_gone(kind, reading, world) for kind, reading in readings)


def _is_gone(kind: Resource, why: Unknown, world: World) -> bool:
    """With its definition a kind is gone for good; before that it may only not be served yet."""
    return why.reason == "NotServed" and isinstance(world.metadata(definition_of(kind), DEFINITION), Absent)
