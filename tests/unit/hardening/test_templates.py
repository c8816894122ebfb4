"""Where the API server sets no defaults: what is said to workloads, and what the policy says of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from breakwater.hardening.admission import Phase
from breakwater.hardening.defaults import missing
from breakwater.hardening.kind import PodDefaults
from breakwater.hardening.plan import plan
from breakwater.hardening.templates import BEARING, TEMPLATES, fields_of
from breakwater.kernel.plan import Plan
from breakwater.kernel.reading import Entry
from breakwater.kernel.references import (
    DEPLOYMENT,
    MUTATING_BINDING,
    MUTATING_POLICY,
    VALIDATING_BINDING,
    VALIDATING_POLICY,
    Ref,
    Subject,
)
from breakwater.kernel.restrain import MODE_LABEL
from breakwater.kernel.settings import Mode, Settings
from breakwater.kernel.world import World
from breakwater.workloads.asking import Asking, Rules, Template
from breakwater.workloads.marking import RESTARTS
from breakwater.workloads.permission import State
from breakwater.workloads.target import TARGET
from breakwater.workloads.template import Fields
from breakwater.workloads.workload import Standing, subject_of
from tests.unit.hardening.scene import (
    DEFAULTS,
    NOW,
    POLICY_REF,
    SUBJECT,
    act,
    answer,
    planned,
    pod,
    policy,
    standing,
    world,
)
from tests.unit.workloads.rolling import deployment
from tests.unit.worlds import MemoryWorld, condition, message, namespace_manifest

ALL = PodDefaults.read(DEFAULTS)
APP = subject_of("Deployment", "bpm", "app")
CONTAINER = ("containers", "app", "securityContext")
WANTED: Fields = {
    ("securityContext", "runAsUser"): 10001,
    ("securityContext", "fsGroup"): 10001,
    ("securityContext", "runAsNonRoot"): True,
    ("securityContext", "seccompProfile", "type"): "RuntimeDefault",
    (*CONTAINER, "allowPrivilegeEscalation"): False,
    (*CONTAINER, "capabilities", "drop"): ("ALL",),
}
USER: Fields = {("securityContext", "runAsUser"): 10001}
CONFORMING = {
    "securityContext": {
        "runAsUser": 7, "fsGroup": 7, "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"},
    },
    "containers": [
        {"name": "app", "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}
    ],
}  # fmt: skip


def workload(name: str = "app", namespace: str = "bpm", **shape: Any) -> dict[str, Any]:
    return deployment(**{"name": name, "namespace": namespace, "pod": {"containers": [{"name": "app"}]}, **shape})


def house(
    *workloads: dict[str, Any], declared: dict[str, Any] | None = None, also: tuple[Any, ...] = ()
) -> MemoryWorld:
    """A server that serves no mutating policies, nor any of `also`."""
    made = world(*workloads, declared=declared)
    for resource in (MUTATING_POLICY, MUTATING_BINDING, *also):
        made.obscure(resource, "NotServed")
    return made


def stands(made: MemoryWorld, state: State = State.CURRENT, said: str = "", name: str = "app", **change: Any) -> None:
    """Publish how a workload stands, as its own plan does."""
    target = Entry.of(made.manifest(Ref(DEPLOYMENT, "bpm", name))).project(TARGET)
    found = Standing(target, state, said, {}, "", change.get("ordered", ""), "", Rules(), server=False)
    reading = made.fact(("derived-of", "Workload"))
    known = getattr(reading, "value", {})
    made.state(("derived-of", "Workload"), {**known, subject_of("Deployment", "bpm", name): found})


def bound(*workloads: dict[str, Any]) -> MemoryWorld:
    """A house in which the validating half is in force."""
    made = house(*workloads)
    act(made)
    answer(made, Phase.TRIAL, mutates=False)
    act(made)
    act(made)
    answer(made, Phase.LOADED, mutates=False)
    act(made)
    return made


def said(plan: Plan, subject: Subject = APP) -> Template | None:
    """What a policy says of a workload's template."""
    asking = plan.mentions.get(subject)
    assert asking is None or isinstance(asking, Asking)
    return asking.template if asking else None


