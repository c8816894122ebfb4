from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pytest

from breakwater.cluster.inventory import Change, Inventory, Listener, Stream
from breakwater.kernel.ownership import MANAGED_BY, MANAGER
from breakwater.kernel.plan import Contest, Failure
from breakwater.kernel.reading import ABSENT, NOT_FETCHED, NOT_SYNCED, Entry, Manifest, Present, Reading, Unknown
from breakwater.kernel.references import CONFIG_MAP, SECRET, Ref, Resource, Subject
from breakwater.kernel.settings import Settings
from breakwater.kernel.world import Index
from tests.unit.cluster.objects import WIDGET, manifest, ref

OURS = {MANAGED_BY: MANAGER}
FORBIDDEN = Unknown("Forbidden", "no")
ME = Subject("Widget", "a", "x")


def _facts(item: Manifest) -> Mapping[Hashable, Any]:
    return {item["metadata"]["labels"]["colour"]: item.get("value")} if "colour" in item["metadata"]["labels"] else {}


INDEX = Index("by-colour", (WIDGET, SECRET), _facts)
SECRET_NAME = ref("s", resource=SECRET)


class Heard(Listener):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.news: list[Any] = []

    def changed(self, change: Change) -> None:
        self.changes.append(change)

    def indexed(self, index: Index, keys: Any) -> None:
        assert index is INDEX
        self.news.append(("indexed", *sorted(keys)))

    def known(self, resource: Resource) -> None:
        self.news.append(("known", resource))

    def lost(self, resource: Resource, scope: str) -> None:
        self.news.append(("lost", resource, scope))

    def fact(self, key: Hashable, **_: object) -> None:
        self.news.append(("fact", key))

    def wanted(self, ref: Ref) -> None:
        self.news.append(("wanted", ref))

    def take(self) -> list[Any]:
        news, self.news = self.news, []
        return news


@pytest.fixture
def inventory() -> Inventory:
    house = Inventory(Settings(), whole=(WIDGET,), split=(SECRET,), indexes=(INDEX,))
    house.listener = Heard()
    return house


@pytest.fixture
def heard(inventory: Inventory) -> Heard:
    assert isinstance(inventory.listener, Heard)
    return inventory.listener


def value(reading: Reading[Entry]) -> Any:
    return reading.value.manifest.get("value") if isinstance(reading, Present) else reading


def sync(inventory: Inventory) -> None:
    inventory.listed(WIDGET, "", [], 0)
    for stream in Stream:
        inventory.listed(SECRET, "", [], 0, stream)


def secret(version: int, *, labels: dict[str, str] | None = None, **members: Any) -> dict[str, Any]:
    return manifest("s", version, labels=labels, **members)


def test_a_read_has_three_values(inventory: Inventory) -> None:
    inventory.put(WIDGET, manifest("x", 1, value=7))
    assert value(inventory.look_up(ref("x"))) == 7
    assert inventory.look_up(ref("y")) is NOT_SYNCED
    inventory.listed(WIDGET, "", [manifest("x", 1)], 1)
    assert inventory.look_up(ref("y")) is ABSENT


def test_a_type_that_nobody_watches_is_unknown_in_every_way(inventory: Inventory) -> None:
    name = ref("c", resource=CONFIG_MAP)
    for reading in (inventory.look_up(name), inventory.metadata(name), inventory.listing(CONFIG_MAP, None)):
        assert isinstance(reading, Unknown)
        assert reading.reason == "NotServed"


def test_a_listing_is_unknown_while_a_part_of_it_is() -> None:
    inventory = Inventory(Settings(), whole=(WIDGET,), split=(), indexes=(), scopes=("a", "b"))
    inventory.listed(WIDGET, "a", [manifest("x", 1)], 1)
    assert inventory.listing(WIDGET, None) is NOT_SYNCED
    inventory.lost(WIDGET, "b", FORBIDDEN)
    assert inventory.listing(WIDGET, None) == FORBIDDEN
    reading = inventory.listing(WIDGET, "a")
    assert isinstance(reading, Present)
    assert [name for name, _ in reading.value] == [ref("x")]
    assert inventory.synced(WIDGET)


def test_a_list_tells_of_what_was_made_changed_and_deleted_in_a_gap(inventory: Inventory, heard: Heard) -> None:
    kept, changed = manifest("kept", 1), manifest("changed", 2, value=1)
    inventory.listed(WIDGET, "", [kept, changed, manifest("deleted", 3)], 3)
    heard.changes.clear()
    inventory.listed(WIDGET, "", [kept, manifest("changed", 5, value=2), manifest("made", 6)], 8)
    told = {change.ref.name: (value(change.before), value(change.after)) for change in heard.changes}
    assert told.keys() == {"changed", "made", "deleted"}
    assert told["changed"] == (1, 2)
    assert told["made"][0] is ABSENT
    assert told["deleted"][1] is ABSENT


