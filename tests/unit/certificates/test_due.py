"""When certificates are renewed: in time, inside of windows, at the same moment everywhere, and never at once again."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from breakwater.certificates.due import Due, renewal_due
from breakwater.certificates.rotation import RotationScheduleSpec
from breakwater.kernel.calendar import is_open
from breakwater.pki.issuing import validity

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ISSUED = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
QUICKLY = settings(max_examples=150, deadline=None, phases=(Phase.explicit, Phase.generate))


def spec(**fields: Any) -> RotationScheduleSpec:
    return RotationScheduleSpec.read_strictly(fields)


def due(lifetime: timedelta, schedule: RotationScheduleSpec, place: str = "a", issued: datetime = ISSUED) -> Due:
    """Of a certificate that was issued for so long; back-dated as all are."""
    return renewal_due(*validity(issued, lifetime), schedule, place)


# --- what may be declared -------------------------------------------------------------------------------------------

CRONS = (
    "* * * * *",
    "*/7 * * * *",
    "0 3 * * *",
    "30 2 * * SUN",
    "0 3 1 */3 *",
    "59 23 29 2 *",
    "0 0 * * MON#1",
    "* * * 1 *",
)
ZONES = ("Etc/UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Santiago")
CALENDARS = st.fixed_dictionaries({"cron": st.sampled_from(CRONS), "timeZone": st.sampled_from(ZONES)})
BY_AGE = st.one_of(
    st.builds(lambda part: {"percentage": part}, st.integers(10, 95)),
    st.builds(lambda seconds: {"before": f"{seconds}s"}, st.one_of(st.integers(60, 7200), st.integers(60, 999_999))),
)
BY_CALENDAR = st.builds(lambda calendar: {"schedule": calendar}, CALENDARS)
WINDOWS = st.lists(
    st.builds(lambda calendar, minutes: {**calendar, "duration": f"{minutes}m"}, CALENDARS, st.integers(1, 4000)),
    max_size=3,
)
JITTERS = st.integers(0, 50)


def schedules(renewal: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[RotationScheduleSpec]:
    return st.builds(spec, renewal=renewal, windows=WINDOWS, jitter=JITTERS)


LIFETIMES = st.one_of(st.integers(60, 7200), st.integers(60, 400 * 86400), st.integers(60, 3650 * 86400)).map(
    lambda seconds: seconds * SECOND
)
PLACES = st.text(max_size=20)
MOMENTS = st.integers(0, 366 * 86400 * 1000).map(lambda count: ISSUED + count * timedelta(milliseconds=1))


# --- properties -----------------------------------------------------------------------------------------------------


@QUICKLY
@given(LIFETIMES, schedules(st.one_of(BY_AGE, BY_CALENDAR)), PLACES, MOMENTS)
def test_it_comes_after_the_issue_and_before_the_end(
    lifetime: timedelta, schedule: RotationScheduleSpec, place: str, issued: datetime
) -> None:
    begin, end = validity(issued, lifetime)
    found = renewal_due(begin, end, schedule, place).at
    assert issued < found < end
    kept, renewal = lifetime * 0.1, schedule.renewal
    if renewal.percentage is not None:
        kept = min(kept, lifetime * (1 - renewal.percentage / 100))
    elif renewal.before is not None:
        kept = min(kept, renewal.before)
    assert found <= end - kept + SECOND, "there is time for retries, unless they want it late"


@QUICKLY
@given(st.integers(1, 3650 * 86400), LIFETIMES, schedules(st.one_of(BY_AGE, BY_CALENDAR)), PLACES)
def test_bytes_of_others_and_clamped_ones_lead_to_a_moment_inside_of_them(
    seconds: int, requested: timedelta, schedule: RotationScheduleSpec, place: str
) -> None:
    begin = validity(ISSUED, requested).not_before
    end = min(ISSUED + requested, begin + seconds * SECOND)
    assume(begin < end)
    assert begin < renewal_due(begin, end, schedule, place).at < end


def chain(lifetime: timedelta, schedule: RotationScheduleSpec, place: str, count: int = 20) -> list[datetime]:
    """Moments at which one certificate after the other is issued; each time a moment later than it was due."""
    issued = [ISSUED]
    for _ in range(count):
        issued.append(due(lifetime, schedule, place, issued[-1]).at + timedelta(milliseconds=20))
    return issued


@QUICKLY
@given(LIFETIMES, schedules(BY_AGE), PLACES)
def test_age_never_has_a_certificate_renewed_before_a_tenth_of_its_life(
    lifetime: timedelta, schedule: RotationScheduleSpec, place: str
) -> None:
    issued = chain(lifetime, schedule, place)
    assert min(later - sooner for sooner, later in pairwise(issued)) >= lifetime / 10 - 2 * SECOND


@QUICKLY
@given(LIFETIMES, schedules(BY_CALENDAR), PLACES)
def test_a_calendar_never_has_more_renewals_than_moments_or_tenths_of_a_life(
    lifetime: timedelta, schedule: RotationScheduleSpec, place: str
) -> None:
    issued = chain(lifetime, schedule, place)
    assert schedule.renewal.schedule is not None
    calendar = schedule.renewal.schedule.calendar
    for sooner, later in pairwise(issued):
        moment = calendar.next(sooner)
        assert later - sooner >= min(5 * MINUTE, lifetime / 10) - 2 * SECOND, "not at its own issue"
        assert later - sooner >= lifetime / 10 - 2 * SECOND or (moment is not None and moment <= later)


OFTEN = [
    {"cron": "0 2 * * *", "timeZone": "Europe/Berlin", "duration": "1h"},
    {"cron": "*/30 14 * * *", "timeZone": "Australia/Lord_Howe", "duration": "5m"},
]


@QUICKLY
@given(st.integers(10, 3650), st.one_of(BY_AGE, BY_CALENDAR), JITTERS, PLACES, MOMENTS)
def test_where_windows_open_often_enough_it_lies_inside_of_one(
    days: int, renewal: dict[str, Any], jitter: int, place: str, issued: datetime
) -> None:
    schedule = spec(renewal=renewal, windows=OFTEN, jitter=jitter)
    assert is_open(schedule.open_times, due(days * DAY, schedule, place, issued).at)


@QUICKLY
@given(LIFETIMES, schedules(st.one_of(BY_AGE, BY_CALENDAR)), PLACES, MOMENTS)
def test_what_lies_outside_of_all_windows_is_named(
    lifetime: timedelta, schedule: RotationScheduleSpec, place: str, issued: datetime
) -> None:
    found = due(lifetime, schedule, place, issued)
    assert found.missed or is_open(schedule.open_times, found.at)


@QUICKLY
@given(LIFETIMES, BY_AGE, st.integers(1, 50), PLACES)
def test_jitter_comes_earlier_by_its_share_at_most(
    lifetime: timedelta, renewal: dict[str, Any], jitter: int, place: str
) -> None:
    plain, spread = (due(lifetime, spec(renewal=renewal, jitter=share), place).at for share in (0, jitter))
    issue = validity(ISSUED, lifetime).not_before + min(5 * MINUTE, lifetime / 10)
    assert plain - (plain - issue) * jitter / 100 - 2 * SECOND <= spread <= plain


@QUICKLY
@given(st.integers(1, 50), PLACES)
def test_jitter_comes_later_than_the_calendar_by_its_share_of_an_hour_at_most(jitter: int, place: str) -> None:
    renewal = {"schedule": {"cron": "0 3 * * *"}}
    plain, spread = (due(90 * DAY, spec(renewal=renewal, jitter=share), place).at for share in (0, jitter))
    assert plain <= spread <= plain + HOUR * jitter / 100


def test_places_spread_over_the_whole_share_and_the_same_place_stays() -> None:
    schedule = spec(jitter=10)
    moments = sorted(due(100 * DAY, schedule, f"place-{number}").at for number in range(400))
    widest = 6.7 * DAY
    assert moments[-1] - moments[0] > 0.97 * widest
    assert max(later - sooner for sooner, later in pairwise(moments)) < widest / 25
    lives = [due(100 * DAY, schedule, "place-7", ISSUED + number * DAY).at - number * DAY for number in range(3)]
    assert len(set(lives)) == 1


REPEATED = """
from tests.unit.certificates.test_due import DAY, due, spec
schedule = spec(jitter=50, windows=[{"cron": "*/10 * * * *", "duration": "1m"}])
print([due(90 * DAY, schedule, place).at.isoformat() for place in ("a", "uid-7/Server", "\u00e4")])
"""


def test_another_process_comes_to_the_same_moments() -> None:
    schedule = spec(jitter=50, windows=[{"cron": "*/10 * * * *", "duration": "1m"}])
    here = [due(90 * DAY, schedule, place).at.isoformat() for place in ("a", "uid-7/Server", "\u00e4")]
    for seed in ("1", "2"):
        environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path), "TZ": "Asia/Tokyo"}
        said = subprocess.run([sys.executable, "-c", REPEATED], env=environment, capture_output=True, check=True)
        assert said.stdout.decode().strip() == str(here)


# --- exact values ---------------------------------------------------------------------------------------------------

Row = tuple[timedelta, dict[str, Any], str, str]
NIGHT = {"cron": "0 2 * * *", "duration": "4h"}
NO_WINDOW = "no window opens in time before the certificate ends"
TOO_LONG = "renewal.before is longer than nine tenths of the certificate's lifetime"
NOT_ROUND = "renewal.schedule does not come round, inside of windows, before the certificate ends"


def calendar(cron: str, zone: str = "Etc/UTC") -> dict[str, Any]:
    return {"schedule": {"cron": cron, "timeZone": zone}}


def yearly(day: int, month: int, duration: str) -> dict[str, Any]:
    """A window that opens once a year, at midnight."""
    return {"cron": f"0 0 {day} {month} *", "duration": duration}


# A hundred days from 1 June 12:00 are over on 9 September; nine tenths of them on 30 August.
TABLE: dict[str, Row] = {
    "nothing declared": (100 * DAY, {}, "2026-08-07T12:00:00", ""),
    "half of the life": (100 * DAY, {"renewal": {"percentage": 50}}, "2026-07-21T12:00:00", ""),
    "the least": (100 * DAY, {"renewal": {"percentage": 10}}, "2026-06-11T12:00:00", ""),
    "the most": (100 * DAY, {"renewal": {"percentage": 95}}, "2026-09-04T12:00:00", ""),
    "of a minute": (MINUTE, {"renewal": {"percentage": 50}}, "2026-06-01T12:00:30", ""),
    "the least of a minute": (MINUTE, {"renewal": {"percentage": 10}}, "2026-06-01T12:00:06", ""),
    "of ten years": (3650 * DAY, {"renewal": {"percentage": 50}}, "2031-05-31T12:00:00", ""),
    "before the end": (100 * DAY, {"renewal": {"before": "720h"}}, "2026-08-10T12:00:00", ""),
    "before the end, just not too long": (100 * DAY, {"renewal": {"before": "2160h"}}, "2026-06-11T12:00:00", ""),
    "before the end, too long": (100 * DAY, {"renewal": {"before": "2161h"}}, "2026-08-07T12:00:00", TOO_LONG),
    "before the end, longer than the life": (HOUR, {"renewal": {"before": "720h"}}, "2026-06-01T12:40:12", TOO_LONG),
    "by the calendar": (100 * DAY, {"renewal": calendar("0 3 1 * *")}, "2026-07-01T03:00:00", ""),
    "by a dense calendar": (100 * DAY, {"renewal": calendar("* * * * *")}, "2026-06-01T12:06:00", ""),
    "by a dense calendar, a short life": (
        5 * MINUTE, {"renewal": calendar("* * * * *")}, "2026-06-01T12:01:00", "",
    ),
    "the calendar comes too late": (100 * DAY, {"renewal": calendar("0 3 31 8 *")}, "2026-08-07T12:00:00", NOT_ROUND),
    "the calendar comes just in time": (100 * DAY, {"renewal": calendar("0 3 30 8 *")}, "2026-08-30T03:00:00", ""),
    "the calendar comes with its window": (
        100 * DAY, {"renewal": calendar("0 3 1 * *"), "windows": [NIGHT]}, "2026-07-01T03:00:00", "",
    ),
    "the calendar comes before a window": (
        100 * DAY, {"renewal": calendar("0 12 1 * *"), "windows": [NIGHT]}, "2026-07-02T02:00:00", "",
    ),
    "the calendar comes after all windows": (
        100 * DAY, {"renewal": calendar("0 12 1 8 *"), "windows": [yearly(1, 8, "1h")]},
        "2026-08-01T00:00:00", NOT_ROUND,
    ),
    "the next night": (100 * DAY, {"windows": [NIGHT]}, "2026-08-08T02:00:00", ""),
    "inside of a window": (100 * DAY, {"windows": [yearly(7, 8, "24h")]}, "2026-08-07T12:00:00", ""),
    "the window opens later": (100 * DAY, {"windows": [yearly(30, 8, "1h")]}, "2026-08-30T00:00:00", ""),
    "the window opens too late": (100 * DAY, {"windows": [yearly(31, 8, "1h")]}, "2026-08-07T12:00:00", NO_WINDOW),
    "it opened sooner": (100 * DAY, {"windows": [yearly(5, 7, "1h")]}, "2026-07-05T00:00:00", ""),
    "it opened too soon": (100 * DAY, {"windows": [yearly(4, 7, "1h")]}, "2026-08-07T12:00:00", NO_WINDOW),
    "it opened before a tenth of the life": (
        100 * DAY, {"renewal": {"percentage": 15}, "windows": [yearly(10, 6, "1h")]}, "2026-06-16T12:00:00", NO_WINDOW,
    ),
    "it opened after a tenth of the life": (
        100 * DAY, {"renewal": {"percentage": 15}, "windows": [yearly(12, 6, "1h")]}, "2026-06-12T00:00:00", "",
    ),
    "it opened too soon, and is open for long": (
        100 * DAY, {"windows": [yearly(4, 7, "48h")]}, "2026-07-05T00:00:00", "",
    ),
    "the latest of those that opened sooner": (
        100 * DAY, {"windows": [yearly(5, 7, "1h"), yearly(6, 8, "1h"), yearly(20, 7, "1h")]},
        "2026-08-06T00:00:00", "",
    ),
    "late by the user's own choice": (
        100 * DAY, {"renewal": {"percentage": 95}, "windows": [yearly(4, 9, "24h")]}, "2026-09-04T12:00:00", "",
    ),
    "late, and the window opens later still": (
        100 * DAY, {"renewal": {"percentage": 95}, "windows": [yearly(5, 9, "24h")]}, "2026-09-04T12:00:00", NO_WINDOW,
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", TABLE)
def test_when_a_certificate_is_renewed(sentence: str) -> None:
    lifetime, fields, expected, missed = TABLE[sentence]
    found = due(lifetime, spec(**{"jitter": 0, **fields}))
    assert abs(found.at - datetime.fromisoformat(expected).replace(tzinfo=UTC)) < timedelta(milliseconds=1)
    assert found.missed == missed


DAYLIGHT = {
    "before the clock goes forward": ("2026-03-26T12:00", "30 2 * * *", "2026-03-27T01:30"),
    "the time is skipped": ("2026-03-28T12:00", "30 2 * * *", "2026-03-29T01:00"),
    "after it went forward": ("2026-03-29T12:00", "30 2 * * *", "2026-03-30T00:30"),
    "the time is shown twice": ("2026-10-24T12:00", "30 2 * * *", "2026-10-25T00:30"),
    "issued between the two": ("2026-10-25T00:31", "30 2 * * *", "2026-10-26T01:30"),
}


@pytest.mark.parametrize("sentence", DAYLIGHT)
def test_a_calendar_keeps_to_the_clock_on_the_wall(sentence: str) -> None:
    issued, cron, expected = DAYLIGHT[sentence]
    start, end = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (issued, expected))
    assert due(90 * DAY, spec(jitter=0, renewal=calendar(cron, "Europe/Berlin")), issued=start).at == end


def test_jitter_pushes_nothing_out_of_a_short_window() -> None:
    schedule = spec(renewal=calendar("0 2 * * *"), windows=[{"cron": "0 2 * * *", "duration": "5m"}], jitter=50)
    for number in range(50):
        found = due(90 * DAY, schedule, f"place-{number}").at
        assert timedelta() <= found - datetime(2026, 6, 2, 2, 0, tzinfo=UTC) < 5 * MINUTE
