"""When a certificate is renewed: a pure function of its validity, its schedule and a place of its own.

The present moment is no argument: a clock that jumps moves nothing, and every process comes to the same answer.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from breakwater.certificates.rotation import RenewalTime, RotationScheduleSpec
from breakwater.kernel.calendar import last_opening, next_open

USUAL = 0.67
RESERVE = 0.1
"""Part of a lifetime that is kept for retries: what is planned later than that counts as too late."""
FRESH = timedelta(minutes=10)
"""Leaves are back-dated by five minutes at most; a moment sooner after `notBefore` is the one of their own issue."""
SPREAD = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Due:
    """A renewal's time.

    Attributes:
        at: the moment.
        missed: what of the schedule does not come in time, for people; empty when all of it does.
    """

    at: datetime
    missed: str = ""


@dataclass(frozen=True, slots=True)
class Validity:
    """The time for which a certificate counts."""

    begin: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        """Back-dating and clamping included."""
        return self.end - self.begin

    @property
    def latest(self) -> datetime:
        """The last moment at which a renewal may be planned."""
        return self.end - self.length * RESERVE

    @property
    def earliest(self) -> datetime:
        """The first moment that is not the certificate's own issue."""
        return self.begin + min(FRESH, self.length * RESERVE)


def renewal_due(begin: datetime, end: datetime, schedule: RotationScheduleSpec, place: str) -> Due:
    """When the certificate with this validity is renewed.

    Args:
        begin: its notBefore.
        end: its notAfter.
        schedule: what it follows.
        place: tells this certificate from others, and stays the same over its renewals; it decides on the jitter.
    """
    validity = Validity(begin, end)
    at, missed = _preferred(validity, schedule, place)
    return _inside(validity, at, missed, schedule)


def _preferred(validity: Validity, schedule: RotationScheduleSpec, place: str) -> tuple[datetime, str]:
    """The moment without regard to windows."""
    share = schedule.jitter / 100 * _fraction(place)
    calendar = schedule.renewal.schedule
    comes = calendar.calendar.next(validity.earliest) if calendar else None
    if comes is not None and comes <= validity.latest:
        return min(comes + SPREAD * share, validity.latest), ""
    part, missed = _by_length(validity, schedule.renewal)
    if calendar is not None:
        part, missed = USUAL, "renewal.schedule does not come round before the certificate ends"
    return validity.begin + validity.length * part * (1 - share), missed


def _by_length(validity: Validity, renewal: RenewalTime) -> tuple[float, str]:
    """The part of the lifetime that passes before the renewal."""
    if renewal.percentage is not None:
        return renewal.percentage / 100, ""
    if renewal.before is not None and renewal.before <= validity.length * (1 - RESERVE):
        return 1 - renewal.before / validity.length, ""
    return USUAL, "renewal.before is longer than nine tenths of the certificate's lifetime"


def _inside(validity: Validity, at: datetime, missed: str, schedule: RotationScheduleSpec) -> Due:
    windows = schedule.open_times
    # What is preferred later than `latest` (percentage 95) is the user's own choice.
    opens = next_open(windows, at)
    if opens is not None and opens <= max(at, validity.latest):
        return Due(opens, missed)
    # Not before half the time has passed: a window right after the issue would have it renewed at once, for ever.
    sooner = last_opening(windows, validity.begin + (at - validity.begin) / 2, at)
    if sooner is not None:
        return Due(sooner, missed)
    return Due(at, missed or "no window opens before the certificate ends")


def _fraction(place: str) -> float:
    """Evenly spread over [0, 1), the same for the same place."""
    digest = hashlib.blake2b(place.encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64
