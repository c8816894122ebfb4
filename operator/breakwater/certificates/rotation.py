"""RotationSchedule: when certificates are renewed, and how the workloads that use them are restarted."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, Strict, model_validator

from breakwater.kernel.calendar import Calendar, InvalidCalendarError, Window
from breakwater.kernel.fields import Between, Flag, Instant, Word
from breakwater.kernel.kind import AGE, READY, REASON, Column, Kind, StatusModel
from breakwater.kernel.model import Model
from breakwater.kernel.references import ROTATION_SCHEDULE
from breakwater.kernel.rules import Format, Items, exactly_one, refused

_MINUTE, _HOUR, _DAY = "[1-5]?[0-9]", "(1?[0-9]|2[0-3])", "([1-9]|[12][0-9]|3[01])"
_MONTH = "([1-9]|1[0-2]|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)"
_WEEKDAY = "([0-7]|SUN|MON|TUE|WED|THU|FRI|SAT)"


def _field(value: str, *special: str) -> str:
    """One field of a cron expression: a list of values, ranges and steps."""
    item = "|".join([rf"(\*|{value}(-{value})?)(/[1-9][0-9]?)?", *special])
    return f"({item})(,({item}))*"


_CRON = (
    _field(_MINUTE),
    _field(_HOUR),
    _field(_DAY, "LW?"),
    _field(_MONTH),
    _field(_WEEKDAY, f"{_WEEKDAY}#[1-5]", "[0-7]L"),
)

Cron = Annotated[
    str,
    Format(
        f"^{' '.join(_CRON)}$",
        128,
        "must have five fields: minute 0-59, hour 0-23, day of month 1-31, month 1-12 or JAN, day of week 0-7 or MON, "
        "such as 0 3 1 */3 *",
    ),
]
TimeZone = Annotated[
    str,
    Format(r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$", 64, "must be an IANA zone such as Europe/Berlin"),
]


class CronSchedule(Model):
    """Moments by the calendar."""

    cron: Cron
    """Minute, hour, day of month, month, day of week; L is the last, MON#1 the first Monday of the month."""
    time_zone: TimeZone = "Etc/UTC"
    """IANA time zone of the expression. A time that the clock skips happens when the gap ends."""

    @model_validator(mode="after")
    def _comes(self) -> Self:
        """The time zone exists and the moment comes: what only a calendar can tell."""
        try:
            self.calendar.check()
        except InvalidCalendarError as error:
            raise refused(f"{error}; mend it") from None
        return self

    @property
    def calendar(self) -> Calendar:
        """Its moments."""
        return Calendar(self.cron, self.time_zone)


class MaintenanceWindow(CronSchedule):
    """Times in which work is allowed: from each moment of the calendar for so long."""

    duration: Annotated[timedelta, Between("1m", "744h")]
    """How long it stays open."""

    @property
    def window(self) -> Window:
        """Its times."""
        return Window(self.calendar, self.duration)


class RenewalTime(Model):
    """When a certificate is renewed."""

    rules = (exactly_one("percentage", "before", "schedule"),)

    percentage: Annotated[int, Strict(), Field(ge=10, le=95)] | None = None
    """After this part of its lifetime has passed."""
    before: Annotated[timedelta, Between("1m", "87600h")] | None = None
    """So long before its end; where that is more than nine tenths of its lifetime, as with a percentage of 67."""
    schedule: CronSchedule | None = None
    """By the calendar; where it would end before the calendar comes round, as with a percentage of 67."""


class Disruptive(StrEnum):
    """Leave to restart a workload that cannot roll without an outage."""

    WINDOW_ONLY = "WindowOnly"
    APPROVE = "Approve"
    ALLOW = "Allow"


class Restarts(Model):
    """How workloads are restarted when the content of their Secrets has changed."""

    max_concurrent: Annotated[int, Strict(), Field(ge=0, le=1000)] = 1
    """How many workloads of a namespace may be restarting at once; the strictest schedule that applies there counts.
    0 holds all restarts."""
    min_ready: Annotated[timedelta, Between("0s", "1h")] = timedelta(seconds=30)
    """How long the pods of a restarted workload must have been ready before it counts as done."""
    stop_on_failure: Flag = True
    """Whether a rollout that does not come back holds all further ones of its namespace that this schedule governs."""
    disruptive: Disruptive = Disruptive.WINDOW_ONLY
    """For workloads that cannot roll without an outage (one replica, strategy Recreate): WindowOnly restarts them
    inside a window, Approve when the workload is annotated `breakwater.dev/approve-restart`, Allow like any other."""


class RotationScheduleSpec(Model):
    """When and how things rotate."""

    renewal: RenewalTime = RenewalTime(percentage=67)
    """When certificates are renewed: exactly one of percentage, before and schedule."""
    windows: Annotated[tuple[MaintenanceWindow, ...], Items(16)] = ()
    """Renewals and restarts happen inside of these. Empty: at any time."""
    jitter: Annotated[int, Strict(), Field(ge=0, le=50)] = 10
    """Spreads renewals that would fall together, in percent: earlier by up to that part of the time until renewal; with
    a calendar later, by up to that part of an hour. Each resource keeps its own place."""
    overlap: Annotated[timedelta, Between("0s", "8760h")] = timedelta(hours=24)
    """How long a replaced authority stays trusted beside its successor."""
    restarts: Restarts = Restarts()
    """How workloads are restarted."""

    @property
    def open_times(self) -> tuple[Window, ...]:
        """Its windows as times."""
        return tuple(item.window for item in self.windows)


class Upcoming(Model):
    """A renewal that is to come."""

    namespace: Word
    """Namespace of the resource whose certificate it is."""
    name: Word
    """Name of the resource."""
    use: Word
    """Which end shows the certificate: Server or Client."""
    secret_name: Word = ""
    """Secret that holds it."""
    renew_at: Instant
    """When it will be renewed."""
    outside_windows: Flag = False
    """True where no window opens before the certificate ends, so that it is renewed outside of them."""


class RotationScheduleStatus(StatusModel):
    """What a schedule leads to."""

    certificates: Annotated[int, Strict(), Field(ge=0, le=2**31)] = 0
    """How many certificates follow it."""
    next_renewal: Instant | None = None
    """The earliest renewal."""
    upcoming: Annotated[tuple[Upcoming, ...], Items(16)] = ()
    """The next renewals, earliest first."""


KIND = Kind(
    resource=ROTATION_SCHEDULE,
    description="When certificates are renewed, and how the workloads that use them are restarted.",
    spec=RotationScheduleSpec,
    status=RotationScheduleStatus,
    short_names=("rotation",),
    columns=(
        READY,
        REASON,
        Column("Certificates", ".status.certificates", "How many certificates follow it", "integer"),
        Column("Next", ".status.nextRenewal", "The earliest renewal"),
        AGE,
    ),
)
