"""The plan of a RotationSchedule: it makes nothing, and says what follows from it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from breakwater.certificates.rotation import RotationScheduleSpec
from breakwater.kernel.condition import Condition, false, true, written
from breakwater.kernel.declaration import Declared, declared_by
from breakwater.kernel.plan import Plan
from breakwater.kernel.reading import Manifest, Present
from breakwater.kernel.references import COMMUNICATION_CHANNEL, ROTATION_SCHEDULE, Ref, Subject
from breakwater.kernel.time import from_rfc3339, to_rfc3339
from breakwater.kernel.world import Index, World

DECLARED = declared_by(RotationScheduleSpec)
MOST_SHOWN = 16


@dataclass(frozen=True, slots=True, order=True)
class Renewal:
    """A certificate that follows a schedule, as the status of its resource tells."""

    at: datetime
    use: str
    secret: str
    outside: bool


def _renewals(manifest: Manifest) -> Mapping[Hashable, Any]:
    """By schedule; whatever kind reports `status.certificates` in this form is found."""
    found: dict[Hashable, tuple[Renewal, ...]] = {}
    for schedule, renewal in _reported(manifest.get("status")):
        found[schedule] = (*found.get(schedule, ()), renewal)
    return found


def _reported(status: object) -> Iterator[tuple[str, Renewal]]:
    entries = status.get("certificates") if isinstance(status, Mapping) else None
    for entry in entries if isinstance(entries, list) else ():
        at = from_rfc3339(entry.get("renewAt")) if isinstance(entry, Mapping) else None
        if at is not None and entry.get("schedule"):
            outside = bool(entry.get("outsideWindows"))
            yield str(entry["schedule"]), Renewal(at, str(entry.get("use")), str(entry.get("secretName", "")), outside)


RENEWALS = Index("renewals", (COMMUNICATION_CHANNEL,), _renewals)


def plan(subject: Subject, world: World, now: datetime) -> Plan:
    """Judge it, and list what it leads to."""
    declared = world.get(Ref(ROTATION_SCHEDULE, subject.namespace, subject.name), DECLARED)
    if not isinstance(declared, Present):
        return Plan()
    spec = declared.value.spec
    if spec is None:
        refused = false("Accepted", "InvalidSpec", declared.value.fault)
        return Plan(status=_status(declared.value, [refused, false("Ready", refused.reason, refused.message)], {}, now))
    followers = _followers(subject, world)
    conditions = [true("Accepted", "Accepted"), _ready(followers)]
    return Plan(status=_status(declared.value, conditions, _upcoming(followers), now))


def _followers(subject: Subject, world: World) -> list[tuple[Renewal, Ref]]:
    reading = world.indexed(RENEWALS, f"{subject.namespace}/{subject.name}")
    found = reading.value if isinstance(reading, Present) else ()
    followers = [(renewal, ref) for ref, renewals in found for renewal in renewals]
    return sorted(followers, key=lambda item: (item[0], item[1].namespace, item[1].name))


def _ready(followers: list[tuple[Renewal, Ref]]) -> Condition:
    outside = [ref for renewal, ref in followers if renewal.outside]
    if not outside:
        return true("Ready", "Ready", "the schedule is in force")
    named = ", ".join(sorted({f"{ref.namespace}/{ref.name}" for ref in outside})[:5])
    message = (
        f"in force, but {len(outside)} certificates live too short for it and are renewed outside of it: {named}; "
        "widen spec.windows, or lengthen their lifetime"
    )
    return true("Ready", "TooRare", message)


def _upcoming(followers: list[tuple[Renewal, Ref]]) -> dict[str, Any]:
    shown = [
        {
            "namespace": ref.namespace,
            "name": ref.name,
            "use": renewal.use,
            "secretName": renewal.secret,
            "renewAt": to_rfc3339(renewal.at),
        }
        | ({"outsideWindows": True} if renewal.outside else {})
        for renewal, ref in followers[:MOST_SHOWN]
    ]
    status: dict[str, Any] = {"certificates": len(followers)}
    return status | ({"upcoming": shown, "nextRenewal": shown[0]["renewAt"]} if shown else {})


def _status(
    declared: Declared[RotationScheduleSpec], conditions: list[Condition], rest: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    return {
        "observedGeneration": declared.generation,
        "conditions": written(conditions, declared.status.get("conditions"), declared.generation, now),
        **rest,
    }
