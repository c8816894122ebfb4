"""Instants as the API writes them. Nothing here reads a clock: `now` is always an argument."""

from __future__ import annotations

from datetime import UTC, datetime


def to_rfc3339(instant: datetime) -> str:
    """Seconds and a Z, as metav1.Time is written."""
    return instant.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def from_rfc3339(text: str | None) -> datetime | None:
    """Read metav1.Time or MicroTime; None for nothing or nonsense (status may have been edited by hand)."""
    if not text:
        return None
    try:
        instant = datetime.fromisoformat(text)
        return instant.astimezone(UTC) if instant.tzinfo else None
    except (ValueError, OverflowError):  # an offset may lead out of the years that there are
        return None


def earliest(*instants: datetime | None) -> datetime | None:
    """The first of those that are known."""
    return min((instant for instant in instants if instant is not None), default=None)
