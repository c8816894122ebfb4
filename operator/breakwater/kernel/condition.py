"""Conditions in the Kubernetes form, kept over plans so that an unchanged one keeps its transition time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from breakwater.kernel.time import to_rfc3339

LONGEST_MESSAGE = 2048


class Status(StrEnum):
    """A condition's status."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Condition:
    """One judgement with its reason.

    Attributes:
        type: CamelCase, unique in a status.
        status: unknown is a status of its own, never shown as true.
        reason: CamelCase, from the documented list.
        message: a sentence that names field and remedy where there is something to do.
    """

    type: str
    status: Status
    reason: str
    message: str = ""

    @property
    def holds(self) -> bool:
        """Whether it is True."""
        return self.status is Status.TRUE


def true(type_: str, reason: str, message: str = "") -> Condition:
    """A condition that holds."""
    return Condition(type_, Status.TRUE, reason, message)


def false(type_: str, reason: str, message: str) -> Condition:
    """A condition that does not hold; the message must say what to do."""
    return Condition(type_, Status.FALSE, reason, message)


def unknown(type_: str, reason: str, message: str) -> Condition:
    """A condition nobody can judge now."""
    return Condition(type_, Status.UNKNOWN, reason, message)


def all_of(type_: str, parts: Sequence[Condition], reason: str, message: str) -> Condition:
    """True when every part is; else the first False one, or the first Unknown one, is the reason."""
    for status in (Status.FALSE, Status.UNKNOWN):
        for part in parts:
            if part.status is status:
                return Condition(
                    type_, status, part.reason, f"{part.type}: {part.message}" if part.message else part.type
                )
    return true(type_, reason, message)


def written(conditions: Iterable[Condition], previous: object, generation: int, now: datetime) -> list[dict[str, Any]]:
    """Conditions as they stand in status; `lastTransitionTime` moves only when a status does."""
    before = {item["type"]: item for item in _well_formed(previous)}
    return [_written_one(condition, before.get(condition.type), generation, now) for condition in conditions]


def _written_one(
    condition: Condition, before: Mapping[str, Any] | None, generation: int, now: datetime
) -> dict[str, Any]:
    since = (
        before["lastTransitionTime"] if before and before.get("status") == condition.status.value else to_rfc3339(now)
    )
    return {
        "type": condition.type,
        "status": condition.status.value,
        "reason": condition.reason,
        "message": condition.message[:LONGEST_MESSAGE],
        "observedGeneration": generation,
        "lastTransitionTime": since,
    }


def _well_formed(previous: object) -> Iterable[Mapping[str, Any]]:
    if not isinstance(previous, list):
        return ()
    return (item for item in previous if isinstance(item, dict) and "type" in item and "lastTransitionTime" in item)
