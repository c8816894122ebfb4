"""Whoever read what changed is woken, and nobody else: checked against reading everything again."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breakwater.cluster.inventory import Inventory, Stream
from breakwater.engine.catalogue import Catalogue, SubjectKind
from breakwater.engine.wakes import Reads
from breakwater.kernel.ownership import MANAGED_BY, MANAGER, SUBJECT
from breakwater.kernel.plan import Plan
from breakwater.kernel.reading import ABSENT, Entry, Manifest, Present, Projection, Unknown
from breakwater.kernel.references import CUSTOM_RESOURCE_DEFINITION, SECRET, Subject
from breakwater.kernel.settings import Settings
from breakwater.kernel.world import EVERYTHING, Index, IndexRead, KeyRead, Read, Selector, SelectRead, World
from tests.unit.cluster.objects import VALUE, WIDGET, manifest, ref

SIZE: Projection[Any] = Projection("size", lambda item: item.get("size"))
NAMES, COLOURS, NUMBERS = ["x", "y", "z"], ["red", "blue"], [0, 1]
FORBIDDEN = Unknown("Forbidden", "no")


def _by_colour(item: Manifest) -> Mapping[Hashable, Any]:
    return {item["metadata"]["labels"].get("colour"): item.get("value")}


BY_COLOUR = Index("by-colour", (WIDGET,), _by_colour)


@dataclass(frozen=True)
class Coloured(Selector):
    colour: str

    def matches(self, labels: Mapping[str, str]) -> bool:
        return labels.get("colour") == self.colour


class Woken:
    """Takes the place of the queue."""

    def __init__(self) -> None:
        self.subjects: set[Subject] = set()

    def add(self, subject: Subject) -> None:
        self.subjects.add(subject)

    add_debounced = add


class House:
    """An inventory, the registry of reads, and subjects whose plan is nothing but to read."""

    def __init__(self, *, synced: bool = True, scopes: tuple[str, ...] = ("",)) -> None:
        whole = (WIDGET, CUSTOM_RESOURCE_DEFINITION)
        self.inventory = Inventory(Settings(), whole=whole, split=(SECRET,), indexes=(BY_COLOUR,), scopes=scopes)
        self.woken = Woken()
        self.redefined: list[str] = []
        catalogue = Catalogue({"Widget": SubjectKind("Widget", lambda *_: Plan(), WIDGET)}, {}, (), ())
        self.reads = Reads(catalogue, self.woken, self.redefined.append)
        self.inventory.listener = self.reads
        self.plans: dict[Subject, tuple[Read, ...]] = {}
        self.values: dict[Subject, dict[Read, Any]] = {}
        if synced:
            for scope in scopes:
                self.inventory.listed(WIDGET, scope, [], 0)
                for stream in Stream:
                    self.inventory.listed(SECRET, scope, [], 0, stream)

    def plan(self, subject: Subject, *reads: Read) -> None:
        """As the reconciler does: read, record."""
        world = World(self.inventory, subject)
        self.values[subject] = {read: _read(world, read) for read in reads}
        self.plans[subject] = reads
        self.reads.record(subject, world.reads, world.unknowns)

    def taken(self) -> set[Subject]:
        """Who was woken since the last call."""
        woken, self.woken.subjects = self.woken.subjects, set()
        return woken & self.plans.keys()

    def differing(self) -> set[Subject]:
        """The oracle: who would read something else now."""
        inventory = self.inventory
        return {
            subject
            for subject, reads in self.plans.items()
            if self.values[subject] != {read: _read(World(inventory, subject), read) for read in reads}
        }

    def plan_again(self) -> None:
        for subject, reads in self.plans.items():
            self.plan(subject, *reads)


def _read(world: World, read: Read) -> Any:
    if isinstance(read, KeyRead):
        return (world.metadata if read.metadata else world.get)(read.ref, read.projection)
    if isinstance(read, SelectRead):
        return world.select(read.resource, read.projection, selector=read.selector, namespace=read.namespace)
    if isinstance(read, IndexRead):
        return world.indexed(read.table, read.key)
    return world.fact(read.key)


def subject(number: int) -> Subject:
    return Subject("Reader", "", str(number))


projections = st.sampled_from([VALUE, SIZE])
places = st.sampled_from(["a", "b"])
refs = st.builds(ref, st.sampled_from(NAMES), places)
selectors = st.sampled_from([EVERYTHING, Coloured("red"), Coloured("blue")])
reads = st.one_of(
    st.builds(KeyRead, refs, projections, st.booleans()),
    st.builds(SelectRead, st.just(WIDGET), st.none() | places, selectors, projections),
    st.builds(IndexRead, st.just(BY_COLOUR), st.sampled_from(COLOURS)),
)
plans = st.lists(st.lists(reads, max_size=4), min_size=1, max_size=6)
writes = st.tuples(refs, st.sampled_from(COLOURS), st.sampled_from(NUMBERS), st.sampled_from(NUMBERS))
changes = st.lists(st.tuples(st.sampled_from(["write", "write", "delete"]), writes), min_size=1, max_size=12)


@settings(deadline=None)
@given(plans, changes)
def test_exactly_those_who_would_read_something_else_are_woken(
    planned: list[list[Read]], happening: list[tuple[str, Any]]
) -> None:
    house = House()
    for number, wanted in enumerate(planned):
        house.plan(subject(number), *wanted)
    for version, (deed, (target, colour, value, size)) in enumerate(happening, 1):
        item = manifest(target.name, version, namespace=target.namespace, value=value, size=size)
        item["metadata"]["labels"] = {"colour": colour}
        if deed == "write":
            house.inventory.put(WIDGET, item)
        else:
            house.inventory.drop(WIDGET, item)
        assert house.taken() == house.differing()
        house.plan_again()


@settings(deadline=None)
@given(plans, st.lists(st.tuples(places, st.sampled_from(["list", "lose"]), st.sets(refs)), max_size=6))
def test_nobody_sleeps_on_when_a_namespace_is_lost_or_listed(
    planned: list[list[Read]], happening: list[tuple[str, str, set[Any]]]
) -> None:
    house = House(synced=False, scopes=("a", "b"))
    for number, wanted in enumerate(planned):
        house.plan(subject(number), *wanted)
    for version, (scope, deed, listed) in enumerate(happening, 1):
        items = [manifest(item.name, version, namespace=scope, value=1) for item in listed if item.namespace == scope]
        if deed == "list":
            house.inventory.listed(WIDGET, scope, items, version)
        else:
            house.inventory.lost(WIDGET, scope, FORBIDDEN)
        assert house.taken() >= house.differing()
        house.plan_again()


def test_a_lost_namespace_leaves_those_of_others_asleep() -> None:
    house = House(scopes=("a", "b"))
    house.plan(subject(1), KeyRead(ref("x", "a"), VALUE, metadata=False))
    house.plan(subject(2), KeyRead(ref("x", "b"), VALUE, metadata=False))
    house.inventory.lost(WIDGET, "b", FORBIDDEN)
    assert house.taken() == {subject(2)}


def test_nobody_is_woken_for_what_he_read_once_and_reads_no_more() -> None:
    house = House()
    house.plan(subject(1), KeyRead(ref("x"), VALUE, metadata=False))
    house.plan(subject(1), KeyRead(ref("y"), VALUE, metadata=False))
    house.inventory.put(WIDGET, manifest("x", 1, value=1))
    assert house.taken() == set()


def test_a_forgotten_subject_leaves_nothing_behind() -> None:
    house = House(synced=False)
    house.plan(
        subject(1),
        KeyRead(ref("x"), VALUE, metadata=False),
        SelectRead(WIDGET, None, EVERYTHING, VALUE),
        IndexRead(BY_COLOUR, "red"),
    )
    house.reads.forget(subject(1))
    registry = house.reads
    assert [registry._keys, registry._selects, registry._indexes, registry._facts, registry._gaps_of] == [{}] * 5
    assert registry._of == {}


def test_a_fact_wakes_its_readers_unless_it_says_nothing_new() -> None:
    house = House()
    world = World(house.inventory, subject(1))
    world.derived(subject(9))
    house.plans[subject(1)] = ()
    house.reads.record(subject(1), world.reads, world.unknowns)
    house.inventory.state(("derived", subject(9)), Present(1), quiet=True)
    assert house.taken() == set()
    house.inventory.state(("derived", subject(9)), Present(2))
    assert house.taken() == {subject(1)}
    house.inventory.state(("derived", subject(9)), Present(2))
    assert house.taken() == set()
    house.inventory.state(("derived", subject(9)), ABSENT)
    assert house.taken() == {subject(1)}


def secret(version: int, **labels: str) -> dict[str, Any]:
    return manifest("s", version, labels=labels, value=version)


def test_a_foreign_secret_is_asked_for_by_name_and_its_arrival_wakes() -> None:
    house, name = House(), ref("s", resource=SECRET)
    house.inventory.put(SECRET, secret(1), Stream.METADATA)
    house.plan(subject(1), KeyRead(name, VALUE, metadata=False))
    assert house.reads.take_wanted() == [name]
    assert house.reads.take_wanted() == []
    house.inventory.fetched(name, Entry.of(secret(1)))
    assert house.taken() == {subject(1)}
    house.plan_again()
    assert house.reads.take_wanted() == []
    house.inventory.put(SECRET, secret(2), Stream.METADATA)
    assert house.taken() == {subject(1)}
    house.plan_again()
    assert house.reads.take_wanted() == [name]


def test_an_answer_that_the_watch_has_overtaken_is_asked_for_again() -> None:
    house, name = House(), ref("s", resource=SECRET)
    house.inventory.put(SECRET, secret(1), Stream.METADATA)
    house.plan(subject(1), KeyRead(name, VALUE, metadata=False))
    house.reads.take_wanted()
    house.inventory.put(SECRET, secret(2), Stream.METADATA)
    house.inventory.fetched(name, Entry.of(secret(1)))
    assert house.reads.take_wanted() == [name]
    house.inventory.fetched(name, Entry.of(secret(2)))
    house.plan_again()
    assert house.inventory.look_up(name) == Present(house.inventory._fetched[name])
    assert house.reads.take_wanted() == []


def test_metadata_of_a_foreign_secret_is_read_without_asking_for_the_secret() -> None:
    house = House()
    house.inventory.put(SECRET, secret(1), Stream.METADATA)
    house.plan(subject(1), KeyRead(ref("s", resource=SECRET), VALUE, metadata=True))
    assert house.reads.take_wanted() == []


def test_a_declaration_that_appears_makes_its_subject_known() -> None:
    house = House()
    house.inventory.put(WIDGET, manifest("x", 1))
    assert house.woken.subjects == {Subject("Widget", "a", "x")}


@pytest.mark.parametrize("kind", ["Widget", "Unheard"])
def test_an_object_that_a_subject_left_behind_makes_it_known_if_its_kind_is(kind: str) -> None:
    house = House()
    left = secret(1, **{MANAGED_BY: MANAGER})
    left["metadata"] |= {"annotations": {SUBJECT: f"{kind}/a/gone"}, "managedFields": [{"manager": MANAGER}]}
    house.inventory.put(SECRET, left)
    assert house.woken.subjects == ({Subject("Widget", "a", "gone")} if kind == "Widget" else set())


def test_a_changed_definition_is_told() -> None:
    house = House()
    house.inventory.put(CUSTOM_RESOURCE_DEFINITION, manifest("widgets.example.org", 1, namespace=""))
    assert house.redefined == ["widgets.example.org"]


def test_a_type_that_becomes_known_wakes_who_could_not_tell() -> None:
    house = House(synced=False)
    house.plan(subject(1), KeyRead(ref("x"), VALUE, metadata=False))
    house.plan(subject(2), KeyRead(ref("s", resource=SECRET), VALUE, metadata=False))
    house.inventory.listed(WIDGET, "", [], 1)
    assert house.taken() == {subject(1)}