ROWS: Mapping[str, tuple[dict[str, Any], dict[str, Any] | None]] = {
    "nothing is declared": ({}, None),
    "a user": ({"securityContext": {"runAsUser": 7}}, None),
    "root": ({"securityContext": {"runAsUser": 0}}, None),
    "root in a container": ({}, {"runAsUser": 0}),
    "a user in a container": ({}, {"runAsUser": 7}),
    "root is wanted": ({"securityContext": {"runAsNonRoot": False}}, None),
    "a group": ({"securityContext": {"fsGroup": 0}}, None),
    "another seccomp profile": ({"securityContext": {"seccompProfile": {"type": "Unconfined"}}}, None),
    "escalation": ({}, {"allowPrivilegeEscalation": True}),
    "privileged": ({}, {"privileged": True}),
    "an administrator": ({}, {"capabilities": {"add": ["SYS_ADMIN"]}}),
    "some are dropped": ({}, {"capabilities": {"drop": ["NET_RAW"]}}),
    "init containers": ({"initContainers": [{"name": "first"}, {"name": "second"}]}, None),
    "Windows": ({"os": {"name": "windows"}}, None),
}


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("defaults", [ALL, PodDefaults.read({"runAsNonRoot": True}), PodDefaults()])
def test_a_template_lacks_exactly_what_its_pod_would_lack(row: str, defaults: PodDefaults) -> None:
    spec, context = ROWS[row]
    found = pod(context=context, **spec)
    lists = ("containers", "initContainers")
    expected = {
        tuple(
            found["spec"][item.path[0]][step]["name"] if isinstance(step, int) else step for step in item.path
        ): item.value
        for item in missing(found, defaults)
    }
    assert dict(fields_of(orjson.dumps({"spec": found["spec"]}), defaults)) == expected
    assert all(path[0] in (*lists, "securityContext") for path in expected)


def test_a_workload_is_told_what_its_template_leaves_open() -> None:
    plan = planned(house(workload()))
    assert said(plan) == Template(WANTED)
    assert plan.mentions[APP].restart


def test_what_stands_by_our_hand_is_wanted_as_before() -> None:
    assert said(planned(house(workload(placed=WANTED)))) == Template(WANTED)


def test_who_conforms_and_who_is_not_meant_is_told_nothing() -> None:
    other = namespace_manifest("other", suite="bi")
    made = house(workload(pod=CONFORMING), workload("b", "other"), workload("c", "kube-system"), other)
    assert planned(made).mentions == {}


def test_pods_are_selected_by_the_labels_in_the_template() -> None:
    declared = policy(objectSelector={"matchLabels": {"app": "b"}})
    plan = planned(house(workload("a"), workload("b"), declared=declared))
    assert set(plan.mentions) == {subject_of("Deployment", "bpm", "b")}


def _observing(made: MemoryWorld) -> None:
    made.put(namespace_manifest("bpm", suite="bpm", **{MODE_LABEL: "observe"}), by="somebody")


def _operator_observes(made: MemoryWorld) -> None:
    made.settings = Settings(mode=Mode.OBSERVE)


@pytest.mark.parametrize(
    ("declared", "change"),
    [
        pytest.param(policy(mode="Observe"), None, id="the policy observes"),
        pytest.param(policy(suspend=True), None, id="the policy is suspended"),
        pytest.param(policy(), _observing, id="the namespace observes"),
        pytest.param(policy(), _operator_observes, id="the operator observes"),
        pytest.param(policy(profile={"level": "Nonsense"}), None, id="the policy cannot be read"),
    ],
)
def test_where_nothing_is_enforced_nothing_is_set_and_what_stands_stays(declared: dict[str, Any], change: Any) -> None:
    made = house(workload("a"), workload("b", placed=USER), declared=declared)
    if change:
        change(made)
    plan = planned(made)
    assert set(plan.mentions) == {subject_of("Deployment", "bpm", "b")}
    assert said(plan, subject_of("Deployment", "bpm", "b")) == Template({}, keeps=True)


def test_a_deleted_policy_says_nothing() -> None:
    made = house(workload(placed=WANTED))
    made.drop(POLICY_REF)
    assert planned(made).mentions == {}


def test_where_the_api_server_sets_them_templates_keep_what_is_still_wanted() -> None:
    """An upgrade of Kubernetes restarts nothing."""
    made = world(workload("a"), workload("b", placed={**USER, ("securityContext", "fsGroup"): 7}))
    plan = planned(made)
    assert set(plan.mentions) == {subject_of("Deployment", "bpm", "b")}
    assert said(plan, subject_of("Deployment", "bpm", "b")) == Template(USER)
    assert "templates" not in (plan.status or {})


def test_a_moment_of_not_being_served_rolls_nothing_where_it_was_in_force() -> None:
    made = world(workload())
    act(made)
    assert "Mutating" in " ".join(standing(made))
    made._unknown[Ref(MUTATING_POLICY, "", "suite")] = house()._unknown[MUTATING_POLICY]
    assert planned(made).mentions == {}


