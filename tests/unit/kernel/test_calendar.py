"""Cron expressions and windows against a model that asks every minute, over every change of the clock that there is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from breakwater.kernel.calendar import (
    HORIZON,
    Calendar,
    InvalidCalendarError,
    Window,
    is_open,
    last_opening,
    next_open,
)

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


CHANGES = {
    "Europe/Berlin": (utc("2026-03-29T01:00"), utc("2026-10-25T01:00")),
    "America/New_York": (utc("2026-03-08T07:00"), utc("2026-11-01T06:00")),
    "Australia/Lord_Howe": (utc("2026-10-03T15:30"), utc("2026-04-04T15:00")),
    "Africa/Casablanca": (utc("2026-03-22T02:00"), utc("2026-02-15T02:00")),
    "America/Santiago": (utc("2026-09-06T04:00"), utc("2026-04-05T03:00")),
    "Asia/Kathmandu": (utc("1985-12-31T18:30"), utc("2026-06-01T00:00")),
    "Pacific/Apia": (utc("2011-12-30T10:00"), utc("2026-06-01T00:00")),
    "Etc/UTC": (utc("2028-02-29T00:00"), utc("2026-12-31T23:00")),
}
"""Moments about which a zone's clock is moved forward and back (or, where it never is, others of interest)."""


# Not shrunk: the model is slow, and the changes of the clock are what matters.
QUICKLY = settings(max_examples=80, deadline=None, phases=(Phase.explicit, Phase.generate))


# --- the model: every minute is looked at ---------------------------------------------------------------------------


@cache
def meant(field: str, least: int, most: int) -> frozenset[int]:
    """The values of one field, written with the parts that `field_texts` uses."""
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        low, high = (least, most) if span == "*" else (int(first), int(last or (most if step else first)))
        found |= set(range(low, high + 1, int(step or 1)))
    return frozenset(found)


def matches(cron: str, local: datetime) -> bool:
    minute, hour, day, month, weekday = cron.split()
    days = local.day in meant(day, 1, 31)
    weekdays = bool({local.isoweekday() % 7, local.isoweekday()} & meant(weekday, 0, 7))
    # As crontab(5) has it: two restricted days are alternatives.
    fits = (days and weekdays) if "*" in (day[0], weekday[0]) else (days or weekdays)
    times = local.minute in meant(minute, 0, 59) and local.hour in meant(hour, 0, 23)
    return fits and times and local.month in meant(month, 1, 12)


def minutes(first: datetime, last: datetime) -> Iterator[datetime]:
    while first <= last:
        yield first
        first += MINUTE


def model(calendar: Calendar, after: datetime, until: datetime) -> list[datetime]:
    """All moments in (after, until], by looking at each minute."""
    zone = ZoneInfo(calendar.time_zone)
    if "*" in {field[0] for field in calendar.cron.split()[:2]}:
        whole = minutes(after.replace(second=0, microsecond=0), until)
        return [at for at in whole if at > after and matches(calendar.cron, at.astimezone(zone))]
    first, last = (
        (edge.astimezone(zone).replace(tzinfo=None) + days * DAY) for edge, days in ((after, -2), (until, 2))
    )
    shown = {
        happens(local, zone)
        for local in minutes(first.replace(second=0, microsecond=0), last)
        if matches(calendar.cron, local)
    }
    return sorted(at for at in shown if after < at <= until)


def happens(local: datetime, zone: ZoneInfo) -> datetime:
    """When the clock shows this the first time; the end of the gap where it never does."""
    at = local.replace(tzinfo=zone).astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) == local:
        return at
    # `at` lies past the gap by as much as the time lay in it.
    while (at - MINUTE).astimezone(zone).utcoffset() == at.astimezone(zone).utcoffset():
        at -= MINUTE
    return at


def field_texts(least: int, most: int) -> st.SearchStrategy[str]:
    value = st.integers(least, most)
    # A span of one value with a step is read as that value and all after it, as in 5/15; nobody means it.
    spans = st.tuples(value, value).filter(lambda pair: pair[0] < pair[1]).map(lambda pair: f"{pair[0]}-{pair[1]}")
    steps = st.integers(1, 30)
    part = st.one_of(
        st.just("*"),
        value.map(str),
        spans,
        steps.map(lambda step: f"*/{step}"),
        st.tuples(spans, steps).map(lambda both: f"{both[0]}/{both[1]}"),
        st.tuples(value, steps).map(lambda both: f"{both[0]}/{both[1]}"),
    )
    return st.lists(part, min_size=1, max_size=3).map(",".join)


