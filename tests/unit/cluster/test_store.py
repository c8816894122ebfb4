from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breakwater.cluster import store as module
from breakwater.cluster.store import EVERYWHERE, Store
from breakwater.kernel.reading import ABSENT, NOT_SYNCED, Entry, Present, Unknown
from tests.unit.cluster.objects import WIDGET, manifest, ref

FORBIDDEN = Unknown("Forbidden", "no")


@pytest.fixture
def store() -> Store:
    return Store(WIDGET)


def put(store: Store, name: str, version: int, *, uid: str = "u", namespace: str = "a") -> bool:
    return store.put(ref(name, namespace), Entry.of(manifest(name, version, uid=uid, namespace=namespace)))


def version(store: Store, name: str) -> int | None:
    entry = store.entry(ref(name))
    return entry.version if entry else None


def test_what_is_not_here_is_unknown_until_the_first_list_and_absent_after_it(store: Store) -> None:
    assert store.read(ref("x")) is NOT_SYNCED
    assert store.close(EVERYWHERE, None)
    assert store.read(ref("x")) is ABSENT


def test_what_is_here_is_present_before_the_first_list_and_after_a_loss(store: Store) -> None:
    put(store, "x", 1)
    assert isinstance(store.read(ref("x")), Present)
    store.close(EVERYWHERE, FORBIDDEN)
    assert isinstance(store.read(ref("x")), Present)
    assert store.read(ref("y")) == FORBIDDEN


def test_each_namespace_is_known_for_itself() -> None:
    store = Store(WIDGET, ("a", "b"))
    store.close("a", None)
    store.close("b", FORBIDDEN)
    assert store.gap("a") is None
    assert store.gap("b") == FORBIDDEN
    assert store.gap(None) == FORBIDDEN
    unserved = store.gap("c")
    assert unserved
    assert unserved.reason == "NotServed"


def test_closing_a_scope_tells_only_of_a_difference(store: Store) -> None:
    assert store.close(EVERYWHERE, FORBIDDEN)
    assert not store.close(EVERYWHERE, Unknown("Forbidden", "no"))
    assert store.close(EVERYWHERE, None)


def test_an_older_version_never_replaces_a_newer_one(store: Store) -> None:
    assert put(store, "x", 5)
    assert not put(store, "x", 4)
    assert not put(store, "x", 5)
    assert version(store, "x") == 5


def test_a_late_event_does_not_bring_a_deleted_object_back(store: Store) -> None:
    put(store, "x", 5)
    assert store.drop(ref("x"), "u", 7)
    assert not put(store, "x", 6)
    assert version(store, "x") is None


def test_a_deletion_that_comes_before_the_object_counts(store: Store) -> None:
    assert not store.drop(ref("x"), "u", 7)
    assert not put(store, "x", 6)


def test_the_end_of_an_older_object_leaves_the_newer_one_of_its_name(store: Store) -> None:
    put(store, "x", 5, uid="old")
    put(store, "x", 9, uid="new")
    assert not store.drop(ref("x"), "old", 8)
    assert version(store, "x") == 9


def test_an_object_of_the_same_name_may_follow_a_deleted_one(store: Store) -> None:
    store.drop(ref("x"), "old", 8)
    assert put(store, "x", 9, uid="new")


def test_tombstones_are_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOMBSTONES", 10)
    for number in range(100):
        store.drop(ref("x"), f"uid-{number}", number)
    assert len(store._buried) == 10
    assert not put(store, "x", 98, uid="uid-99")


def test_missing_is_what_a_list_does_not_name_unless_it_was_written_later(store: Store) -> None:
    put(store, "gone", 3)
    put(store, "listed", 4, uid="v")
    put(store, "later", 11, uid="w")
    assert [missed.name for missed, _ in store.missing(EVERYWHERE, [ref("listed")], 10)] == ["gone"]


def test_a_list_of_one_namespace_says_nothing_of_another() -> None:
    store = Store(WIDGET, ("a", "b"))
    put(store, "x", 1)
    put(store, "x", 1, namespace="b")
    assert [missed.namespace for missed, _ in store.missing("a", [], 10)] == ["a"]


histories = st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from(["write", "delete"])), max_size=20)


@settings(deadline=None)
@given(histories, st.randoms(use_true_random=False))
def test_in_whatever_order_events_come_the_store_ends_where_the_cluster_did(
    history: list[tuple[str, str]], random: Random
) -> None:
    events, alive = _events(history)
    store = Store(WIDGET)
    shuffled = list(events)
    random.shuffle(shuffled)
    for deleted, name, uid, number in shuffled:
        if deleted:
            store.drop(ref(name), uid, number)
        else:
            put(store, name, number, uid=uid)
    assert {held.name: entry.uid for held, entry in store.items()} == alive


def _events(history: list[tuple[str, str]]) -> tuple[list[tuple[bool, str, str, int]], dict[str, str]]:
    """Events of a cluster that went through this history, and what lives at its end, by name."""
    events: list[tuple[bool, str, str, int]] = []
    alive: dict[str, str] = {}
    for number, (name, deed) in enumerate(history, 1):
        if deed == "write":
            uid = alive.setdefault(name, f"{name}-{number}")
            events.append((False, name, uid, number))
        elif name in alive:
            events.append((True, name, alive.pop(name), number))
    return events, alive