def test_only_the_half_that_refuses_is_made_and_it_is_another_pair() -> None:
    made = bound(workload())
    made.state(("derived-of", "Workload"), {})
    kinds = {ref.resource for resource in (VALIDATING_POLICY, VALIDATING_BINDING) for ref in made.refs(resource)}
    assert kinds == {VALIDATING_POLICY, VALIDATING_BINDING}
    assert made.refs(MUTATING_POLICY) == []
    (alone,) = made.refs(VALIDATING_POLICY)
    whole = world(workload())
    act(whole)
    assert alone not in whole.refs(VALIDATING_POLICY), "what sets would be bound without a trial after an upgrade"


WAITS = "defaults of the pod template: outside of its schedule's windows"
PROGRESS = [
    (State.CURRENT, WANTED, "True", "TemplatesPatched", "2 of 2 pod templates bear spec.podDefaults"),
    (State.WAITING, None, "False", "RestartWaiting", f"first Deployment/app in bpm: {WAITS}"),
    (State.DUE, None, "False", "RestartWaiting", "1 of 2"),
    (State.RESTARTING, WANTED, "False", "Restarting", "1 of 2"),
    (State.HALTED, WANTED, "False", "RestartHalted", "1 of 2"),
    (State.ERASED, None, "False", "RestartErased", "1 of 2"),
]


@pytest.mark.parametrize(("state", "placed", "status", "reason", "words"), PROGRESS)
def test_the_condition_says_how_far_the_templates_are(
    state: State, placed: Fields | None, status: str, reason: str, words: str
) -> None:
    made = bound(workload(placed=placed), workload("b", pod=CONFORMING))
    stands(made, state, WAITS, ordered="token")
    plan = planned(made)
    assert condition(plan, "Enforced") == condition(plan, "Ready") == (status, reason)
    assert words in message(plan, "Enforced")
    bearing = 2 if status == "True" else 1
    assert (plan.status or {})["templates"] == {"meant": 2, "bearing": bearing}
    waiting = (plan.status or {}).get("waiting", [])
    assert [item["state"] for item in waiting] == ([] if status == "True" else [state.value])
    assert [item.get("ordered") for item in waiting if state is State.ERASED] == ["token"] * (state is State.ERASED)


def test_it_says_whose_pods_are_left_out() -> None:
    made = bound(workload(placed=WANTED))
    stands(made)
    assert "pods of their own and those of Jobs and CronJobs get none" in message(planned(made), "Enforced")


def test_why_a_turn_has_not_come_is_told() -> None:
    made = bound(workload())
    stands(made, State.DUE, "waits for its turn")
    made.state(("derived", RESTARTS), {APP: "3 at once in the cluster (--max-restarts)"})
    assert "waits for its turn (3 at once in the cluster (--max-restarts))" in message(planned(made), "Enforced")


def test_before_a_workload_was_planned_nothing_is_said_of_it() -> None:
    made = bound(workload(placed=WANTED))
    made.state(("derived", RESTARTS), {})
    seen = World(made, SUBJECT)
    assert condition(plan(SUBJECT, seen, NOW), "Enforced") == ("False", "RestartWaiting")
    assert {why.reason for why in seen.unknowns.values()} >= {"NotPlanned"}, "status is written when it is known"


def test_whose_restart_was_undone_is_remembered_in_status() -> None:
    made = bound(workload())
    stands(made, State.ERASED, "erased", ordered="token")
    act(made)
    made.state(("derived-of", "Workload"), {})
    assert planned(made).mentions[APP].ordered == "token"


def test_where_nothing_can_be_refused_templates_are_patched_all_the_same_and_it_is_said() -> None:
    made = house(workload(placed=WANTED), also=(VALIDATING_POLICY, VALIDATING_BINDING))
    stands(made)
    plan = planned(made)
    assert plan.actions == ()
    assert said(plan) == Template(WANTED)
    assert condition(plan, "Enforced") == condition(plan, "Ready") == ("False", "NotServed")
    told = message(plan, "Enforced")
    assert told.startswith("1 of 1 pod templates bear spec.podDefaults, but violating pods are not refused: ")
    assert "upgrade: Kubernetes 1.30" in told


def test_a_policy_without_defaults_needs_no_templates() -> None:
    made = house(workload(), declared=policy(podDefaults={}))
    plan = planned(made)
    assert plan.mentions == {}
    assert "templates" not in (plan.status or {})


def test_a_workload_that_bears_ours_is_found_wherever_it_is() -> None:
    made = house(workload(), workload("b", "other", placed=USER))
    (found,) = getattr(made.indexed(TEMPLATES, BEARING), "value", {})
    assert found == Ref(DEPLOYMENT, "other", "b")
