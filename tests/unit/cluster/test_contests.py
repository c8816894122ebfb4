from __future__ import annotations

from datetime import UTC, datetime, timedelta

from breakwater.cluster.contests import MOST_TAKES, WINDOW, Contests
from breakwater.kernel.plan import Contest
from breakwater.kernel.references import SECRET, Ref

NOW = datetime(2026, 6, 1, tzinfo=UTC)
HERE = Ref(SECRET, "bpm", "db-tls")
THERE = Ref(SECRET, "bpm", "web-tls")


def _taken(times: int, manager: str = "thief") -> Contests:
    contests = Contests()
    for number in range(times):
        contests.record(HERE, [manager], NOW + timedelta(seconds=number))
    return contests


def test_three_takes_from_one_manager_are_a_contest_and_two_are_none() -> None:
    assert _taken(MOST_TAKES - 1).standing(HERE, ["thief"], NOW + timedelta(minutes=1)) is None
    assert _taken(MOST_TAKES).standing(HERE, ["thief"], NOW + timedelta(minutes=1)) == Contest("thief", MOST_TAKES)


def test_takes_count_by_manager_and_by_object() -> None:
    contests = _taken(MOST_TAKES)
    assert contests.standing(HERE, ["other"], NOW) is None
    assert contests.standing(THERE, ["thief"], NOW) is None
    assert contests.standing(HERE, ["other", "thief"], NOW) == Contest("thief", MOST_TAKES)


def test_old_takes_and_those_of_a_deleted_object_are_forgotten() -> None:
    contests = _taken(MOST_TAKES)
    assert contests.standing(HERE, ["thief"], NOW + WINDOW + timedelta(seconds=1)) is None
    contests = _taken(MOST_TAKES)
    contests.forget(HERE)
    assert contests.standing(HERE, ["thief"], NOW) is None
