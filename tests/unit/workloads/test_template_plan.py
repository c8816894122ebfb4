"""How a workload stands to the fields that its template is to bear: by what stands there, and what was ordered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from breakwater.kernel.plan import PatchFields
from breakwater.kernel.references import CUSTOM_RESOURCE_DEFINITION, HARDENING_POLICY, Ref, Subject, definition_of
from breakwater.kernel.restrain import MODE_LABEL, SETTLED
from breakwater.workloads.asking import Asking, Template
from breakwater.workloads.marking import RESTARTS, ordered_fact, token_of
from breakwater.workloads.permission import State
from breakwater.workloads.restarts import plan as restarts
from breakwater.workloads.target import CONTENT, HALTED, PATIENCE
from breakwater.workloads.template import Fields
from breakwater.workloads.workload import SETTLE, TRACE, Standing, plan
from tests.unit.scenery import NOW
from tests.unit.workloads.rolling import APP, APP_REF, asking, defaults_record, deployment, mark, record, world
from tests.unit.worlds import MemoryWorld, namespace_manifest

POD = {"containers": [{"name": "app"}]}
USER: Fields = {("securityContext", "runAsUser"): 10001}
DROP: Fields = {("containers", "app", "securityContext", "capabilities", "drop"): ("ALL",)}
BOTH: Fields = {**USER, **DROP}
LATE = "2026-06-01T11:45:00Z"
"""Longer ago than a rollout may take, and not twice as long."""
LONG_AGO = "2026-06-01T11:00:00Z"


def wants(fields: Fields = BOTH, **change: Any) -> Asking:
    """A policy's word: these fields."""
    return asking(**{"template": Template(fields), **change})


def keeps() -> Asking:
    return asking(restart=False, template=Template({}, keeps=True))


def app(made: MemoryWorld | None = None, recorded: Fields | None = None, **shape: Any) -> dict[str, Any]:
    """The workload; `recorded` fields are those that the last restart was for."""
    restarted = defaults_record(made, recorded) if made is not None and recorded is not None else ""
    return deployment(**{"pod": POD, "restarted": restarted, **shape})


def house(*askings: Asking, recorded: Fields | None = None, **shape: Any) -> MemoryWorld:
    made = world(app(), *askings)
    made.put(app(made, recorded, **shape), by="user")
    return made


def standing(made: MemoryWorld) -> Standing:
    before = made.plan(APP, plan, NOW - SETTLE)
    made.state(("derived", APP), before.value)
    found = made.plan(APP, plan, NOW).value
    assert isinstance(found, Standing)
    return found


Case = tuple[MemoryWorld, State]
STATES: Mapping[str, Callable[[], Case]] = {
    "a missing field is a reason at first sight": lambda: (house(wants()), State.DUE),
    "one of two is missing": lambda: (house(wants(), placed=USER, recorded=USER), State.DUE),
    "it bears what it should, and was never restarted for it": lambda: (house(wants(), placed=BOTH), State.CURRENT),
    "it rolls": lambda: (house(wants(), placed=BOTH, recorded=BOTH, rolled=False), State.RESTARTING),
    "it has rolled": lambda: (house(wants(), placed=BOTH, recorded=BOTH), State.CURRENT),
    "it did not come back in time": lambda: (
        house(wants(), placed=BOTH, recorded=BOTH, rolled=False, at=LATE), State.FAILED,
    ),
    "a rollout that fails long after ours is not ours": lambda: (
        house(wants(), placed=BOTH, recorded=BOTH, rolled=False, stuck=True, at=LONG_AGO), State.CURRENT,
    ),
    "ours failed long ago, and was said to": lambda: (halted(at=LONG_AGO), State.HALTED),
    "the policy wants a field less": lambda: (house(wants(USER), placed=BOTH, recorded=BOTH), State.DUE),
    "nobody speaks for it any more": lambda: (house(placed=BOTH, recorded=BOTH), State.DUE),
    "nobody but a channel speaks any more": lambda: (house(asking(restart=False), placed=BOTH), State.DUE),
    "what stands is to be left": lambda: (house(keeps(), placed=BOTH, recorded=BOTH), State.CURRENT),
    "nothing stands, and that is to be left": lambda: (house(keeps()), State.CURRENT),
    "what was given back rolls, and counts": lambda: (house(recorded={}, rolled=False), State.RESTARTING),
    "the whole object was replaced": lambda: (erased(), State.ERASED),
    "it was replaced before this process began": lambda: (
        house(wants(ordered=token(BOTH))), State.ERASED,
    ),
    "a field was taken out and the record left": lambda: (house(wants(), placed=USER, recorded=BOTH), State.ERASED),
    "it was made anew under its name": lambda: (made_anew(), State.DUE),
    "it is asked for a container that is gone": lambda: (
        house(wants({("containers", "gone", "securityContext", "privileged"): False, **USER}), placed=USER),
        State.CURRENT,
    ),
    "scaled to nothing it is mended all the same": lambda: (house(wants(), replicas=0), State.DUE),
    "an outage needs a window": lambda: (house(wants(), replicas=1), State.WAITING),
    "where no pod is there is no outage": lambda: (house(wants(), replicas=1, pods=0), State.DUE),
    "paused it rolls nothing": lambda: (house(wants(), pods=0, paused=True), State.WAITING),
    "a schedule that cannot be read holds it": lambda: (house(wants(fault="mend it")), State.WAITING),
}  # fmt: skip


