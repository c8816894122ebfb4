"""Before Kubernetes 1.36 no API server sets defaults on pods: they come with a restart into the pod templates."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.cluster.hardening_scene import (
    DEFAULTS,
    HARDENED_CONTAINER,
    HARDENED_POD,
    ROOT,
    Manifest,
    await_reason,
    await_refusal,
    container,
    enforced,
    made,
    pod,
    pods_of,
    policy,
    settle,
    status,
    tried,
    workload,
)
from tests.cluster.harness import USER, OperatorProcess
from tests.cluster.ledger import complaints, namespace, still, writes
from tests.cluster.rolling import (
    QUICK,
    another_replica,
    apply_and_settle,
    deployment_of,
    is_rolled,
    restarts_ordered,
    running_pods,
    schedule,
    watching,
)
from tests.cluster.second_client import SecondClient
from tests.controlplane import ControlPlane, wait_until

BEFORE_SETTING = "1.35"
OURS = "breakwater.dev/"
REPLACED_SECONDS = 20
QUIET_SECONDS = 10
CONFORMING = {"securityContext": HARDENED_POD, "containers": [container(HARDENED_CONTAINER)]}


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with running_pods(emulated_version=BEFORE_SETTING) as own:
        own.apply(schedule(**QUICK))
        yield own


def running(plane: ControlPlane) -> OperatorProcess:
    return OperatorProcess(plane, lease_duration=4)


def conforming(place: str, name: str) -> Manifest:
    made = workload(place, name)
    made["spec"]["template"]["spec"] = CONFORMING
    return made


def template_of(plane: ControlPlane, place: str, name: str = "app") -> Mapping[str, Any]:
    """As its owner wrote it: without the annotations of restarts."""
    template = plane.get("deployment", name, "-n", place)["spec"]["template"]
    annotations = template["metadata"].get("annotations", {})
    kept = {key: value for key, value in annotations.items() if not key.startswith(OURS)}
    bare = {key: value for key, value in template["metadata"].items() if key != "annotations"}
    return {**template, "metadata": bare | ({"annotations": kept} if kept else {})}


def contexts(item: Mapping[str, Any]) -> tuple[Any, Any]:
    """Of a pod or a template: its own and its first container's."""
    return item["spec"].get("securityContext"), item["spec"]["containers"][0].get("securityContext")


def stateful(kind: str, place: str, name: str) -> Manifest:
    """A StatefulSet or a DaemonSet with the same template."""
    item = workload(place, name)
    spec = {key: value for key, value in item["spec"].items() if kind == "StatefulSet" or key != "replicas"}
    return {**item, "kind": kind, "spec": spec | ({"serviceName": name} if kind == "StatefulSet" else {})}


def surging(item: Manifest) -> Manifest:
    """A DaemonSet on one node that rolls without an outage."""
    item["spec"]["updateStrategy"] = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    return item


def test_templates_are_patched_within_the_budget_and_pods_come_up_conforming(plane: ControlPlane) -> None:
    place = namespace(plane, "suite")
    names = [f"app-{number}" for number in range(4)]
    apply_and_settle(plane, *(workload(place, name) for name in names), conforming(place, "good"))
    plane.apply([stateful("StatefulSet", place, "db"), surging(stateful("DaemonSet", place, "agent"))])
    good = plane.get("deployment", "good", "-n", place)["metadata"]["generation"]
    with running(plane), watching(plane.admin_kubeconfig, place) as seen:
        plane.apply(policy(place))
        message = await_reason(plane, place, "TemplatesPatched", seconds=90)
        assert message.startswith("7 of 7 pod templates bear spec.podDefaults")
        assert "Jobs and CronJobs get none" in message
        for name in (*names, "db", "agent"):
            pods = pods_of(plane, place, name)
            assert pods, name
            assert [contexts(item) for item in pods] == [(HARDENED_POD, HARDENED_CONTAINER)] * len(pods)
        assert seen.restarts == dict.fromkeys(names, 1) | {"good": 0}
        assert seen.most <= QUICK["restarts"]["maxConcurrent"]
        assert seen.unavailable == []
    assert plane.get("deployment", "good", "-n", place)["metadata"]["generation"] == good
    assert status(plane, place)["templates"] == {"meant": 7, "bearing": 7}


