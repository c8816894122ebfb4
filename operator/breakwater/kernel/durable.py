"""Measurements that outlive the process: the last one of each name stands in status, and is seldom written anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from breakwater.kernel.fields import Instant, Word
from breakwater.kernel.measurement import Measure, Measurement, Result
from breakwater.kernel.model import Model
from breakwater.kernel.reading import Manifest, Present
from breakwater.kernel.time import from_rfc3339, to_rfc3339
from breakwater.kernel.world import World

SKEW = timedelta(minutes=1)
"""How far ahead a measurement's time may lie: clocks are corrected by little, all the time."""


class MeasurementStatus(Model):
    """The last measurement of one name."""

    name: Word
    """What was measured."""
    time: Instant
    """When."""
    valid_until: Instant
    """Until when it counts."""
    digest: Annotated[str, Field(max_length=128)] = ""
    """Of what it was measured with: other inputs, other measurement."""
    result: Result
    """Whether it holds; Unknown is never shown as holding."""
    reason: Word = ""
    """Why, in one CamelCase word."""
    message: Annotated[str, Field(max_length=2048)] = ""
    """Why, for people."""
    facts: Annotated[dict[str, Annotated[str, Field(max_length=1024)]], Field(max_length=32)] = Field(
        default_factory=dict
    )
    """What was seen: version, cipher suite, fingerprint and the like."""


def durable(world: World, status: Mapping[str, Any], measure: Measure, now: datetime) -> Measurement | None:
    """The measurement to show: the one in status while nothing new is to be said, else the latest.

    What lies ahead counts for nothing: the clock went back since, and how old it is nobody can tell. Nor does status
    speak in place of a latest one of that kind, which is newer, whatever its time says.
    """
    reading = world.measurement(measure.name)
    latest = reading.value if isinstance(reading, Present) and reading.value.digest == measure.digest else None
    written = next((item for item in measurements_in(status) if item.name == measure.name), None)
    if written is not None and (written.digest != measure.digest or _is_ahead(written, now)):
        written = None
    if latest is None:
        return written
    if _is_ahead(latest, now):
        return None
    repeated = written is not None and latest.says_the_same_as(written) and now < _half(written)
    return written if repeated else latest


def _is_ahead(item: Measurement, now: datetime) -> bool:
    return item.time > now + SKEW


def _half(item: Measurement) -> datetime:
    return item.time + (item.valid_until - item.time) / 2


def next_turn(item: Measurement, now: datetime) -> datetime:
    """When it is to be written anew, or ends."""
    return next(
        (instant for instant in (_half(item), item.valid_until) if instant > now),
        now + (item.valid_until - item.time) / 2,
    )


def measurement_status(item: Measurement) -> dict[str, Any]:
    """As it stands in status; whole seconds."""
    entry: dict[str, Any] = {
        "name": item.name,
        "time": to_rfc3339(item.time),
        "validUntil": to_rfc3339(item.valid_until),
        "digest": item.digest,
        "result": item.result.value,
        "reason": item.reason,
        "message": item.message,
    }
    return entry | ({"facts": dict(sorted(item.facts.items()))} if item.facts else {})


def seed(manifest: Manifest) -> Iterable[Measurement]:
    """The measurements that a declaration's status remembers."""
    status = manifest.get("status")
    return measurements_in(status) if isinstance(status, Mapping) else ()


def measurements_in(status: Mapping[str, Any]) -> list[Measurement]:
    """Read back what `measurement_status` wrote; what was edited by hand into nonsense is forgotten."""
    entries = status.get("measurements")
    found = (_measurement(entry) for entry in entries or () if isinstance(entry, Mapping))
    return [item for item in found if item is not None]


def _measurement(entry: Mapping[str, Any]) -> Measurement | None:
    time, until = from_rfc3339(entry.get("time")), from_rfc3339(entry.get("validUntil"))
    if time is None or until is None or entry.get("result") not in set(Result):
        return None
    return Measurement(
        str(entry.get("name", "")),
        str(entry.get("digest", "")),
        time,
        until,
        Result(entry["result"]),
        str(entry.get("reason", "")),
        str(entry.get("message", "")),
        {str(key): str(value) for key, value in (entry.get("facts") or {}).items()},
    )
