from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakwater.pki import PkiError, renew_at
from tests.unit.pki.forge import DAY, NOW

STARTS = st.datetimes(datetime(1950, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # see timezones
LIVES = st.timedeltas(timedelta(seconds=1), timedelta(days=300_000))
PERCENTAGES = st.integers(1, 99)


@given(STARTS, LIVES, PERCENTAGES)
def test_renewal_is_strictly_inside_the_validity(start: datetime, life: timedelta, percentage: int) -> None:
    assert start < renew_at(start, start + life, percentage) < start + life


@given(STARTS, LIVES, PERCENTAGES, PERCENTAGES)
def test_a_higher_percentage_renews_later(start: datetime, life: timedelta, one: int, other: int) -> None:
    low, high = sorted((one, other))
    earlier, later = renew_at(start, start + life, low), renew_at(start, start + life, high)
    assert (earlier < later) if low < high else earlier == later


def test_two_thirds_of_the_life_is_the_default() -> None:
    assert renew_at(NOW, NOW + 100 * DAY) == NOW + 67 * DAY
    assert renew_at(NOW, NOW + timedelta(seconds=10)) == NOW + timedelta(seconds=6.7)


@pytest.mark.parametrize(
    ("life", "percentage", "field"),
    [(DAY, 0, "percentage"), (DAY, 100, "percentage"), (DAY, -5, "percentage"), (timedelta(0), 67, "notAfter")],
)
def test_what_cannot_be_inside_is_refused_by_field(life: timedelta, percentage: int, field: str) -> None:
    with pytest.raises(PkiError) as caught:
        renew_at(NOW, NOW + life, percentage)
    assert caught.value.field == field