CRONS = st.tuples(
    field_texts(0, 59),
    st.one_of(field_texts(0, 23), field_texts(0, 4)),
    st.one_of(st.just("*"), field_texts(1, 31)),
    st.one_of(st.just("*"), field_texts(1, 12)),
    st.one_of(st.just("*"), field_texts(0, 7)),
).map(" ".join)
CALENDARS = st.builds(Calendar, CRONS, st.sampled_from(sorted(CHANGES)))


@st.composite
def asked(draw: st.DrawFn) -> tuple[Calendar, datetime]:
    """A calendar, and a moment near to one at which its clock is moved."""
    calendar = draw(CALENDARS)
    near = draw(st.sampled_from(CHANGES[calendar.time_zone]))
    away = draw(st.one_of(st.integers(-36 * 60, 36 * 60).map(lambda count: count * 60.0), st.floats(-130_000, 130_000)))
    return calendar, near + timedelta(seconds=away)


# --- moments --------------------------------------------------------------------------------------------------------


@QUICKLY
@given(asked())
def test_moments_are_those_of_a_model_that_looks_at_every_minute(question: tuple[Calendar, datetime]) -> None:
    calendar, moment = question
    until = moment + 2 * DAY
    found = []
    for at in calendar.after(moment):
        if at > until:
            break
        found.append(at)
    assert found == model(calendar, moment, until)


@QUICKLY
@given(asked())
def test_moments_increase_strictly_and_lie_after_the_one_that_was_asked_for(
    question: tuple[Calendar, datetime],
) -> None:
    calendar, moment = question
    found = [moment, *islice(calendar.after(moment), 50)]
    assert all(one < other <= moment + HORIZON for one, other in pairwise(found))
    assert all(at.utcoffset() == timedelta() for at in found)


@QUICKLY
@given(asked(), st.integers(0, 3000), st.integers(0, 3000))
def test_the_last_moment_of_a_span_is_the_last_that_the_model_knows(
    question: tuple[Calendar, datetime], after: int, length: int
) -> None:
    calendar, moment = question
    start = moment - after * MINUTE
    until = start + length * MINUTE
    assert calendar.last(start, until) == max(model(calendar, start, until), default=None)


NEXT = {
    "in summer": ("30 3 * * *", "Europe/Berlin", "2026-07-01T12:00", ["2026-07-02T01:30"]),
    "in winter": ("30 3 * * *", "Europe/Berlin", "2026-01-01T12:00", ["2026-01-02T02:30"]),
    "a skipped time comes as the gap ends": (
        "30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", ["2026-03-29T01:00", "2026-03-30T00:30"],
    ),
    "two times in one gap come once": (
        "15,45 2 * * *", "America/New_York", "2026-03-08T00:00", ["2026-03-08T07:00", "2026-03-09T06:15"],
    ),
    "a repeated time comes the first time": (
        "30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", ["2026-10-25T00:30", "2026-10-26T01:30"],
    ),
    "asked between the two: not again": ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30", ["2026-10-26T01:30"]),
    "asked in the second pass: not again": ("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10", ["2026-10-26T01:30"]),
    "what recurs goes through both passes": (
        "*/30 2 * * *", "Europe/Berlin", "2026-10-24T12:00",
        ["2026-10-25T00:00", "2026-10-25T00:30", "2026-10-25T01:00", "2026-10-25T01:30", "2026-10-26T01:00"],
    ),
    "each hour goes through both passes": (
        "30 * * * *", "Europe/Berlin", "2026-10-25T00:00",
        ["2026-10-25T00:30", "2026-10-25T01:30", "2026-10-25T02:30"],
    ),
    "what recurs does not make up for a gap": (
        "*/30 2 * * *", "Europe/Berlin", "2026-03-29T00:00", ["2026-03-30T00:00"],
    ),
    "a gap of half an hour": (
        "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00", ["2026-10-03T15:30", "2026-10-04T15:15"],
    ),
    "after half an hour was repeated, the hour begins at its beginning": (
        "*/30 2 * * *", "Australia/Lord_Howe", "2026-04-04T12:00", ["2026-04-04T15:30", "2026-04-04T16:00"],
    ),
    "after half an hour was repeated, every other hour comes at its beginning": (
        "0 */2 * * *", "Australia/Lord_Howe", "2026-04-04T13:30", ["2026-04-04T15:30", "2026-04-04T17:30"],
    ),
    "half an hour that is repeated, and a fixed time in it": (
        "45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00", ["2026-04-04T14:45", "2026-04-05T15:15"],
    ),
    "Ramadan puts the clock back": (
        "30 2 * * *", "Africa/Casablanca", "2026-02-14T12:00", ["2026-02-15T01:30", "2026-02-16T02:30"],
    ),
    "a quarter of an hour off": ("0 0 * * *", "Asia/Kathmandu", "2026-06-01T00:00", ["2026-06-01T18:15"]),
    "a whole day was skipped": (
        "0 3 30,31 12 *", "Pacific/Apia", "2011-12-29T12:00", ["2011-12-30T10:00", "2011-12-30T13:00"],
    ),
    "midnight does not exist": (
        "0 0 * * *", "America/Santiago", "2026-09-05T12:00", ["2026-09-06T04:00", "2026-09-07T03:00"],
    ),
    "29 February": ("0 3 29 2 *", "Etc/UTC", "2026-03-01T00:00", ["2028-02-29T03:00"]),
    "the last day of February": ("0 3 L 2 *", "Etc/UTC", "2026-03-01T00:00", ["2027-02-28T03:00", "2028-02-29T03:00"]),
    "the last working day": ("0 3 LW * *", "Etc/UTC", "2026-05-01T00:00", ["2026-05-29T03:00", "2026-06-30T03:00"]),
    "the first Monday": ("0 3 * * MON#1", "Etc/UTC", "2026-06-01T03:00", ["2026-07-06T03:00", "2026-08-03T03:00"]),
    "the last Friday": ("0 3 * * 5L", "Etc/UTC", "2026-06-01T00:00", ["2026-06-26T03:00", "2026-07-31T03:00"]),
    "Sunday by both numbers": ("0 3 * * 0,7", "Etc/UTC", "2026-06-01T00:00", ["2026-06-07T03:00", "2026-06-14T03:00"]),
    "either of two days": ("0 3 13 * FRI", "Etc/UTC", "2026-06-06T00:00", ["2026-06-12T03:00", "2026-06-13T03:00"]),
    "a quarter": ("0 3 1 */3 *", "Europe/Berlin", "2026-03-31T00:00", ["2026-04-01T01:00", "2026-07-01T01:00"]),
    "months by name": ("0 3 1 JAN,JUN *", "Etc/UTC", "2026-02-01T00:00", ["2026-06-01T03:00", "2027-01-01T03:00"]),
}  # fmt: skip


