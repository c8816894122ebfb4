"""What restarts go by is changed, deleted or made anew: nobody is restarted over that, twice, or not at all."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.cluster.harness import CRDS, NAMESPACE, OperatorProcess, conditions, is_ready
from tests.cluster.ledger import complaints, keys, namespace
from tests.cluster.rolling import (
    QUICK,
    annotations_of,
    apply_and_settle,
    await_current,
    consumer,
    consumers_of,
    flow,
    is_rolled,
    renamed,
    renew,
    restarts_ordered,
    running_pods,
    said,
    schedule,
    short_lived,
    states,
)
from tests.cluster.suite import generation
from tests.controlplane import ControlPlane, wait_until

SETTLED = 13.0
"""Seconds after which a restart that is needed has been ordered: ten of them it waits for more."""
DEFINITION = "rotationschedules.breakwater.dev"
MARKS = ("secret", "restart-marks", "-n", NAMESPACE)
OWN = {"rotationScheduleRef": {"name": "own"}}
SLOW = {"restarts": {"maxConcurrent": 1, "minReady": "30m"}}
"""With this a restart stays under way for as long as a test needs."""


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with running_pods() as made:
        made.apply([short_lived("2160h"), schedule(**QUICK)])
        yield made


@pytest.fixture(scope="module")
def operator(plane: ControlPlane) -> Iterator[OperatorProcess]:
    with OperatorProcess(plane, arguments=("--max-restarts=20",)) as running:
        running.wait_leading()
        yield running
        assert running.metric("breakwater_bugs_total") == 0
        assert running.metric("breakwater_plan_not_converging_total") == 0


def prepare(plane: ControlPlane, space: str, rules: dict[str, Any] | None = None) -> str:
    """A consumer that runs with what it should, by the default schedule or by one of its channel's own."""
    namespace(plane, space)
    plane.apply(
        [flow(space, "a", "app", **(OWN if rules else {})), *([schedule(space, "own", **rules)] if rules else [])]
    )
    apply_and_settle(plane, consumer(space, "app", "a-tls", replicas=2))
    await_current(plane, space, "a")
    return space


def restart(plane: ControlPlane, space: str) -> None:
    """New content, and the restart that follows from it ordered."""
    renew(plane, space, "a")
    wait_until(lambda: restarts_ordered(plane, space) == 1, 60, "the restart")


def closed() -> dict[str, Any]:
    """Rules whose only window is half a year away."""
    month = (datetime.now(UTC).month + 5) % 12 + 1
    return QUICK | {"windows": [{"cron": f"0 3 1 {month} *", "duration": "1h"}]}


def open_now() -> dict[str, Any]:
    return QUICK | {"windows": [{"cron": "* * * * *", "duration": "2m"}]}


def edit(plane: ControlPlane, *what: str, patch: object, kind: str = "json") -> None:
    plane.kubectl("patch", *what, f"--type={kind}", "-p", json.dumps(patch))


def content(plane: ControlPlane, space: str) -> str:
    """The mark of what the consumer's pods are known to run with."""
    return str((consumers_of(plane, space, "a")[0].get("content") or {}).get("a-tls", ""))


def ready(plane: ControlPlane, space: str) -> tuple[str, str, str]:
    found = conditions(plane.get("chan", "a", "-n", space)).get("Ready", {})
    return str(found.get("status")), str(found.get("reason")), str(found.get("message"))


def test_marks_that_are_lost_changed_or_unmarked_come_back_and_restart_nobody(
    plane: ControlPlane, operator: OperatorProcess
) -> None:
    space = prepare(plane, "marks")
    restart(plane, space)
    await_current(plane, space, "a")
    losses = {
        "deleted": lambda: plane.kubectl("delete", *MARKS),
        "changed": lambda: edit(plane, *MARKS, patch={"stringData": {"password": "k" * 64}}, kind="merge"),
        "emptied": lambda: edit(plane, *MARKS, patch={"stringData": {"password": ""}}, kind="merge"),
    }
    for name, lose in losses.items():
        before = content(plane, space)
        lose()
        wait_until(lambda known=before: content(plane, space) not in ("", known), 30, f"new marks after: {name}")
    for part, entry in (("labels", "app.kubernetes.io/managed-by"), ("annotations", "breakwater.dev/subject")):
        before = content(plane, space)
        edit(plane, *MARKS, patch={"metadata": {part: {entry: None}}}, kind="merge")
        wait_until(lambda at=part, of=entry: of in plane.get(*MARKS)["metadata"].get(at, {}), 30, f"the {part} again")
        assert content(plane, space) == before
    await_current(plane, space, "a")
    time.sleep(SETTLED)
    assert restarts_ordered(plane, space) == 1
    assert states(plane, space, "a") == ["Current"]


def test_our_annotations_taken_from_a_template_are_not_put_back(plane: ControlPlane, operator: OperatorProcess) -> None:
    space = prepare(plane, "taken")
    restart(plane, space)
    await_current(plane, space, "a")
    ours = dict.fromkeys(("breakwater.dev/restarted-for", "breakwater.dev/restarted-at"))
    patch = {"spec": {"template": {"metadata": {"annotations": ours}}}}
    edit(plane, "deployment", "app", "-n", space, patch=patch, kind="merge")
    time.sleep(SETTLED)
    deployment = plane.get("deployment", "app", "-n", space)
    assert is_rolled(deployment)
    assert not ours.keys() & annotations_of(deployment).keys()
    assert states(plane, space, "a") == ["Current"]
    assert restarts_ordered(plane, space) == 1


