from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakwater.kernel.durations import MAX_LENGTH, REMEDY, format_duration, parse_duration

WRITABLE = st.integers(0, 999_999 * 3600).map(lambda seconds: timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("text", "duration", "shortest"),
    [
        ("2160h", timedelta(days=90), "2160h"),
        ("1h30m", timedelta(minutes=90), "1h30m"),
        ("90m", timedelta(minutes=90), "1h30m"),
        ("90s", timedelta(seconds=90), "1m30s"),
        ("1h0m0s", timedelta(hours=1), "1h"),
        ("0s", timedelta(0), "0s"),
        ("999999h", timedelta(hours=999_999), "999999h"),
    ],
)
def test_durations_are_read_as_go_reads_them_and_written_in_their_shortest_form(
    text: str, duration: timedelta, shortest: str
) -> None:
    assert parse_duration(text) == duration
    assert format_duration(duration) == shortest


@pytest.mark.parametrize(
    "text",
    ["", "90d", "1.5h", "-5m", "+5m", "5", "h", "30m1h", "1h1h", "5m ", "5m\n", "1H", "1000000h", "5ms", "1w", "٣h"],
)
def test_other_notations_are_refused_with_the_remedy(text: str) -> None:
    with pytest.raises(ValueError, match="days are not a unit") as refused:
        parse_duration(text)
    assert str(refused.value) == REMEDY


@given(WRITABLE)
def test_what_is_written_is_read_back(duration: timedelta) -> None:
    text = format_duration(duration)
    assert parse_duration(text) == duration
    assert len(text) <= MAX_LENGTH


@given(st.text(alphabet="0123456789hms.d- ", max_size=12))
def test_text_is_either_refused_or_means_one_duration(text: str) -> None:
    try:
        duration = parse_duration(text)
    except ValueError:
        return
    assert duration >= timedelta(0)
    assert parse_duration(format_duration(min(duration, timedelta(hours=999_999)))) == min(
        duration, timedelta(hours=999_999)
    )


@pytest.mark.parametrize(
    "duration", [timedelta(seconds=-1), timedelta(milliseconds=1500), timedelta(hours=1_000_000)], ids=str
)
def test_what_the_notation_cannot_say_is_not_written(duration: timedelta) -> None:
    with pytest.raises(ValueError, match="whole number of seconds"):
        format_duration(duration)