def test_a_list_that_was_overtaken_by_our_own_write_takes_nothing_back(inventory: Inventory) -> None:
    inventory.put(WIDGET, manifest("made", 9, value="new"))
    inventory.listed(WIDGET, "", [], 8)
    assert value(inventory.look_up(ref("made"))) == "new"


def test_an_event_from_before_our_write_does_not_undo_it(inventory: Inventory, heard: Heard) -> None:
    inventory.put(WIDGET, manifest("x", 5, value="written"))
    heard.changes.clear()
    inventory.put(WIDGET, manifest("x", 4, value="stale"))
    assert value(inventory.look_up(ref("x"))) == "written"
    assert heard.changes == []


def test_a_deleted_object_does_not_come_back_with_a_late_event(inventory: Inventory) -> None:
    sync(inventory)
    inventory.put(WIDGET, manifest("x", 5))
    inventory.drop(WIDGET, manifest("x", 7))
    inventory.put(WIDGET, manifest("x", 6))
    assert inventory.look_up(ref("x")) is ABSENT


def test_what_the_server_says_is_gone_is_gone_but_not_its_successor(inventory: Inventory) -> None:
    sync(inventory)
    inventory.put(WIDGET, manifest("x", 5, uid="old"))
    inventory.gone(ref("x"), "other")
    assert isinstance(inventory.look_up(ref("x")), Present)
    inventory.gone(ref("x"), "old")
    assert inventory.look_up(ref("x")) is ABSENT


def test_a_foreign_secret_is_present_as_metadata_and_asked_for_as_a_whole(inventory: Inventory, heard: Heard) -> None:
    sync(inventory)
    inventory.put(SECRET, secret(3), Stream.METADATA)
    assert isinstance(inventory.metadata(SECRET_NAME), Present)
    heard.take()
    assert inventory.look_up(SECRET_NAME) is NOT_FETCHED
    assert heard.take() == [("wanted", SECRET_NAME)]
    inventory.fetched(SECRET_NAME, Entry.of(secret(3, value="data")))
    assert value(inventory.look_up(SECRET_NAME)) == "data"
    assert heard.take() == []


def test_a_fetched_secret_is_stale_as_soon_as_its_metadata_moves(inventory: Inventory) -> None:
    sync(inventory)
    inventory.put(SECRET, secret(3), Stream.METADATA)
    inventory.fetched(SECRET_NAME, Entry.of(secret(3, value="data")))
    inventory.put(SECRET, secret(4), Stream.METADATA)
    assert inventory.look_up(SECRET_NAME) is NOT_FETCHED


def test_a_secret_that_was_refused_is_asked_for_again_when_it_changes(inventory: Inventory) -> None:
    sync(inventory)
    inventory.put(SECRET, secret(3), Stream.METADATA)
    inventory.fetched(SECRET_NAME, FORBIDDEN)
    assert inventory.look_up(SECRET_NAME) == FORBIDDEN
    inventory.put(SECRET, secret(4), Stream.METADATA)
    assert inventory.look_up(SECRET_NAME) is NOT_FETCHED


def test_a_secret_that_was_deleted_and_made_anew_in_a_gap_is_read_anew(inventory: Inventory) -> None:
    sync(inventory)
    inventory.put(SECRET, secret(3), Stream.METADATA)
    inventory.fetched(SECRET_NAME, Entry.of(secret(3, value="old")))
    inventory.listed(SECRET, "", [], 5, Stream.METADATA)
    assert inventory.look_up(SECRET_NAME) is ABSENT
    inventory.put(SECRET, manifest("s", 7, uid="new"), Stream.METADATA)
    assert inventory.look_up(SECRET_NAME) is NOT_FETCHED


def test_a_secret_of_ours_is_whole_without_asking(inventory: Inventory, heard: Heard) -> None:
    sync(inventory)
    inventory.put(SECRET, secret(3, labels=OURS, value="ours"))
    heard.take()
    assert value(inventory.look_up(SECRET_NAME)) == "ours"
    assert isinstance(inventory.metadata(SECRET_NAME), Present)
    assert heard.take() == []


def test_a_secret_of_ours_is_not_taken_for_a_foreign_one_before_ours_are_listed(inventory: Inventory) -> None:
    inventory.listed(SECRET, "", [secret(3, labels=OURS)], 3, Stream.METADATA)
    assert inventory.look_up(SECRET_NAME) is NOT_SYNCED


def test_a_secret_that_loses_our_label_is_a_foreign_one_from_then_on(inventory: Inventory) -> None:
    sync(inventory)
    inventory.put(SECRET, secret(3, labels=OURS, value="ours"))
    inventory.put(SECRET, secret(4), Stream.METADATA)
    inventory.drop(SECRET, secret(4))
    assert isinstance(inventory.metadata(SECRET_NAME), Present)
    assert inventory.look_up(SECRET_NAME) is NOT_FETCHED


