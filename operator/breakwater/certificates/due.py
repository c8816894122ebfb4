"""When a certificate is renewed: a pure function of its validity, its schedule and a place of its own.

The present moment is no argument: a clock that jumps moves nothing, and every process comes to the same answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from breakwater.certificates.rotation import RenewalTime, RotationScheduleSpec
from breakwater.kernel.calendar import Calendar, Window, is_open, last_opening, next_open
from breakwater.pki.issuing import BACK_DATING

USUAL = 0.67
RESERVE = 0.1
"""Part of a lifetime that is kept for retries: what is planned later than that counts as too late."""
FRESH = timedelta(minutes=5)
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
class Life:
    """The time for which a certificate counts, from its issue: its back-dating is for clocks that go slow.

    Parts of it count from the issue. Counted from `notBefore`, a short one could be due before it was issued, at once
    and for ever.
    """

    issued: datetime
    end: datetime

    @classmethod
    def of(cls, begin: datetime, end: datetime) -> Life:
        """From the certificate's bytes; a tenth of a lifetime is an eleventh of what the bytes say."""
        return cls(begin + min(BACK_DATING, (end - begin) / 11), end)

    @property
    def length(self) -> timedelta:
        """As it was asked for."""
        return self.end - self.issued

    @property
    def latest(self) -> datetime:
        """The last moment at which a renewal may be planned."""
        return self.end - self.length * RESERVE

    @property
    def tenth(self) -> datetime:
        """The first moment at which its age can have it renewed."""
        return self.issued + self.length * RESERVE

    @property
    def fresh_until(self) -> datetime:
        """The first moment at which a calendar can have it renewed: as often as the user says, but not at its issue."""
        return min(self.issued + FRESH, self.tenth)


def renewal_due(begin: datetime, end: datetime, schedule: RotationScheduleSpec, place: str) -> Due:
    """When the certificate with this validity is renewed.

    Args:
        begin: its notBefore.
        end: its notAfter.
        schedule: what it follows.
        place: tells this certificate from others, and stays the same over its renewals; it decides on the jitter.
    """
    life, share = Life.of(begin, end), schedule.jitter / 100 * _fraction(place)
    part, missed = USUAL, "renewal.schedule does not come round, inside of windows, before the certificate ends"
    if schedule.renewal.schedule is None:
        part, missed = _by_length(life, schedule.renewal)
    elif (comes := _by_calendar(life, schedule.renewal.schedule.calendar, schedule.open_times, share)) is not None:
        return Due(comes)
    at = max(life.issued + life.length * part * (1 - share), life.tenth)
    return _inside(life, at, missed, schedule.open_times)


def _by_calendar(life: Life, calendar: Calendar, windows: Sequence[Window], share: float) -> datetime | None:
    """The calendar's next moment, or the first open one after it; None where that would be too late."""
    comes = calendar.next(life.fresh_until)
    if comes is None or comes > life.latest:
        return None
    spread = min(comes + SPREAD * share, life.latest)
    # A place may not push a certificate out of a short window, into the next one.
    opens = next_open(windows, spread if is_open(windows, spread) or not is_open(windows, comes) else comes)
    return opens if opens is not None and opens <= life.latest else None


def _by_length(life: Life, renewal: RenewalTime) -> tuple[float, str]:
    """The part of the lifetime that passes before the renewal."""
    if renewal.percentage is not None:
        return renewal.percentage / 100, ""
    if renewal.before is not None and renewal.before <= life.length * (1 - RESERVE):
        return 1 - renewal.before / life.length, ""
    return USUAL, "renewal.before is longer than nine tenths of the certificate's lifetime"


def _inside(life: Life, at: datetime, missed: str, windows: Sequence[Window]) -> Due:
    # What is preferred later than `latest` (percentage 95) is the user's own choice.
    opens = next_open(windows, at)
    if opens is not None and opens <= max(at, life.latest):
        return Due(opens, missed)
    # Not before half the time has passed: a window right after the issue would have it renewed at once, for ever.
    half = max(life.issued + (at - life.issued) / 2, life.tenth)
    sooner = last_opening(windows, half, at) or (half if is_open(windows, half) else None)
    if sooner is not None:
        return Due(sooner, missed)
    return Due(at, missed or "no window opens in time before the certificate ends")


def _fraction(place: str) -> float:
    """Evenly spread over [0, 1), the same for the same place."""
    digest = hashlib.blake2b(place.encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64
