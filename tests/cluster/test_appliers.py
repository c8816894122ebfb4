"""Whoever applies a workload again and again, and whoever owns it: not fought, and nothing of theirs changed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.cluster.harness import USER, OperatorProcess
from tests.cluster.rolling import (
    QUICK,
    apply_and_settle,
    await_current,
    consumer,
    deployment_of,
    flow,
    is_rolled,
    renew,
    running_pods,
    schedule,
    short_lived,
    states,
)
from tests.cluster.second_client import Manifest, SecondClient
from tests.controlplane import ControlPlane, KubectlError, wait_until


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with running_pods() as made:
        made.apply([short_lived("2160h"), schedule(**QUICK)])
        yield made


@pytest.mark.parametrize("way", ["server-side with force", "client-side apply", "replace"])
def test_who_applies_the_same_manifest_each_second_is_not_fought(plane: ControlPlane, space: str, way: str) -> None:
    manifest = consumer(space, "app", "a-tls")
    # Longer than the pause between two replacements, or a restart might be through before it is undone.
    manifest["spec"]["minReadySeconds"] = 10 if way == "replace" else 0
    with OperatorProcess(plane) as operator:
        operator.wait_leading()
        plane.apply(flow(space, "a"))
        _applied(plane, way, manifest)
        wait_until(lambda: is_rolled(plane.get("deployment", "app", "-n", space)), 60, "app running")
        plane.apply(flow(space, "a", "app"))
        await_current(plane, space, "a")
        mark = plane.audit().mark()
        ends, renewed = time.monotonic() + 60, False
        while time.monotonic() < ends:
            _applied(plane, way, manifest)
            if not renewed and time.monotonic() > ends - 50:
                renew(plane, space, "a")
                renewed = True
            time.sleep(1)
        orders = [
            event
            for event in plane.audit().events(mark, user=USER)
            if (event.resource, event.verb, event.namespace) == ("deployments", "patch", space)
        ]
        assert len(orders) == 1, [event.time for event in orders]
        expected = {"Erased"} if way == "replace" else {"Current"}
        wait_until(lambda: set(states(plane, space, "a")) == expected, 60, f"the consumer being {expected}")


def _replaced(plane: ControlPlane, manifest: Manifest) -> None:
    """Replace it; whoever meets a change that came between tries again a second later."""
    try:
        plane.kubectl("replace", "-f", "-", input=json.dumps(manifest))
    except KubectlError as error:
        if "Conflict" not in str(error):
            raise


def _applied(plane: ControlPlane, way: str, manifest: Manifest) -> None:
    if way == "replace":
        if plane.kubectl("get", "deployment", "app", "-n", manifest["metadata"]["namespace"], "--ignore-not-found"):
            _replaced(plane, manifest)
        else:
            plane.kubectl("create", "-f", "-", input=json.dumps(manifest))
    elif way == "client-side apply":
        plane.kubectl("apply", "-f", "-", input=json.dumps(manifest))
    else:
        forced = ("--server-side", "--force-conflicts", "--field-manager=gitops")
        plane.kubectl("apply", *forced, "-f", "-", input=json.dumps(manifest))


def test_the_whole_of_a_deployment_but_our_annotations_is_its_owners(plane: ControlPlane, space: str) -> None:
    with OperatorProcess(plane) as operator, SecondClient(plane.admin_kubeconfig) as client:
        operator.wait_leading()
        plane.apply(flow(space, "a"))
        apply_and_settle(plane, consumer(space, "app", "a-tls"))
        before = client.get(deployment_of(space, "app"))["spec"]
        plane.apply(flow(space, "a", "app"))
        await_current(plane, space, "a")
        assert client.get(deployment_of(space, "app"))["spec"] == before, "a first sight writes nothing"
        renew(plane, space, "a")
        wait_until(lambda: client.get(deployment_of(space, "app"))["spec"] != before, 30, "the restart")
        after = client.get(deployment_of(space, "app"))["spec"]
        ours = after["template"]["metadata"].pop("annotations")
        assert after == before
        assert set(ours) == {"breakwater.dev/restarted-for", "breakwater.dev/restarted-at"}
