from __future__ import annotations

from datetime import UTC, datetime, timedelta

from breakwater.cluster.contests import MOST_TAKES, WINDOW, Contests
from breakwater.kernel.plan import Contest
from breakwater.kernel.reading import Manifest
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


def _fields(**annotations: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "web", "annotations": annotations}}


def test_what_we_wrote_and_stands_no_more_was_taken_away() -> None:
    contests = Contests()
    contests.wrote(HERE, "uid", _fields(ours="1"))
    assert contests.lost(HERE, "uid", _fields(theirs="1"), _fields(ours="1")) == (".metadata.annotations.ours",)
    assert contests.lost(HERE, "uid", _fields(ours="theirs"), _fields(ours="1")) == (".metadata.annotations.ours",)


def test_nobody_took_what_stands_or_is_new_or_was_written_to_an_object_before() -> None:
    contests = Contests()
    assert contests.lost(HERE, "uid", _fields(), _fields(ours="1")) == ()
    contests.wrote(HERE, "uid", _fields(ours="1"))
    assert contests.lost(HERE, "uid", _fields(ours="1"), _fields(ours="1")) == ()
    assert contests.lost(HERE, "uid", _fields(ours="1"), _fields(ours="2")) == ()
    assert contests.lost(HERE, "uid", _fields(ours="1"), _fields(ours="1", more="1")) == ()
    assert contests.lost(HERE, "anew", _fields(), _fields(ours="1")) == ()
    contests.forget(HERE)
    assert contests.lost(HERE, "uid", _fields(), _fields(ours="1")) == ()