def token(fields: Fields) -> str:
    return token_of(defaults_record(house(), fields))


def halted(**shape: Any) -> MemoryWorld:
    note = {HALTED: token(BOTH)}
    return house(wants(), placed=BOTH, recorded=BOTH, rolled=False, annotations=note, **shape)


def erased() -> MemoryWorld:
    made = house(wants())
    made.state(ordered_fact(APP), token(BOTH))
    return made


def made_anew() -> MemoryWorld:
    made = erased()
    made.drop(APP_REF)
    made.put(app(), by="user")
    return made


@pytest.mark.parametrize("sentence", STATES)
def test_how_a_workload_stands(sentence: str) -> None:
    made, state = STATES[sentence]()
    found = standing(made)
    assert found.state is state, found.message


def test_whom_nobody_names_and_who_bears_nothing_stands_for_nothing() -> None:
    found = house().plan(APP, plan, NOW)
    assert (found.value, found.mentions) == (None, {})


def test_what_was_given_back_is_over_in_the_end() -> None:
    made = house(recorded={}, at=LONG_AGO)
    assert made.plan(APP, plan, NOW).value is None


def test_of_two_policies_the_first_by_name_wins_a_field_and_both_are_heard() -> None:
    made = house()
    other: Fields = {("securityContext", "runAsUser"): 7, ("securityContext", "fsGroup"): 7}
    askers = {Subject("HardeningPolicy", "", "b"): wants(other), Subject("HardeningPolicy", "", "a"): wants(BOTH)}
    made.state(("asked", APP), askers)
    assert standing(made).fields == {**BOTH, ("securityContext", "fsGroup"): 7}


def test_new_content_and_missing_fields_are_one_restart() -> None:
    made = world(deployment("tls", pod=POD), asking(secrets={"tls": mark(b"old")}), wants(), tls=b"new")
    found = standing(made)
    assert found.state is State.DUE
    assert found.message.startswith("new content of tls and defaults of the pod template: ")
    assert found.order == defaults_record(made, BOTH, tls=b"new")


def test_new_content_takes_along_the_fields_that_stand() -> None:
    made = world(deployment("tls", pod=POD, placed=BOTH), asking(secrets={"tls": mark(b"old")}), keeps(), tls=b"new")
    assert (standing(made).state, standing(made).fields) == (State.DUE, BOTH)


def test_a_restart_for_secrets_alone_records_nothing_else() -> None:
    made = world(deployment("tls", pod=POD), asking(secrets={"tls": mark(b"old")}), tls=b"new")
    assert standing(made).order == record(tls=b"new")