def test_a_restart_that_waits_for_its_window_outlives_its_schedule_and_the_definition_of_schedules(
    plane: ControlPlane, operator: OperatorProcess
) -> None:
    space = prepare(plane, "windowed", closed())
    renew(plane, space, "a")
    wait_until(lambda: "outside of its schedule's windows" in said(plane, space, "a"), 30, "the restart waiting")
    before = keys(plane)
    plane.kubectl("delete", "rotation", "own", "-n", space)
    wait_until(lambda: ready(plane, space)[:2] == ("False", "ScheduleNotFound"), 30, "its loss being told")
    assert "create it or name another" in ready(plane, space)[2]
    time.sleep(SETTLED)
    assert "RotationSchedule windowed/own does not exist" in said(plane, space, "a")
    plane.apply(schedule(space, "own", **closed()))
    wait_until(lambda: ready(plane, space)[0] == "True", 30, "its return")

    plane.kubectl("delete", "crd", DEFINITION, "--timeout=60s")
    wait_until(lambda: ready(plane, space)[:2] == ("False", "ScheduleNotFound"), 30, "the loss of the kind being told")
    time.sleep(SETTLED)
    assert states(plane, space, "a") == ["Waiting"]
    plane.apply(CRDS)
    plane.kubectl("wait", "--for=condition=Established", f"crd/{DEFINITION}", "--timeout=20s")
    plane.apply([schedule(**QUICK), schedule(space, "own", **closed())])
    wait_until(lambda: ready(plane, space)[0] == "True", 60, "the return of both")
    wait_until(lambda: is_ready(plane.get("rotation", "own", "-n", space)), 30, "the schedule being judged again")
    wait_until(lambda: "outside of its schedule's windows" in said(plane, space, "a"), 30, "the restart waiting again")
    assert restarts_ordered(plane, space) == 0
    assert keys(plane) == before

    plane.apply(schedule(space, "own", **open_now()))
    wait_until(lambda: restarts_ordered(plane, space) == 1, 60, "the restart in its window")
    await_current(plane, space, "a")


def again(plane: ControlPlane, space: str) -> None:
    """Delete the consumer and apply it anew."""
    plane.kubectl("delete", "deployment", "app", "-n", space)
    apply_and_settle(plane, consumer(space, "app", "a-tls", replicas=2))


def test_a_workload_made_anew_while_its_restart_waits_or_is_under_way_is_not_restarted_again(
    plane: ControlPlane, operator: OperatorProcess
) -> None:
    waiting, under_way = prepare(plane, "anew-waiting", closed()), prepare(plane, "anew-under-way", SLOW)
    renew(plane, waiting, "a")
    restart(plane, under_way)
    wait_until(lambda: states(plane, waiting, "a") == ["Waiting"], 30, "the one that waits")
    wait_until(lambda: states(plane, under_way, "a") == ["Restarting"], 30, "the one that is under way")
    for space in (waiting, under_way):
        again(plane, space)
        await_current(plane, space, "a")
    plane.apply([schedule(space, "own", **open_now()) for space in (waiting, under_way)])
    time.sleep(SETTLED)
    assert (restarts_ordered(plane, waiting), restarts_ordered(plane, under_way)) == (0, 1)
    assert states(plane, waiting, "a") == states(plane, under_way, "a") == ["Current"]


def test_a_channel_deleted_during_a_restart_leaves_nothing_hanging_and_comes_back_to_what_it_had(
    plane: ControlPlane, operator: OperatorProcess
) -> None:
    space = prepare(plane, "orphaned", SLOW)
    restart(plane, space)
    wait_until(lambda: states(plane, space, "a") == ["Restarting"], 30, "the restart being under way")
    before, complained = keys(plane), len(complaints(operator))
    plane.kubectl("delete", "chan", "a", "-n", space)
    released = "breakwater.dev/released"
    wait_until(
        lambda: released in plane.get("secret", "a-tls", "-n", space)["metadata"]["labels"], 30, "its Secret's release"
    )
    plane.apply([schedule(space, "own", **QUICK), flow(space, "a", "app", **OWN, **renamed(space, "a"))])
    await_current(plane, space, "a")
    time.sleep(SETTLED)
    assert restarts_ordered(plane, space) == 1
    assert keys(plane) == before
    assert complaints(operator)[complained:] == []


def test_a_secret_that_was_deleted_and_made_again_restarts_its_consumer_once(
    plane: ControlPlane, operator: OperatorProcess
) -> None:
    space = prepare(plane, "robbed")
    plane.kubectl("delete", "secret", "a-tls", "-n", space)
    wait_until(lambda: restarts_ordered(plane, space) == 1, 60, "the restart for its successor")
    await_current(plane, space, "a")
    assert generation(plane.get("secret", "a-tls", "-n", space)) == 2
    time.sleep(SETTLED)
    assert restarts_ordered(plane, space) == 1


def test_a_consumer_declared_together_with_a_change_is_restarted_for_that_change(
    plane: ControlPlane, operator: OperatorProcess
) -> None:
    space = namespace(plane, "together")
    plane.apply(flow(space, "a"))
    apply_and_settle(plane, consumer(space, "app", "a-tls", replicas=2))
    wait_until(lambda: states(plane, space, "a") == ["Current"], 30, "the stranger being found")
    plane.apply(flow(space, "a", "app", **renamed(space, "a")))
    wait_until(lambda: restarts_ordered(plane, space) == 1, 60, "the restart")
    await_current(plane, space, "a")
