"""Whoever uses a Secret is restarted once when its content has changed: as gently as declared, never twice."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.cluster.harness import OperatorProcess
from tests.cluster.rolling import (
    QUICK,
    another_replica,
    apply_and_settle,
    await_current,
    consumer,
    consumers_of,
    flow,
    renamed,
    renew,
    running_pods,
    schedule,
    short_lived,
    states,
    watching,
)
from tests.controlplane import ControlPlane, wait_until


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with running_pods() as made:
        made.apply([short_lived("2160h"), schedule(**QUICK)])
        yield made


def test_adopting_a_running_deployment_restarts_nothing_and_new_content_restarts_it_once(
    plane: ControlPlane, space: str
) -> None:
    with OperatorProcess(plane) as operator:
        operator.wait_leading()
        plane.apply([flow(space, "a"), flow(space, "b")])
        apply_and_settle(plane, consumer(space, "app", "a-tls", "b-tls"))
        with watching(plane.admin_kubeconfig, space) as seen:
            plane.apply([flow(space, "a", "app"), flow(space, "b", "app")])
            await_current(plane, space, "a", "b")
            time.sleep(5)
            assert seen.restarts == {"app": 0}
            renew(plane, space, "a")
            renew(plane, space, "b")
            wait_until(lambda: seen.restarts["app"] == 1, 30, "the restart")
            await_current(plane, space, "a", "b")
            time.sleep(5)
        assert seen.restarts == {"app": 1}
        assert seen.unavailable == []


def test_thirty_secrets_at_once_are_five_restarts_within_the_budget_though_the_leader_dies(
    plane: ControlPlane, space: str
) -> None:
    names = {f"app-{number}": [f"c{number}-{each}" for each in range(6)] for number in range(5)}
    channels = [channel for each in names.values() for channel in each]
    first, second = another_replica(plane, "first"), another_replica(plane, "second")
    with first, second:
        first.wait_leading()
        plane.apply([flow(space, name) for name in channels])
        apply_and_settle(plane, *(consumer(space, app, *(f"{c}-tls" for c in used)) for app, used in names.items()))
        plane.apply([flow(space, channel, app) for app, used in names.items() for channel in used])
        await_current(plane, space, *channels)
        with watching(plane.admin_kubeconfig, space) as seen:
            plane.apply([flow(space, c, app, **renamed(space, c)) for app, used in names.items() for c in used])
            wait_until(lambda: sum(seen.restarts.values()) >= 2, 60, "the first restarts")
            first.kill()
            wait_until(lambda: sum(seen.restarts.values()) >= 5, 90, "the other restarts")
            await_current(plane, space, *channels)
            time.sleep(3)
        assert seen.restarts == dict.fromkeys(names, 1)
        assert seen.most <= 2
        assert seen.unavailable == []


def test_a_rollout_that_does_not_come_back_stops_the_others_and_says_so(plane: ControlPlane, space: str) -> None:
    one = {"restarts": {"maxConcurrent": 1, "minReady": "0s"}}
    unschedulable = {"progressDeadlineSeconds": 5}
    with OperatorProcess(plane) as operator:
        operator.wait_leading()
        plane.apply([schedule(space, "careful", **one), *(flow(space, name) for name in ("a", "b"))])
        apply_and_settle(plane, consumer(space, "a-app", "a-tls", **unschedulable), consumer(space, "b-app", "b-tls"))
        reference = {"rotationScheduleRef": {"name": "careful"}}
        plane.apply([flow(space, "a", "a-app", **reference), flow(space, "b", "b-app", **reference)])
        await_current(plane, space, "a", "b")
        # No pod fits any more: what rolls from now on does not come back.
        plane.kubectl("cordon", "node-1")
        try:
            renew(plane, space, "a")
            wait_until(lambda: states(plane, space, "a") == ["Halted"], 60, "the failure being said")
            renew(plane, space, "b")
            wait_until(lambda: "did not come back" in _message(plane, space, "b"), 30, "the other being held")
            assert states(plane, space, "b") == ["Due"]
            assert "restart-halted-" in _message(plane, space, "a")
            annotations = plane.get("deployment", "a-app", "-n", space)["metadata"]["annotations"]
            assert annotations["breakwater.dev/restart-halted"]
        finally:
            plane.kubectl("uncordon", "node-1")
        await_current(plane, space, "a", "b")
        metadata = plane.get("deployment", "a-app", "-n", space)["metadata"]
        assert "breakwater.dev/restart-halted" not in metadata.get("annotations", {})


def _message(plane: ControlPlane, space: str, name: str) -> str:
    return " ".join(str(item.get("message", "")) for item in consumers_of(plane, space, name))