@pytest.mark.parametrize("gap", ["NotSynced", "Forbidden", "NotServed"])
def test_nothing_is_given_back_while_nobody_can_tell_who_wants_it(gap: str) -> None:
    made = house(placed=BOTH, recorded=BOTH)
    made.obscure(HARDENING_POLICY, gap)
    definition = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    made.put(definition | {"metadata": {"name": definition_of(HARDENING_POLICY).name}}, by="user")
    assert standing(made).state is State.CURRENT
    made.drop(Ref(CUSTOM_RESOURCE_DEFINITION, "", definition_of(HARDENING_POLICY).name))
    assert (standing(made).state is State.DUE) is (gap == "NotServed")


def test_an_observing_namespace_keeps_what_nobody_wants_any_more() -> None:
    made = house(placed=BOTH, recorded=BOTH)
    made.put(namespace_manifest("bpm", **{MODE_LABEL: "observe"}), by="user")
    assert standing(made).state is State.CURRENT


def test_who_takes_the_mark_of_a_failure_away_gets_another_try() -> None:
    made = halted(stuck=True)
    made.state(("derived", APP), standing(made))
    made.put(app(made, BOTH, placed=BOTH, rolled=False, stuck=True), by="user")
    found = made.plan(APP, plan, NOW).value
    assert (found.state, found.halted) == (State.WAITING, token(BOTH))
    made.state(("derived", APP), found)
    assert made.plan(APP, plan, NOW + SETTLE).value.state is State.DUE


def test_it_is_looked_at_again_when_a_failure_would_not_be_ours_any_more() -> None:
    made = house(wants(), placed=BOTH, recorded=BOTH)
    due = made.plan(APP, plan, NOW).due
    assert due is not None
    assert due <= NOW + 2 * PATIENCE
    assert made.plan(APP, plan, NOW + 2 * PATIENCE).due is None


@pytest.mark.parametrize(
    ("shape", "traced"),
    [({}, False), ({"placed": BOTH}, True), ({"recorded": {}}, True), ({"restarted": record(tls=b"x")}, False)],
)
def test_a_workload_is_found_again_by_the_fields_in_its_template(shape: dict[str, Any], traced: bool) -> None:
    found = TRACE.of(house(**shape).manifest(APP_REF))
    assert found == (APP if traced else None)


def _written(made: MemoryWorld) -> dict[str, Any]:
    found = standing(made)
    made.state(("derived-of", "Workload"), {APP: found})
    made.state(SETTLED, value=True)
    actions = made.plan(RESTARTS, restarts, NOW).actions
    (action,) = (each for each in actions if isinstance(each, PatchFields))
    return dict(action.manifest)


def test_annotation_and_fields_are_one_write() -> None:
    made = house(wants())
    template = _written(made)["spec"]["template"]
    assert template["metadata"]["annotations"][CONTENT] == defaults_record(made, BOTH)
    assert template["spec"] == {
        "securityContext": {"runAsUser": 10001},
        "containers": [{"name": "app", "securityContext": {"capabilities": {"drop": ["ALL"]}}}],
    }


def test_what_nobody_wants_any_more_is_given_back_with_the_restart() -> None:
    dropped = {"containers": [{"name": "app", "securityContext": {"capabilities": {"drop": None}}}]}
    assert _written(house(wants(USER), placed=BOTH))["spec"]["template"]["spec"] == dropped
    everything = {"securityContext": {"runAsUser": None}, **dropped}
    assert _written(house(placed=BOTH))["spec"]["template"]["spec"] == everything


def test_the_note_of_a_failure_touches_no_template() -> None:
    failing = house(wants(USER), placed=USER, recorded=USER, rolled=False, stuck=True)
    assert _written(failing) == {"metadata": {"annotations": {HALTED: token(USER)}}}


def test_nor_does_taking_that_note_back() -> None:
    back = house(wants(USER), placed=USER, recorded=USER, annotations={HALTED: token(USER)})
    assert _written(back) == {"metadata": {"annotations": {HALTED: None}}}