def test_what_violates_is_refused_and_the_policy_that_refuses_is_alone(plane: ControlPlane) -> None:
    place = namespace(plane, "explicit")
    with running(plane):
        plane.apply(policy(place))
        await_reason(plane, place, "TemplatesPatched")
        pair = str(status(plane, place)["bound"])
        assert made(plane, pair, "validatingadmissionpolicy,validatingadmissionpolicybinding") == [
            f"validatingadmissionpolicy/{pair}",
            f"validatingadmissionpolicybinding/{pair}",
        ]
        assert "must not be 0" in tried(plane, pod(place, "root", ROOT))
        plane.apply(workload(place, "root", ROOT))
        assert f"HardeningPolicy {place}: " in await_refusal(plane, place, "root")
        assert pods_of(plane, place, "root") == []


def test_a_workload_that_comes_later_is_mended_at_once_where_no_pod_of_it_could_start(plane: ControlPlane) -> None:
    place = namespace(plane, "later")
    with running(plane):
        plane.apply(policy(place))
        await_reason(plane, place, "TemplatesPatched")
        # With one replica a restart is an outage, which its schedule does not allow.
        plane.apply(workload(place, "app", replicas=1))
        wait_until(lambda: is_rolled(plane.get("deployment", "app", "-n", place)), 60, "its pod running")
        assert [contexts(item) for item in pods_of(plane, place, "app")] == [(HARDENED_POD, HARDENED_CONTAINER)]
        assert restarts_ordered(plane, place) == 1


def test_what_may_not_be_restarted_now_waits_and_says_so(plane: ControlPlane) -> None:
    place = namespace(plane, "waiting")
    apply_and_settle(plane, workload(place, "single", replicas=1), conforming(place, "good"))
    with running(plane):
        plane.apply(policy(place))
        message = await_reason(plane, place, "RestartWaiting")
        wait_until(lambda: "a restart is an outage" in str(enforced(plane, place)["message"]), 30, "the reason")
        message = str(enforced(plane, place)["message"])
        assert message.startswith("1 of 2 pod templates bear")
        assert "Deployment/single in waiting" in message
        (entry,) = status(plane, place)["waiting"]
        assert (entry["workload"], entry["state"]) == ("Deployment/single", "Waiting")
    assert restarts_ordered(plane, place, "single") == 0


def test_a_policy_that_goes_gives_back_exactly_what_it_set(plane: ControlPlane) -> None:
    place = namespace(plane, "back")
    own = workload(place, "app", {"capabilities": {"add": ["NET_BIND_SERVICE"]}})
    own["spec"]["template"]["spec"]["containers"].insert(0, container({}) | {"name": "first"})
    own["spec"]["template"]["spec"]["containers"].append(container() | {"name": "last"})
    apply_and_settle(plane, own)
    before = template_of(plane, place)
    with running(plane), watching(plane.admin_kubeconfig, place) as seen:
        plane.apply(policy(place))
        await_reason(plane, place, "TemplatesPatched", seconds=60)
        assert contexts(template_of(plane, place)) == (HARDENED_POD, HARDENED_CONTAINER)
        plane.apply(policy(place, podDefaults={**DEFAULTS, "runAsUser": 20002}))
        wait_until(
            lambda: template_of(plane, place)["spec"]["securityContext"]["runAsUser"] == 20002, 60, "the other user"
        )
        plane.kubectl("delete", "harden", place)
        wait_until(lambda: template_of(plane, place) == before, 60, "the template being as it was")
        wait_until(lambda: is_rolled(plane.get("deployment", "app", "-n", place)), 60, "its pods running")
        assert seen.restarts == {"app": 3}
        assert seen.unavailable == []
    fields = plane.get("deployment", "app", "-n", place, "--show-managed-fields")["metadata"]["managedFields"]
    assert "securityContext" not in json.dumps([item for item in fields if item["manager"].startswith("breakwater")])


def test_fields_that_nobody_wants_any_more_are_found_by_an_operator_that_was_away(plane: ControlPlane) -> None:
    place = namespace(plane, "away")
    apply_and_settle(plane, workload(place, "app"))
    before = template_of(plane, place)
    with running(plane):
        plane.apply(policy(place))
        await_reason(plane, place, "TemplatesPatched", seconds=60)
    plane.kubectl("delete", "harden", place)
    with running(plane):
        wait_until(lambda: template_of(plane, place) == before, 60, "the template being as it was")


