"""How a workload stands to its Secrets: from what is known of its pods, never from a guess."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from breakwater.kernel.references import SECRET, Ref
from breakwater.workloads.marking import RESTARTS, ordered_fact, token_of
from breakwater.workloads.permission import State
from breakwater.workloads.target import APPROVE, HALTED
from breakwater.workloads.workload import LONGEST_SETTLE, SETTLE, Standing, plan
from tests.unit.scenery import NOW
from tests.unit.workloads.rolling import APP, APP_REF, OTHER_KEY, asking, deployment, mark, record, world
from tests.unit.worlds import MemoryWorld, encoded

NIGHTLY = {"windows": [{"cron": "0 2 * * *", "duration": "2h"}], "restarts": {"minReady": "0s"}}
NIGHT = datetime(2026, 6, 2, 2, 30, tzinfo=UTC)
OLD, NEW = {"tls": mark(b"old")}, record(tls=b"new")


def standing(made: MemoryWorld, now: datetime = NOW) -> Standing:
    """How it stands when nothing has changed for a while."""
    before = made.plan(APP, plan, now - SETTLE)
    assert before.actions == (), "a demand, never a write"
    made.state(("derived", APP), before.value)
    found = made.plan(APP, plan, now).value
    assert isinstance(found, Standing)
    return found


def knows(**change: Any) -> Any:
    """Whoever asks remembers that the pods run with the old content."""
    return asking(**{"secrets": OLD, **change})


def test_an_order_that_others_undid_at_once_was_given_all_the_same() -> None:
    made = world(deployment("tls"), knows(), tls=b"new")
    made.state(ordered_fact(APP), token_of(NEW))
    found = standing(made)
    assert (found.state, found.ordered) == (State.ERASED, token_of(NEW))


Case = tuple[Mapping[str, Any], tuple[Any, ...], State]

STATES: dict[str, Case] = {
    "nobody knows what it runs with: first sight restarts nothing": (
        deployment("tls"), (asking("tls"),), State.CURRENT,
    ),
    "it is remembered to run with what it should": (
        deployment("tls"), (asking("tls", secrets={"tls": mark(b"new")}),), State.CURRENT,
    ),
    "it is remembered to run with something else": (deployment("tls"), (knows(),), State.DUE),
    "the record on the template says something else": (
        deployment("tls", restarted=record(tls=b"old")), (asking("tls"),), State.DUE,
    ),
    "one of two remembers more": (
        deployment("tls"), (knows(), asking("tls", secrets={"tls": mark(b"new")})), State.CURRENT,
    ),
    "a restart was ordered and is under way": (
        deployment("tls", restarted=NEW, rolled=False), (knows(),), State.RESTARTING,
    ),
    "a restart was ordered and is through": (deployment("tls", restarted=NEW), (knows(),), State.CURRENT),
    "its controller has given up": (
        deployment("tls", restarted=NEW, rolled=False, stuck=True), (knows(),), State.FAILED,
    ),
    "a restart takes longer than it may": (
        deployment("tls", restarted=NEW, rolled=False, at="2026-06-01T11:00:00Z"), (knows(),), State.FAILED,
    ),
    "it was through once, and a pod of it is missing now": (
        deployment("tls", restarted=NEW, rolled=False, through=True, at="2026-06-01T11:00:00Z"),
        (knows(),),
        State.CURRENT,
    ),
    "it was said to have failed": (
        deployment("tls", restarted=NEW, rolled=False, stuck=True, annotations={HALTED: token_of(NEW)}),
        (knows(),),
        State.HALTED,
    ),
    "its failure was said, and somebody took that away": (
        deployment("tls", restarted=NEW, rolled=False, stuck=True), (knows(halted=token_of(NEW)),), State.DUE,
    ),
    "an earlier restart failed: new content is another try": (
        deployment("tls", restarted=record(tls=b"older"), annotations={HALTED: token_of(record(tls=b"older"))}),
        (knows(),),
        State.DUE,
    ),
    "the order was erased by somebody who replaces the object": (
        deployment("tls"), (knows(ordered=token_of(NEW)),), State.ERASED,
    ),
    "nobody asks for a restart": (deployment("tls"), (knows(restart=False),), State.CURRENT),
    "it runs no pods": (deployment("tls", replicas=0), (knows(),), State.CURRENT),
    "it is paused": (deployment("tls", paused=True), (knows(),), State.WAITING),
    "it is held": (deployment("tls"), (knows(rules={"restarts": {"maxConcurrent": 0}}),), State.WAITING),
    "its schedule is gone: what it said may have been stricter": (
        deployment("tls"), (knows(fault="RotationSchedule bpm/nightly does not exist; create it"),), State.WAITING,
    ),
    "the schedule of somebody who asks for no restart is gone": (
        deployment("tls"), (knows(), asking("tls", restart=False, fault="gone")), State.DUE,
    ),
    "one replica, and no windows": (deployment("tls", replicas=1), (knows(),), State.WAITING),
    "one replica that may be away": (
        deployment("tls", replicas=1), (knows(rules={"restarts": {"disruptive": "Allow"}}),), State.DUE,
    ),
    "one replica whose owner keeps it available": (
        deployment("tls", replicas=1, strategy={"rollingUpdate": {"maxUnavailable": 0}}), (knows(),), State.DUE,
    ),
    "Recreate, approved by its token": (
        deployment("tls", strategy={"type": "Recreate"}, annotations={APPROVE: token_of(NEW)}),
        (knows(rules={"restarts": {"disruptive": "Approve"}}),),
        State.DUE,
    ),
    "Recreate, approved for something else": (
        deployment("tls", strategy={"type": "Recreate"}, annotations={APPROVE: "true"}),
        (knows(rules={"restarts": {"disruptive": "Approve"}}),),
        State.WAITING,
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", STATES)
def test_how_a_workload_stands(sentence: str) -> None:
    workload, askings, state = STATES[sentence]
    assert standing(world(workload, *askings, tls=b"new")).state is state


def test_marks_of_another_key_are_nobodys_knowledge() -> None:
    made = world(deployment("tls", restarted=record(tls=b"old")), knows(), key=OTHER_KEY, tls=b"new")
    assert standing(made).state is State.CURRENT


def test_a_secret_that_is_new_to_the_template_is_no_reason_while_another_is() -> None:
    made = world(deployment("tls", "login"), knows(secrets={**OLD, "login": ""}), tls=b"old", login=b"x")
    assert standing(made).state is State.CURRENT
    assert standing(made).running == {"tls": mark(b"old"), "login": mark(b"x")}


MADE = "2026-06-01T00:00:00Z"
"""When the workloads of these worlds were made."""


@pytest.mark.parametrize(
    ("written", "state"),
    [
        pytest.param(["2026-05-31T23:59:59Z"], State.CURRENT, id="before: no pod can run with anything else"),
        pytest.param([MADE], State.DUE, id="in the same second: nobody can tell"),
        pytest.param(["2026-05-31T00:00:00Z", "2026-06-01T00:00:01Z"], State.DUE, id="once more afterwards"),
        pytest.param(["2026-05-31T00:00:00Z", "nonsense"], State.CURRENT, id="before, and somebody wrote nonsense"),
        pytest.param([], State.DUE, id="nobody knows when"),
    ],
)
@pytest.mark.parametrize("ordered", ["", token_of(NEW)], ids=["not ordered", "ordered"])
def test_a_workload_that_was_made_anew_is_not_restarted_for_what_it_began_with(
    written: list[str], ordered: str, state: State
) -> None:
    made = world(deployment("tls"), knows(ordered=ordered), tls=b"new")
    fields = [{"manager": "m", "operation": "Update", "time": time} for time in written]
    made.manifest(Ref(SECRET, "bpm", "tls"))["metadata"]["managedFields"] = fields
    expected = State.ERASED if ordered and state is State.DUE else state
    assert standing(made).state is expected


def test_a_secret_that_is_gone_for_a_moment_is_not_forgotten() -> None:
    made = world(deployment("tls"), knows(), tls=b"new")
    made.drop(Ref(SECRET, "bpm", "tls"))
    assert standing(made).running == OLD


def test_what_pods_run_with_is_the_old_content_until_the_restart_is_through() -> None:
    assert standing(world(deployment("tls", restarted=NEW, rolled=False), knows(), tls=b"new")).running == OLD
    through = standing(world(deployment("tls", restarted=NEW), knows(), tls=b"new"))
    assert through.running == {"tls": mark(b"new")}


def test_pods_must_have_been_ready_for_a_while() -> None:
    rules = {"restarts": {"minReady": "30s"}}
    made = world(deployment("tls", restarted=NEW), knows(rules=rules), tls=b"new")
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "bpm", "labels": {"app": "app"}}}
    made.put({**pod, "status": {"readySince": "2026-06-01T11:59:50Z"}}, by="kubelet")
    found = made.plan(APP, plan, NOW)
    assert found.value.state is State.RESTARTING
    assert found.due == NOW + timedelta(seconds=20)
    assert standing(made, NOW + timedelta(seconds=20)).state is State.CURRENT


def test_a_restart_waits_for_its_window_and_says_when() -> None:
    made = world(deployment("tls"), knows(rules=NIGHTLY), tls=b"new")
    found = made.plan(APP, plan, NOW)
    assert found.value.state is State.WAITING
    assert found.due == datetime(2026, 6, 2, 2, tzinfo=UTC)
    assert "2026-06-02T02:00:00Z" in found.value.message
    assert standing(made, NIGHT).state is State.DUE


def test_inside_a_window_an_outage_is_allowed_where_windows_are_for_that() -> None:
    made = world(deployment("tls", replicas=1), knows(rules=NIGHTLY), tls=b"new")
    assert standing(made, NIGHT).state is State.DUE


def test_of_two_schedules_both_windows_must_be_open() -> None:
    later = {"windows": [{"cron": "0 3 * * *", "duration": "2h"}]}
    made = world(deployment("tls"), knows(rules=NIGHTLY), knows(rules=later), tls=b"new")
    assert standing(made, NIGHT).state is State.WAITING
    assert standing(made, NIGHT + timedelta(hours=1)).state is State.DUE


@pytest.mark.parametrize(("allowed", "state"), [(0, State.WAITING), (1, State.DUE)])
def test_a_disruption_budget_is_respected(allowed: int, state: State) -> None:
    made = world(deployment("tls"), knows(), tls=b"new")
    budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "b", "namespace": "bpm"}}
    spec, status = {"selector": {"matchLabels": {"app": "app"}}}, {"disruptionsAllowed": allowed}
    made.put({**budget, "spec": spec, "status": status}, by="user")
    made.put(
        {
            **budget,
            "metadata": {"name": "other", "namespace": "bpm"},
            "spec": {"selector": {"matchLabels": {"a": "b"}}},
        },
        by="user",
    )
    assert standing(made).state is state


def test_an_approval_is_asked_for_with_the_very_command() -> None:
    made = world(deployment("tls", replicas=1), knows(), tls=b"new")
    command = f"kubectl annotate --overwrite -n bpm deployments/app {APPROVE}={token_of(NEW)}"
    assert command in standing(made).message


def test_a_secret_out_of_sight_leaves_the_last_word_standing() -> None:
    made = world(deployment("tls"), knows(), tls=b"new")
    made.obscure(Ref(SECRET, "bpm", "tls"))
    assert made.plan(APP, plan, NOW).value is None


def test_without_a_key_for_marks_there_is_no_demand_and_restarts_are_asked_for_one() -> None:
    made = world(deployment("tls"), knows(), tls=b"new")
    made.drop(Ref(SECRET, "breakwater-system", "restart-marks"))
    found = made.plan(APP, plan, NOW)
    assert (found.value, set(found.mentions)) == (None, {RESTARTS})


def test_whom_nobody_names_stands_for_nothing() -> None:
    made = world(deployment("tls"), tls=b"new")
    found = made.plan(APP, plan, NOW)
    assert (found.value, found.mentions) == (None, {})


def test_a_workload_that_is_gone_stands_for_nothing() -> None:
    made = world(deployment("tls"), knows(), tls=b"new")
    made.drop(APP_REF)
    assert made.plan(APP, plan, NOW).value is None


def test_no_content_and_no_plain_digest_of_it_is_published() -> None:
    made = world(deployment("tls"), knows(), tls=b"a password")
    said = repr(standing(made))
    assert "a password" not in said
    assert mark(b"a password", OTHER_KEY) != mark(b"a password")


def test_secrets_that_change_together_are_one_restart() -> None:
    made = world(deployment("tls", "login"), knows(secrets={**OLD, "login": mark(b"x")}), tls=b"new", login=b"x")
    first = made.plan(APP, plan, NOW)
    assert (first.value.state, first.due) == (State.WAITING, NOW + SETTLE)
    made.state(("derived", APP), first.value)
    made.edit(Ref(SECRET, "bpm", "login"), lambda manifest: manifest["data"].update(key=encoded(b"y")), by="breakwater")
    later = made.plan(APP, plan, NOW + SETTLE)
    assert (later.value.state, later.due) == (State.WAITING, NOW + 2 * SETTLE)
    made.state(("derived", APP), later.value)
    last = made.plan(APP, plan, NOW + 2 * SETTLE).value
    assert last.state is State.DUE
    assert set(last.order.split(",")) == {f"tls={mark(b'new')}", f"login={mark(b'y')}"}


def test_a_secret_that_changes_without_end_does_not_hold_a_restart_for_ever() -> None:
    made = world(deployment("tls"), knows(), tls=b"new")
    now = NOW
    for number in range(100):
        content = encoded(str(number).encode())
        made.edit(Ref(SECRET, "bpm", "tls"), lambda manifest, c=content: manifest["data"].update(key=c), by="tenant")
        found = made.plan(APP, plan, now).value
        if found.state is State.DUE:
            break
        made.state(("derived", APP), found)
        now += timedelta(seconds=5)
    assert now - NOW == LONGEST_SETTLE
