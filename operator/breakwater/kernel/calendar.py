"""Moments and windows by the calendar: cron expressions in a time zone, as users write them, asked in UTC.

Daylight saving follows Debian's cron: a fixed time that the clock skips happens when the gap ends, one that the clock
shows twice happens the first time; what recurs through the hours goes on by real time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

HORIZON = timedelta(days=366 * 5)
"""No certificate is planned further ahead; also bounds the search for a moment that never comes."""
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)


class InvalidCalendarError(ValueError):
    """No such time zone, or a cron expression that no moment meets; the text says which."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """The moments of a cron expression of five fields in an IANA time zone."""

    cron: str
    time_zone: str = "Etc/UTC"

    def check(self) -> None:
        """Whether it means anything.

        Raises:
            InvalidCalendarError: it does not.
        """
        _zone(self.time_zone)
        try:
            next(CronSim(self.cron, datetime(2024, 1, 1)))  # noqa: DTZ001 - any zone will do
        except CronSimError as error:
            raise InvalidCalendarError(f"the cron expression has a {str(error).lower()}") from None
        except StopIteration:
            raise InvalidCalendarError("the cron expression names a day that never comes") from None

    def after(self, moment: datetime) -> Iterator[datetime]:
        """The moments strictly after this one, in order and in UTC, up to the horizon."""
        minute, hour, *_ = self.cron.split()
        found = self._recurring if minute.startswith("*") or hour.startswith("*") else self._fixed
        moment = moment.astimezone(UTC)
        yield from found(moment, moment + HORIZON, _zone(self.time_zone))

    def _fixed(self, moment: datetime, end: datetime, zone: ZoneInfo) -> Iterator[datetime]:
        last = moment
        for found in CronSim(self.cron, moment.astimezone(zone)):
            at = found.astimezone(UTC)
            if at > end:
                return
            # In the hour that the clock shows twice, a fixed time can come out before the moment that was asked for.
            if at > last:
                last = at
                yield at

    def _recurring(self, moment: datetime, end: datetime, zone: ZoneInfo) -> Iterator[datetime]:
        """Span by span between changes of the clock: CronSim's own steps of an hour miss changes of half an hour."""
        start, offset = moment, _offset(moment, zone)
        while True:
            changed, last = None, start
            for local in CronSim(self.cron, (start + offset).replace(tzinfo=None)):
                at = local.replace(tzinfo=UTC) - offset
                changed = _change(last, min(at, end), offset, zone)
                if changed is not None or at > end:
                    break
                last = at
                yield at
            if changed is None:
                return
            start, offset = changed - SECOND, _offset(changed, zone)

    def next(self, moment: datetime) -> datetime | None:
        """The first moment strictly after this one; None where none comes before the horizon."""
        return next(self.after(moment), None)

    def last(self, after: datetime, until: datetime) -> datetime | None:
        """The latest moment in (after, until]; found by halving, since there may be one each minute of years."""
        found = self.next(after)
        if found is None or found > until:
            return None
        bound = until
        while bound - found > SECOND:
            middle = found + (bound - found) / 2
            later = self.next(middle)
            if later is not None and later <= until:
                found = later
            else:
                bound = middle
        return found


@dataclass(frozen=True, slots=True)
class Window:
    """Times at which something may be done: from each moment of a calendar for a duration."""

    calendar: Calendar
    duration: timedelta

    def is_open(self, moment: datetime) -> bool:
        """Whether the moment lies inside; the closing moment does not."""
        opened = self.calendar.next(moment - self.duration)
        return opened is not None and opened <= moment

    def next_open(self, moment: datetime) -> datetime | None:
        """This moment if it lies inside, else the next opening; None where none comes before the horizon."""
        return moment if self.is_open(moment) else self.calendar.next(moment)


def is_open(windows: Iterable[Window], moment: datetime) -> bool:
    """Whether any window is open; without windows every moment will do."""
    windows = tuple(windows)
    return not windows or any(window.is_open(moment) for window in windows)


def next_open(windows: Iterable[Window], moment: datetime) -> datetime | None:
    """The first moment from this one on at which any window is open."""
    windows = tuple(windows)
    if not windows:
        return moment
    found = [at for at in (window.next_open(moment) for window in windows) if at is not None]
    return min(found, default=None)


def last_opening(windows: Iterable[Window], after: datetime, until: datetime) -> datetime | None:
    """The latest opening in (after, until]; None where there is none."""
    found = [at for at in (window.calendar.last(after, until) for window in windows) if at is not None]
    return max(found, default=None)


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


def _change(start: datetime, until: datetime, offset: timedelta, zone: ZoneInfo) -> datetime | None:
    """The first second in (start, until] at which the clock is not this far from UTC; changes are days apart."""
    while start < until:
        ahead = min(start + DAY, until)
        if _offset(ahead, zone) != offset:
            return _halved(start.replace(microsecond=0), ahead, offset, zone)
        start = ahead
    return None


def _halved(before: datetime, after: datetime, offset: timedelta, zone: ZoneInfo) -> datetime:
    seconds = range(1, int((after - before) / SECOND) + 1)
    first = bisect_left(seconds, True, key=lambda count: _offset(before + SECOND * count, zone) != offset)  # noqa: FBT003 - what is looked for
    return before + SECOND * seconds[first]


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:  # unknown, a folder, or no name at all
        raise InvalidCalendarError(f"there is no time zone {name}") from error