@pytest.mark.parametrize("first", Stream)
def test_a_deletion_that_both_streams_tell_of_is_told_in_either_order(inventory: Inventory, first: Stream) -> None:
    sync(inventory)
    inventory.put(SECRET, secret(3, labels=OURS))
    for stream in (first, *(other for other in Stream if other is not first)):
        inventory.drop(SECRET, secret(5, labels=OURS), stream)
    assert inventory.look_up(SECRET_NAME) is ABSENT
    assert inventory.metadata(SECRET_NAME) is ABSENT


def test_a_split_type_is_synced_when_both_streams_are(inventory: Inventory) -> None:
    inventory.listed(SECRET, "", [], 1)
    assert not inventory.synced(SECRET)
    inventory.listed(SECRET, "", [], 1, Stream.METADATA)
    assert inventory.synced(SECRET)


def test_an_index_follows_its_objects(inventory: Inventory, heard: Heard) -> None:
    sync(inventory)
    inventory.put(WIDGET, manifest("x", 1, labels={"colour": "red"}, value=1))
    heard.take()
    inventory.put(WIDGET, manifest("x", 2, labels={"colour": "blue"}, value=1))
    assert heard.take() == [("indexed", "blue", "red")]
    assert inventory.indexed(INDEX, "red") == Present({})
    assert inventory.indexed(INDEX, "blue") == Present({ref("x"): 1})
    inventory.put(WIDGET, manifest("x", 3, labels={"colour": "blue"}, value=1, other=5))
    assert heard.take() == []
    inventory.drop(WIDGET, manifest("x", 4))
    assert list(inventory.keys(INDEX)) == []


def test_an_index_is_unknown_while_one_of_its_types_is(inventory: Inventory) -> None:
    assert inventory.indexed(INDEX, "red") is NOT_SYNCED
    sync(inventory)
    assert inventory.indexed(INDEX, "red") == Present({})
    inventory.lost(WIDGET, "", FORBIDDEN)
    assert inventory.indexed(INDEX, "red") == FORBIDDEN
    inventory.lost(WIDGET, "", Unknown("NotServed", "none exist where none can"))
    assert inventory.indexed(INDEX, "red") == Present({})


def test_losing_and_regaining_a_type_is_told_once_each(inventory: Inventory, heard: Heard) -> None:
    sync(inventory)
    heard.take()
    for _ in range(3):
        inventory.lost(WIDGET, "", FORBIDDEN)
    assert heard.take() == [("known", WIDGET), ("lost", WIDGET, "")]
    for _ in range(3):
        inventory.listed(WIDGET, "", [], 1)
    assert heard.take() == [("known", WIDGET)]


def test_failures_and_contests_are_kept_until_they_are_over(inventory: Inventory) -> None:
    failure, contest = Failure("QuotaExceeded", "full"), Contest("rival", 3)
    inventory.remember(ME, {"write": failure})
    inventory.contested(ref("x"), contest)
    assert inventory.failures(ME) == {"write": failure}
    assert inventory.contest(ref("x")) == contest
    inventory.remember(ME, {})
    inventory.contested(ref("x"), None)
    assert inventory.failures(ME) == {}
    assert inventory.contest(ref("x")) is None


def test_a_type_is_synced_when_each_namespace_was_listed_or_refused() -> None:
    house = Inventory(Settings(), whole=(WIDGET,), split=(), indexes=(), scopes=("a", "b"))
    house.lost(WIDGET, "a", Unknown("Forbidden"))
    assert not house.synced(WIDGET)
    house.listed(WIDGET, "b", [], 1)
    assert house.synced(WIDGET)


def test_an_object_that_an_index_cannot_read_keeps_nobody_else_out() -> None:
    def facts(item: Manifest) -> Mapping[Hashable, Any]:
        return {"all": 1 / item["value"]}

    broken = Index("broken", (WIDGET,), facts)
    house = Inventory(Settings(), whole=(WIDGET,), split=(), indexes=(broken,))
    house.listed(WIDGET, "", [manifest("poison", 1, value=0), manifest("good", 2, value=1)], 2)
    reading = house.indexed(broken, "all")
    assert isinstance(reading, Present)
    assert list(reading.value) == [ref("good")]


def test_a_foreign_secret_that_a_list_does_not_name_any_more_is_not_kept(inventory: Inventory) -> None:
    sync(inventory)
    inventory.put(SECRET, secret(5), Stream.METADATA)
    inventory.look_up(SECRET_NAME)
    inventory.fetched(SECRET_NAME, Entry.of(secret(5, data={"password": "cw=="})))
    inventory.listed(SECRET, "", [], 9, Stream.METADATA)
    assert inventory.look_up(SECRET_NAME) is ABSENT
    assert SECRET_NAME not in inventory._fetched
