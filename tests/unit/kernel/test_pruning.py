"""What may be taken away when its declaration is gone: the table of all cases, in time and number."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breakwater.kernel.plan import Version
from breakwater.kernel.pruning import CONFIRM, SETTLE, WINDOW, Definition, Left, Vanished, judge, questioned, token
from breakwater.kernel.references import SECRET, Ref, Subject

NOW = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)
LONG_AGO = NOW - timedelta(minutes=5)
MAY, JUNE, JULY = "2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z", "2026-07-01T00:00:00Z"
SERVED = Definition("uid-1", MAY, deleting=False)
SECRET_VERSION = Version("secret-uid", "7")


def subject(number: int) -> Subject:
    return Subject("CommunicationChannel", "bpm", f"flow-{number}")


def left(number: int = 0, **changes: object) -> Left:
    objects = {Ref(SECRET, "bpm", f"flow-{number}-tls"): SECRET_VERSION}
    return replace(Left(LONG_AGO, objects, oldest=JUNE, declared=JUNE, definition=SERVED), **changes)  # type: ignore[arg-type]


def vanished(
    count: int, *, declared: int = 0, pruned: int = 0, confirmed: Iterable[int] = (), **changes: object
) -> Vanished:
    return Vanished(
        {subject(number): left(number, **changes) for number in range(count)},
        frozenset(map(subject, confirmed)),
        (NOW - timedelta(seconds=30),) * pruned,
        declared,
    )


def reasons(state: Vanished, now: datetime = NOW) -> set[str]:
    return {permit.reason for permit in judge(state, now).values()}


# vanished, declared, pruned within the minute -> reason of every permit
NUMBERS = [
    (1, 0, 0, "DeclarationGone"),
    (1, 500, 0, "DeclarationGone"),
    (5, 0, 0, "DeclarationGone"),
    (9, 0, 0, "DeclarationGone"),
    (10, 0, 0, "MassDeletion"),
    (30, 0, 0, "MassDeletion"),
    (10, 89, 0, "MassDeletion"),
    (10, 99, 0, "MassDeletion"),
    (10, 100, 0, "DeclarationGone"),
    (99, 900, 0, "MassDeletion"),
    (99, 901, 0, "DeclarationGone"),
    (100, 900, 0, "MassDeletion"),
    (1, 0, 8, "DeclarationGone"),
    (1, 0, 9, "MassDeletion"),
    (5, 0, 5, "MassDeletion"),
    (5, 110, 5, "DeclarationGone"),
]


@pytest.mark.parametrize(("count", "declared", "pruned", "reason"), NUMBERS)
def test_a_tenth_and_at_least_ten_at_once_are_a_mass_deletion(
    count: int, declared: int, pruned: int, reason: str
) -> None:
    assert reasons(vanished(count, declared=declared, pruned=pruned)) == {reason}


def test_deletions_one_by_one_do_not_add_up_for_longer_than_the_window() -> None:
    assert reasons(vanished(1, pruned=9), NOW + WINDOW) == {"DeclarationGone"}


def test_a_declaration_that_has_just_vanished_waits_for_more_to_vanish_with_it() -> None:
    young = vanished(1, since=NOW)
    assert reasons(young, NOW) == {"JustVanished"}
    assert reasons(young, NOW + SETTLE - timedelta(milliseconds=1)) == {"JustVanished"}
    assert reasons(young, NOW + SETTLE) == {"DeclarationGone"}


def test_many_are_stopped_before_they_have_settled() -> None:
    assert reasons(vanished(10, since=NOW)) == {"MassDeletion"}


# when the definition was applied, the oldest object made, the declaration made; whether the definition is suspected
DOUBTS = [
    pytest.param(MAY, JUNE, JUNE, False, id="all made under the present definition"),
    pytest.param(MAY, JUNE, "", False, id="objects made under the present definition, declaration never seen"),
    pytest.param(JUNE, MAY, "", True, id="objects older than the definition, declaration never seen"),
    pytest.param(JUNE, MAY, MAY, True, id="objects and declaration older than the definition"),
    pytest.param(JUNE, MAY, JULY, False, id="objects older, but declared again under the present definition"),
    pytest.param(JUNE, JUNE, "", True, id="objects of the definition's own second"),
    pytest.param(JUNE, MAY, JUNE, True, id="declaration of the definition's own second"),
    pytest.param(JUNE, JULY, MAY, False, id="objects younger than the definition"),
]


@pytest.mark.parametrize(("applied", "oldest", "declared", "doubtful"), DOUBTS)
def test_a_definition_applied_anew_is_suspected_of_having_taken_its_resources(
    applied: str, oldest: str, declared: str, doubtful: bool
) -> None:
    remains = left(definition=Definition("uid-2", applied, deleting=False), oldest=oldest, declared=declared)
    state = Vanished({subject(0): remains}, frozenset(), (), 0)
    assert reasons(state) == {"MassDeletion" if doubtful else "DeclarationGone"}


@pytest.mark.parametrize("definition", [None, replace(SERVED, deleting=True)], ids=["unknown", "being deleted"])
def test_a_definition_that_is_not_there_is_suspected(definition: Definition | None) -> None:
    assert reasons(vanished(1, definition=definition)) == {"MassDeletion"}


def test_only_the_suspected_ones_of_a_few_are_asked_about() -> None:
    state = vanished(3)
    doubtful = left(9, oldest=MAY, declared=MAY)
    mixed = replace(state, left={**state.left, subject(9): doubtful})
    assert questioned(mixed, NOW) == {subject(9): doubtful}
    permits = judge(mixed, NOW)
    assert [permits[subject(number)].granted for number in (0, 1, 2, 9)] == [True, True, True, False]


def test_a_permit_names_the_definition_that_was_looked_at() -> None:
    assert judge(vanished(1), NOW)[subject(0)].definition == "uid-1"
    assert judge(vanished(30), NOW)[subject(0)].definition == ""


def test_confirmed_ones_go_and_those_that_vanish_later_are_judged_anew() -> None:
    assert reasons(vanished(30, confirmed=range(30))) == {"DeclarationGone"}
    later = judge(vanished(40, confirmed=range(30)), NOW)
    assert [later[subject(number)].granted for number in (0, 29, 30, 39)] == [True, True, False, False]
    assert reasons(vanished(35, confirmed=range(30))) == {"DeclarationGone"}


def test_a_confirmation_does_not_outrun_what_cannot_be_told() -> None:
    assert reasons(vanished(1, confirmed=[0], definition=None)) == {"KindNotServed"}
    assert reasons(vanished(1, confirmed=[0], since=NOW)) == {"JustVanished"}


def test_the_refusal_names_the_annotation_and_the_token_to_put_into_it() -> None:
    state = vanished(30)
    permit = judge(state, NOW)[subject(0)]
    assert f"{CONFIRM}={token(state.left)}" in permit.message
    assert permit.message.startswith("30 declarations vanished")


CHANGES = {
    "one more": lambda state: {**state, subject(9): left(9)},
    "one fewer": lambda state: {name: remains for name, remains in state.items() if name != subject(0)},
    "another one": lambda state: {subject(number + 1): remains for number, remains in enumerate(state.values())},
    "an object written since": lambda state: {**state, subject(0): _with_version("secret-uid", "8")},
    "an object made anew": lambda state: {**state, subject(0): _with_version("other-uid", "7")},
    "one more object": lambda state: {**state, subject(0): left(objects={**left(0).objects, **left(9).objects})},
}


def _with_version(uid: str, version: str) -> Left:
    return left(objects=dict.fromkeys(left(0).objects, Version(uid, version)))


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_confirmation_is_good_for_exactly_what_it_was_asked_for(change: object) -> None:
    before = vanished(3).left
    assert token(change(before)) != token(before)  # type: ignore[operator]


def test_the_token_depends_neither_on_order_nor_on_the_process_that_asks() -> None:
    state = vanished(3).left
    seen_later = {name: replace(remains, since=NOW, declared="") for name, remains in reversed(list(state.items()))}
    assert token(seen_later) == token(state)


@settings(deadline=None)
@given(count=st.integers(0, 60), declared=st.integers(0, 500), pruned=st.integers(0, 20), data=st.data())
def test_never_more_than_a_few_go_without_a_word(count: int, declared: int, pruned: int, data: st.DataObject) -> None:
    confirmed = data.draw(st.sets(st.integers(0, 59)))
    state = vanished(count, declared=declared, pruned=pruned, confirmed=confirmed)
    permits = judge(state, NOW)
    assert permits.keys() == state.left.keys()
    unasked = [name for name, permit in permits.items() if permit.granted and name not in state.confirmed]
    assert not unasked or len(unasked) + pruned < max(10, (declared + count) // 10)