@pytest.mark.parametrize("sentence", NEXT)
def test_when_it_comes(sentence: str) -> None:
    cron, zone, moment, expected = NEXT[sentence]
    calendar = Calendar(cron, zone)
    calendar.check()
    assert list(islice(calendar.after(utc(moment)), len(expected))) == [utc(text) for text in expected]


def test_a_moment_that_lies_beyond_the_horizon_does_not_come() -> None:
    calendar = Calendar("0 3 29 2 MON#5,*/9", "Etc/UTC")
    assert Calendar("0 3 29 2 *").next(utc("2096-03-01T00:00")) is None, "2100 is no leap year"
    assert Calendar("*/5 * 29 2 *", "Europe/Berlin").next(utc("2096-03-01T00:00")) is None
    assert calendar.next(utc("2096-03-01T00:00")) is not None


MISTAKES = {
    "an unknown zone": ("0 3 * * *", "Europe/Atlantis", "there is no time zone Europe/Atlantis"),
    "a folder of zones": ("0 3 * * *", "Europe", "there is no time zone Europe"),
    "no name": ("0 3 * * *", "", "there is no time zone"),
    "a way out of the folder": ("0 3 * * *", "../etc/passwd", "there is no time zone ../etc/passwd"),
    "an absolute path": ("0 3 * * *", "/etc/passwd", "there is no time zone /etc/passwd"),
    "a NUL": ("0 3 * * *", "Europe/Berlin\0", "there is no time zone Europe/Berlin"),
    "too long for a file": ("0 3 * * *", "A" * 5000, "there is no time zone A"),
    "30 February": ("0 3 30 2 *", "Etc/UTC", "the cron expression has a bad day-of-month"),
    "31 in short months": ("0 3 31 2,4,6 *", "Etc/UTC", "the cron expression has a bad day-of-month"),
    "a first that is a fifth Monday": (
        "0 0 */31 2 MON#5", "Etc/UTC", "the cron expression names a day that never comes",
    ),
    "backwards": ("50-10 3 * * *", "Etc/UTC", "the cron expression has a bad minute"),
    "an hour that is none": ("0 24 * * *", "Etc/UTC", "the cron expression has a bad hour"),
    "a month that is none": ("0 3 1 13 *", "Etc/UTC", "the cron expression has a bad month"),
    "a weekday that is none": ("0 3 * * 8", "Etc/UTC", "the cron expression has a bad day-of-week"),
    "no field": ("", "Etc/UTC", "the cron expression has a wrong number of fields"),
    "four fields": ("0 3 1 *", "Etc/UTC", "the cron expression has a wrong number of fields"),
}  # fmt: skip


