"""Which restarts are ordered at once: servers first, within every budget, none after a failure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from breakwater.kernel.ownership import MANAGED_BY, MANAGER, SUBJECT
from breakwater.kernel.plan import Action, Failure, PatchFields, Plan, RelabelSecret, Version, WriteSecret
from breakwater.kernel.reading import Entry
from breakwater.kernel.references import DEPLOYMENT, SECRET, Ref, Subject
from breakwater.kernel.restrain import SETTLED
from breakwater.kernel.settings import Settings
from breakwater.workloads.asking import Rules
from breakwater.workloads.marking import RESTARTS, ordered_fact, token_of
from breakwater.workloads.permission import State
from breakwater.workloads.restarts import TURN, plan
from breakwater.workloads.target import CONTENT, HALTED, RESTARTED_AT, TARGET
from breakwater.workloads.template import FIELD_MANAGER
from breakwater.workloads.workload import Standing, subject_of
from tests.unit.scenery import NOW
from tests.unit.workloads.rolling import deployment, marking_key
from tests.unit.worlds import MemoryWorld

ORDER = "tls=abc"
FREE = Rules(max_concurrent=9, stop_on_failure=True, schedules=frozenset({""}))


class House:
    """Workloads with what was published of them."""

    def __init__(self, **settings: Any) -> None:
        self.world = MemoryWorld(settings=Settings(**settings))
        self.world.put(marking_key(), by=MANAGER)
        self.standings: dict[Subject, Standing] = {}
        self.world.state(SETTLED, value=True)

    def add(self, name: str, state: State, *, namespace: str = "bpm", rules: Rules = FREE, **change: Any) -> None:
        shape = {key: change.pop(key) for key in ("restarted", "annotations", "replicas") if key in change}
        ref = self.world.put(deployment("tls", name=name, namespace=namespace, **shape), by="user")
        target = Entry.of(self.world.manifest(ref)).project(TARGET)
        standing = Standing(target, state, "new content of tls: waits", {}, ORDER, "", "", rules, server=False)
        self.standings[subject_of("Deployment", namespace, name)] = replace(standing, **change)

    def plan(self, now: datetime = NOW) -> Plan:
        self.world.state(("derived-of", "Workload"), dict(self.standings))
        return self.world.plan(RESTARTS, plan, now)

    def ordered(self, now: datetime = NOW) -> list[str]:
        return [action.target.name for action in self.plan(now).actions if isinstance(action, PatchFields)]


def test_a_restart_is_an_annotation_on_the_template_by_a_manager_of_its_own() -> None:
    house = House()
    house.add("app", State.DUE)
    (action,) = house.plan().actions
    assert isinstance(action, PatchFields)
    assert (action.manager, action.target) == (FIELD_MANAGER, Ref(DEPLOYMENT, "bpm", "app"))
    annotations = {CONTENT: ORDER, RESTARTED_AT: "2026-06-01T12:00:00Z"}
    assert action.manifest["spec"] == {"template": {"metadata": {"annotations": annotations}}}
    assert set(action.manifest) == {"spec"}
    live = house.world.manifest(action.target)["metadata"]
    assert action.decided_on == Version(live["uid"], live["resourceVersion"])


def test_an_order_that_was_undone_at_once_is_not_given_again_before_its_demand_is_planned() -> None:
    house = House()
    house.add("app", State.DUE)
    (order,) = house.plan().actions
    for key, value in order.leaves.items():
        house.world.state(key, value)
    assert house.ordered() == []


def test_another_try_of_the_same_content_is_ordered() -> None:
    house = House()
    house.add("app", State.DUE, restarted=ORDER)
    house.world.state(ordered_fact(subject_of("Deployment", "bpm", "app")), token_of(ORDER))
    assert house.ordered() == ["app"]


def test_the_mark_of_an_earlier_failure_goes_with_the_next_order() -> None:
    house = House()
    house.add("app", State.DUE, restarted="tls=older", annotations={HALTED: "older"})
    (action,) = house.plan().actions
    assert isinstance(action, PatchFields)
    assert action.manifest["metadata"] == {"annotations": {HALTED: None}}


@pytest.mark.parametrize(
    ("key", "state"), [(CONTENT, State.DUE), (RESTARTED_AT, State.DUE), (HALTED, State.FAILED), (HALTED, State.CURRENT)]
)
def test_an_annotation_that_somebody_else_holds_is_not_taken_from_him(key: str, state: State) -> None:
    house = House()
    house.add("app", state, restarted=ORDER, annotations={HALTED: "theirs"})
    workload = subject_of("Deployment", "bpm", "app")
    ref = Ref(DEPLOYMENT, "bpm", "app")
    house.world.edit(ref, lambda item: item.update(holders={key: "team"}), by="team")
    target = Entry.of(house.world.manifest(ref)).project(TARGET)
    house.standings[workload] = replace(house.standings[workload], target=target)
    assert house.ordered() == []
    told = (house.plan().value or {}).get(workload, "")
    assert (f'{key} is set by "team"; remove it there' in told) is (state is State.DUE)


def test_servers_go_before_clients() -> None:
    house = House(max_restarts=1)
    house.add("a-client", State.DUE)
    house.add("z-server", State.DUE, server=True)
    assert house.ordered() == ["z-server"]


ONE = replace(FREE, max_concurrent=1)
BUDGETS: dict[str, tuple[list[tuple[str, State, Mapping[str, Any]]], list[str]]] = {
    "as many as the cluster allows": (
        [(name, State.DUE, {"namespace": name}) for name in "abcde"], ["a", "b", "c"],
    ),
    "one of a namespace": ([("a", State.DUE, {"rules": ONE}), ("b", State.DUE, {"rules": ONE})], ["a"]),
    "the strictest schedule counts for the whole namespace": (
        [("a", State.DUE, {}), ("b", State.CURRENT, {"rules": ONE}), ("c", State.DUE, {})], ["a"],
    ),
    "another namespace has a budget of its own": (
        [("a", State.DUE, {"rules": ONE}), ("b", State.DUE, {"rules": ONE, "namespace": "bi"})], ["b", "a"],
    ),
    "what is under way counts": ([("a", State.RESTARTING, {"rules": ONE}), ("b", State.DUE, {})], []),
    "what waits for something else does not": ([("a", State.WAITING, {"rules": ONE}), ("b", State.DUE, {})], ["b"]),
    "a namespace leaves a place to the others": ([(name, State.DUE, {}) for name in "abc"], ["a", "b"]),
    "who never comes back leaves a place to the others": (
        [
            *((name, State.RESTARTING, {}) for name in "ab"),
            ("c", State.DUE, {}),
            ("d", State.DUE, {"namespace": "bi"}),
        ],
        ["d"],
    ),
    "a failure holds its schedule": ([("a", State.HALTED, {"rules": FREE}), ("b", State.DUE, {})], []),
    "a failure holds nobody in another namespace": (
        [("a", State.HALTED, {"rules": FREE}), ("b", State.DUE, {"namespace": "bi"})], ["b"],
    ),
    "a failure holds no other schedule": (
        [
            ("a", State.HALTED, {"rules": replace(FREE, schedules=frozenset({"bpm/nightly"}))}),
            ("b", State.DUE, {}),
        ],
        ["b"],
    ),
    "a failure holds nothing where the schedule says so": (
        [("a", State.HALTED, {"rules": replace(FREE, stop_on_failure=False)}), ("b", State.DUE, {})], ["b"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", BUDGETS)
def test_how_many_are_ordered_at_once(sentence: str) -> None:
    workloads, names = BUDGETS[sentence]
    house = House(max_restarts=3)
    for name, state, change in workloads:
        house.add(name, state, **change)
    assert house.ordered() == names


def test_who_waits_is_told_for_what() -> None:
    house = House(max_restarts=1)
    for name in ("a", "b"):
        house.add(name, State.DUE)
    assert "--max-restarts" in house.plan().value[subject_of("Deployment", "bpm", "b")]
    house.add("c", State.HALTED)
    assert "Deployment bpm/c" in house.plan().value[subject_of("Deployment", "bpm", "a")]


def test_nothing_is_ordered_twice_though_its_demand_is_not_planned_again_yet() -> None:
    house = House(max_restarts=1)
    house.add("a", State.DUE)
    house.add("b", State.DUE)
    house.world.put(deployment("tls", name="a", restarted=ORDER), by=FIELD_MANAGER)
    assert house.ordered() == []


def test_nothing_is_ordered_before_every_demand_is_known() -> None:
    house = House()
    house.add("a", State.DUE)
    del house.world._facts[SETTLED]
    assert house.ordered() == []


def test_a_restart_that_did_not_come_back_is_marked_and_its_record_stays() -> None:
    house = House()
    house.add("a", State.FAILED, restarted=ORDER)
    (action,) = house.plan().actions
    assert isinstance(action, PatchFields)
    assert action.manifest == {"metadata": {"annotations": {HALTED: token_of(ORDER)}}}


def test_the_mark_goes_when_it_came_back_after_all() -> None:
    house = House()
    house.add("a", State.CURRENT, restarted=ORDER, annotations={HALTED: token_of(ORDER)})
    (action,) = house.plan().actions
    assert isinstance(action, PatchFields)
    assert action.manifest == {"metadata": {"annotations": {HALTED: None}}}


KEY = Ref(SECRET, "breakwater-system", "restart-marks")


def test_the_key_for_marks_is_made_once() -> None:
    house = House()
    assert house.plan().actions == ()
    house.world.drop(KEY)
    (action,) = house.plan().actions
    assert isinstance(action, WriteSecret)
    assert (action.target, action.replaces) == (KEY, None)


def test_somebody_elses_secret_is_not_taken_for_the_key_and_that_is_told() -> None:
    house = House()
    house.world.drop(KEY)
    metadata = {"name": KEY.name, "namespace": KEY.namespace}
    house.world.put({"apiVersion": "v1", "kind": "Secret", "metadata": metadata}, by="user")
    plan = house.plan()
    assert plan.actions == ()
    told = plan.value[RESTARTS]
    assert "Secret breakwater-system/restart-marks" in told
    assert "rename or delete it" in told


def _edit(part: str, name: str) -> Callable[[dict[str, Any]], None]:
    """Takes one entry of a part of a Secret away."""

    def edit(manifest: dict[str, Any]) -> None:
        holder = manifest if part == "data" else manifest["metadata"]
        del holder[part][name]

    return edit


@pytest.mark.parametrize(
    ("part", "name", "kind"),
    [
        pytest.param("data", "password", WriteSecret, id="without a key another one is made"),
        pytest.param("labels", MANAGED_BY, RelabelSecret, id="without its label it is marked again"),
        pytest.param("annotations", SUBJECT, RelabelSecret, id="without its subject it is marked again"),
    ],
)
def test_a_key_for_marks_that_drifted_is_repaired(part: str, name: str, kind: type[Action]) -> None:
    house = House()
    before = house.world.data(KEY)
    house.world.edit(KEY, _edit(part, name), by="kubectl")
    (action,) = house.plan().actions
    assert isinstance(action, kind)
    house.world.act(action, NOW)
    assert house.plan().actions == ()
    assert (house.world.data(KEY)["password"] == before["password"]) is (kind is RelabelSecret)


REFUSED = Failure("Forbidden", "Deployment bpm/a: the operator may not write this: cannot patch; allow it")
UNCERTAIN = Failure("Unreachable", "Deployment bpm/a: the API server did not answer; trying again")
PASSING = Failure("Conflict", "Deployment bpm/a: it changed meanwhile; planning again")


@pytest.mark.parametrize(
    ("failure", "names"),
    [
        pytest.param(REFUSED, ["b"], id="a refused one takes nobody's place"),
        pytest.param(UNCERTAIN, ["a"], id="one that may have been ordered all the same keeps its place"),
    ],
)
def test_a_restart_that_failed_to_be_ordered_is_tried_again(failure: Failure, names: list[str]) -> None:
    house = House(max_restarts=1)
    for name in "ab":
        house.add(name, State.DUE)
    house.world.fail(RESTARTS, f"restart:{subject_of('Deployment', 'bpm', 'a')}", failure)
    assert house.ordered() == names


def test_those_who_are_refused_take_turns() -> None:
    house = House(max_restarts=1)
    for name in "abc":
        house.add(name, State.DUE)
        house.world.fail(RESTARTS, f"restart:{subject_of('Deployment', 'bpm', name)}", REFUSED)
    turns = [house.ordered(NOW + number * timedelta(seconds=TURN)) for number in range(3)]
    assert sorted(turns) == [["a"], ["b"], ["c"]]
    told = house.plan().value
    assert {told[subject_of("Deployment", "bpm", name)] for name in "abc"} == {REFUSED.message}


@pytest.mark.parametrize(("failure", "told"), [(REFUSED, True), (UNCERTAIN, True), (PASSING, False)])
def test_why_a_restart_could_not_be_ordered_is_told(failure: Failure, told: bool) -> None:
    house = House()
    house.add("a", State.DUE)
    workload = subject_of("Deployment", "bpm", "a")
    house.world.fail(RESTARTS, f"restart:{workload}", failure)
    plan = house.plan()
    assert [action.id for action in plan.actions] == [f"restart:{workload}"]
    assert (plan.value or {}).get(workload) == (failure.message if told else None)
