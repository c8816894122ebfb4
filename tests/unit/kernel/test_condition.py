"""Conditions in the Kubernetes form."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from breakwater.kernel.condition import LONGEST_MESSAGE, Status, all_of, false, true, unknown, written

T0 = datetime(2026, 1, 1, tzinfo=UTC)
LATER = T0 + timedelta(hours=1)


def test_a_condition_keeps_its_transition_time_while_its_status_stays() -> None:
    before = written([false("Ready", "Pending", "wait")], None, 1, T0)
    after = written([false("Ready", "Other", "still")], before, 2, LATER)
    assert after[0]["lastTransitionTime"] == before[0]["lastTransitionTime"]
    assert (after[0]["reason"], after[0]["observedGeneration"]) == ("Other", 2)


def test_a_condition_that_turns_takes_the_time_of_now() -> None:
    before = written([false("Ready", "Pending", "wait")], None, 1, T0)
    assert written([true("Ready", "Ready")], before, 1, LATER)[0]["lastTransitionTime"] == "2026-01-01T01:00:00Z"


def test_a_status_edited_into_nonsense_is_no_obstacle() -> None:
    for nonsense in (None, "x", 3, [1], [{"type": "Ready"}], {"type": "Ready"}):
        assert written([true("Ready", "Ready")], nonsense, 1, T0)[0]["lastTransitionTime"] == "2026-01-01T00:00:00Z"


def test_false_outweighs_unknown_and_unknown_outweighs_true() -> None:
    yes, no, who = true("A", "Fine"), false("B", "Broken", "mend it"), unknown("C", "NotMeasured", "wait")
    assert all_of("All", [yes, who, no], "Ready", "").reason == "Broken"
    assert all_of("All", [yes, who], "Ready", "").status is Status.UNKNOWN
    assert all_of("All", [yes], "Ready", "all fine").holds


def test_the_part_that_decides_is_named_with_its_message() -> None:
    assert all_of("Secured", [false("Authorized", "NotDeclared", "list the clients")], "x", "").message == (
        "Authorized: list the clients"
    )


def test_a_message_is_bounded() -> None:
    assert len(written([false("Ready", "Long", "x" * 10_000)], None, 1, T0)[0]["message"]) == LONGEST_MESSAGE