@pytest.mark.parametrize("sentence", MISTAKES)
def test_what_means_nothing_is_refused_in_words(sentence: str) -> None:
    cron, zone, words = MISTAKES[sentence]
    with pytest.raises(InvalidCalendarError) as refused:
        Calendar(cron, zone).check()
    assert str(refused.value).startswith(words)


# --- windows --------------------------------------------------------------------------------------------------------

WINDOWS = st.lists(
    st.builds(Window, CALENDARS, st.integers(1, 2000).map(lambda count: count * MINUTE)), min_size=1, max_size=3
)
NEAR = st.builds(
    lambda zone, which, away: CHANGES[zone][which] + away * MINUTE,
    st.sampled_from(sorted(CHANGES)),
    st.sampled_from((0, 1)),
    st.integers(-1500, 1500),
)


def open_minutes(windows: list[Window], first: datetime, last: datetime) -> set[datetime]:
    """Each minute of a span at which a window is open, by counting on from each opening."""
    found: set[datetime] = set()
    for window in windows:
        for opening in model(window.calendar, first - window.duration, last):
            found |= set(minutes(max(first, opening), min(last, opening + window.duration - MINUTE)))
    return found


@QUICKLY
@given(WINDOWS, NEAR)
def test_a_window_is_open_for_its_duration_from_each_opening(windows: list[Window], moment: datetime) -> None:
    span = list(minutes(moment, moment + 3 * HOUR))
    assert {at for at in span if is_open(windows, at)} == open_minutes(windows, span[0], span[-1])


@QUICKLY
@given(WINDOWS, NEAR)
def test_the_next_open_moment_is_the_first_one(windows: list[Window], moment: datetime) -> None:
    found = next_open(windows, moment)
    expected = min(open_minutes(windows, moment, moment + 2 * DAY), default=None)
    if expected is not None:
        assert found == expected
    else:
        assert found is None or found > moment + 2 * DAY
    assert found is None or is_open(windows, found)


@QUICKLY
@given(WINDOWS, NEAR, st.integers(1, 2500))
def test_the_last_opening_is_the_latest_of_all_windows(windows: list[Window], moment: datetime, length: int) -> None:
    until = moment + length * MINUTE
    openings = [at for window in windows for at in model(window.calendar, moment, until)]
    assert last_opening(windows, moment, until) == max(openings, default=None)


def test_without_windows_every_moment_will_do() -> None:
    moment = utc("2026-06-01T12:34")
    assert is_open([], moment)
    assert next_open([], moment) == moment
    assert last_opening([], moment - DAY, moment) is None


EDGES = {
    "just before it opens": ("2026-06-06T01:59:59", False),
    "as it opens": ("2026-06-06T02:00:00", True),
    "just before it closes": ("2026-06-06T05:59:59", True),
    "as it closes": ("2026-06-06T06:00:00", False),
}


@pytest.mark.parametrize("sentence", EDGES)
def test_a_window_holds_its_opening_and_not_its_closing_moment(sentence: str) -> None:
    moment, expected = EDGES[sentence]
    assert Window(Calendar("0 2 * * 6"), 4 * HOUR).is_open(utc(moment)) is expected


def test_a_window_lasts_as_long_when_the_clock_changes_inside_of_it() -> None:
    window = Window(Calendar("0 1 * * SUN", "Europe/Berlin"), 4 * HOUR)
    for opens in (utc("2026-03-29T00:00"), utc("2026-10-24T23:00")):
        assert window.is_open(opens)
        assert window.is_open(opens + 4 * HOUR - timedelta(seconds=1))
        assert not window.is_open(opens + 4 * HOUR)


def test_the_last_of_very_many_openings_is_found_in_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[datetime] = []
    after = Calendar.after

    def counting(self: Calendar, moment: datetime) -> Iterator[datetime]:
        looked.append(moment)
        return after(self, moment)

    monkeypatch.setattr(Calendar, "after", counting)
    january = Calendar("* * * 1 *", "Europe/Berlin")
    assert january.last(utc("2026-01-01T00:00"), utc("2026-11-01T00:00")) == utc("2026-01-31T22:59")
    assert len(looked) < 60
