"""A ramp rises step by step: each was proven for as long as it says before the next is taken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakwater.kernel.time import to_rfc3339
from breakwater.zones.kind import Hsts
from breakwater.zones.ramp import Ramp, permitted, proceeding, steps_of

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SPEC = Hsts.read({"enabled": True, "maxAge": 31536000, "ramp": [300, 86400]})


def status(age: int, seconds: float | None = None) -> dict[str, Any]:
    """What is remembered: a step, and in how many seconds the next may follow."""
    entry: dict[str, Any] = {"maxAge": age}
    return {"hsts": entry | ({"nextAt": to_rfc3339(NOW + timedelta(seconds=seconds))} if seconds is not None else {})}


PERMITTED: dict[str, tuple[dict[str, Any], int]] = {
    "it begins with the first step": ({}, 300),
    "a step that is not proven stays": (status(300), 300),
    "a step whose time is over waits for a proof of now": (status(300, -1), 300),
    "the last one stays": (status(31536000, -1), 31536000),
    "a step that is none any more falls to the one below": (status(1000, -1), 300),
    "what is below all steps begins": (status(1), 300),
    "nonsense begins": ({"hsts": {"maxAge": "x", "nextAt": 3}}, 300),
    "more nonsense begins": ({"hsts": ["x"]}, 300),
}


@pytest.mark.parametrize("sentence", PERMITTED)
def test_the_step_that_may_be_taken(sentence: str) -> None:
    remembered, expected = PERMITTED[sentence]
    assert permitted(SPEC, remembered).max_age == expected


NEXT: dict[str, tuple[int, float, bool, Ramp]] = {
    "a step whose time is over, and that still shows, is left": (300, 0, True, Ramp(86400)),
    "one step at a time, however long ago": (300, -(10**7), True, Ramp(86400)),
    "the second step leads to the last": (86400, -1, True, Ramp(31536000)),
    "a step whose time is not over stays": (300, 1, True, Ramp(300, NOW + timedelta(seconds=1))),
    "a step that does not show any more begins anew": (300, -1, False, Ramp(300)),
}


@pytest.mark.parametrize("sentence", NEXT)
def test_a_step_is_left_when_its_time_is_over_and_live_answers_still_show_it(sentence: str) -> None:
    step, seconds, proven, expected = NEXT[sentence]
    ramp = permitted(SPEC, status(step, seconds))
    assert proceeding(SPEC, ramp, NOW, sent=step, proven=proven) == expected


def test_the_clock_of_a_step_runs_from_its_first_proof_and_from_the_start_again_when_that_is_lost() -> None:
    first = proceeding(SPEC, Ramp(300), NOW, sent=300, proven=True)
    assert first == Ramp(300, NOW + timedelta(seconds=300))
    later = NOW + timedelta(seconds=100)
    assert proceeding(SPEC, first, later, sent=300, proven=True) == first
    assert proceeding(SPEC, first, later, sent=300, proven=False) == Ramp(300)


def test_where_status_was_lost_what_is_sent_counts() -> None:
    assert proceeding(SPEC, Ramp(300), NOW, sent=86400, proven=True) == Ramp(86400, NOW + timedelta(days=1))


def test_the_last_step_waits_for_nothing() -> None:
    assert proceeding(SPEC, Ramp(31536000), NOW, sent=31536000, proven=True) == Ramp(31536000)


@given(
    ramp=st.lists(st.integers(1, 10**6), max_size=8, unique=True).map(sorted),
    proofs=st.lists(st.tuples(st.booleans(), st.integers(0, 2 * 10**6)), max_size=40),
)
def test_no_step_is_left_before_it_was_proven_for_its_own_time(ramp: list[int], proofs: list[tuple[bool, int]]) -> None:
    spec = Hsts.read({"enabled": True, "maxAge": 10**6 + 1, "ramp": ramp})
    now, remembered = NOW, dict[str, Any]()
    sent, proven_since = steps_of(spec)[0], None
    for proven, seconds in proofs:
        now += timedelta(seconds=seconds)
        proven_since = (proven_since or now) if proven else None
        after = proceeding(spec, permitted(spec, remembered), now, sent=sent, proven=proven)
        if after.max_age != sent:
            assert steps_of(spec).index(after.max_age) == steps_of(spec).index(sent) + 1
            assert proven_since is not None
            assert now - proven_since >= timedelta(seconds=sent)
            sent, proven_since = after.max_age, None
        remembered = {"hsts": after.status}