def test_who_applies_a_workload_can_still_remove_a_container_of_it(plane: ControlPlane) -> None:
    place = namespace(plane, "applied")
    item = workload(place, "app")
    beside = {**item, "spec": json.loads(json.dumps(item["spec"]))}
    beside["spec"]["template"]["spec"]["containers"].append(container() | {"name": "beside"})

    def apply(manifest: Manifest) -> None:
        plane.kubectl("apply", "--server-side", "--field-manager=gitops", "-f", "-", input=json.dumps(manifest))

    apply(beside)
    with running(plane):
        plane.apply(policy(place))
        await_reason(plane, place, "TemplatesPatched", seconds=60)
        apply(item)
        template = template_of(plane, place)
        assert [each["name"] for each in template["spec"]["containers"]] == ["app"]
        assert contexts(template) == (HARDENED_POD, HARDENED_CONTAINER)
        await_reason(plane, place, "TemplatesPatched", seconds=60)
    assert restarts_ordered(plane, place) == 1


def test_who_replaces_the_whole_object_each_second_is_not_fought(plane: ControlPlane) -> None:
    place = namespace(plane, "replaced")
    item = workload(place, "app")
    apply_and_settle(plane, item)

    def replace() -> None:
        plane.kubectl("replace", "-f", "-", input=json.dumps(item))

    with running(plane) as operator:
        plane.apply(policy(place))
        wait_until(lambda: restarts_ordered(plane, place) == 1, 60, "the restart")
        ends = time.monotonic() + REPLACED_SECONDS
        while time.monotonic() < ends:
            replace()
            time.sleep(1)
        message = await_reason(plane, place, "RestartErased")
        assert "Put them into the manifest of the workload" in message
        assert restarts_ordered(plane, place) == 1
        operator.kill()
        # What it knows of that stands in status.
        operator.start()
        operator.wait_leading()
        settle(QUIET_SECONDS + 5)
        assert restarts_ordered(plane, place) == 1


def test_an_operator_that_dies_in_the_middle_rolls_each_workload_once(plane: ControlPlane) -> None:
    place = namespace(plane, "killed")
    names = [f"app-{number}" for number in range(5)]
    apply_and_settle(plane, *(workload(place, name) for name in names))
    first, second = another_replica(plane, "first"), another_replica(plane, "second")
    with first, second, watching(plane.admin_kubeconfig, place) as seen:
        first.wait_leading()
        plane.apply(policy(place))
        wait_until(lambda: sum(seen.restarts.values()) >= 2, 60, "the first restarts")
        first.kill()
        await_reason(plane, place, "TemplatesPatched", seconds=120)
        assert seen.restarts == dict.fromkeys(names, 1)
        assert seen.unavailable == []
    assert {name: restarts_ordered(plane, place, name) for name in names} == dict.fromkeys(names, 1)


def test_a_template_that_bears_what_it_should_is_not_written_to_nor_is_it_by_a_restart(plane: ControlPlane) -> None:
    place = namespace(plane, "quiet")
    apply_and_settle(plane, workload(place, "app"))
    with running(plane) as operator:
        plane.apply(policy(place))
        await_reason(plane, place, "TemplatesPatched", seconds=60)
        mark = still(plane, 4)
        settle(QUIET_SECONDS)
        assert writes(plane, mark) == []
        assert complaints(operator) == []
    mark = plane.audit().mark()
    with running(plane) as operator:
        operator.wait_leading()
        settle(QUIET_SECONDS)
        assert writes(plane, mark) == []


def test_observe_sets_nothing_and_leaves_what_is_set(plane: ControlPlane) -> None:
    place = namespace(plane, "observed")
    apply_and_settle(plane, workload(place, "app"))
    with running(plane):
        plane.apply(policy(place))
        await_reason(plane, place, "TemplatesPatched", seconds=60)
        plane.apply(policy(place, mode="Observe"))
        await_reason(plane, place, "Observed")
        plane.apply(workload(place, "other"))
        settle(QUIET_SECONDS + 5)
    assert contexts(template_of(plane, place)) == (HARDENED_POD, HARDENED_CONTAINER)
    assert (restarts_ordered(plane, place), restarts_ordered(plane, place, "other")) == (1, 0)


def test_nothing_that_it_asks_for_is_forbidden(plane: ControlPlane) -> None:
    with SecondClient(plane.admin_kubeconfig) as client:
        assert client.find(deployment_of("suite", "app-0")) is not None, "the tests before this one ran here"
    refused = [
        event for event in plane.audit().events(user=USER) if event.code == 403 and "dryRun=All" not in event.uri
    ]
    assert [f"{event.verb} {event.uri}" for event in refused] == []
