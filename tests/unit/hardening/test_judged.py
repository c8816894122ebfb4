from __future__ import annotations

import time
from typing import Any

import pytest

from breakwater.cluster.inventory import Inventory
from breakwater.hardening.facts import PODS
from breakwater.hardening.plan import plan
from breakwater.hardening.templates import TEMPLATES
from breakwater.kernel.ownership import OWNED
from breakwater.kernel.references import (
    ADMISSION,
    CLUSTER_TRUST_BUNDLE,
    CONFIG_MAP,
    CUSTOM_RESOURCE_DEFINITION,
    HARDENING_POLICY,
    NAMESPACE,
    POD,
    SECRET,
)
from breakwater.kernel.settings import Settings
from breakwater.kernel.world import Index, World
from breakwater.workloads.consumers import WORKLOADS as WORKLOAD_KINDS
from tests.unit.hardening.scene import NOW, SUBJECT, SYSTEM, planned, pod, policy, world
from tests.unit.worlds import condition, message, namespace_manifest

GOOD_POD = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
GOOD = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def good(name: str, **context: Any) -> dict[str, Any]:
    return pod(name, context=GOOD, securityContext=GOOD_POD | context)


def status(*pods: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return dict(planned(world(*pods, declared=policy(mode="Observe", **spec))).status or {})


def test_pods_are_counted_by_verdict_and_listed_by_workload_with_their_fields() -> None:
    found = status(good("a"), pod("b", context=GOOD | {"runAsUser": 0}), pod("c", context=GOOD | {"runAsUser": 0}))
    assert found["pods"] == {"judged": 3, "conforming": 1, "violating": 2, "unknown": 0}
    place = {"namespace": "bpm", "workload": "Deployment/app", "pods": 2}
    assert found["violations"] == [
        place | {"check": "runAsNonRoot", "fields": ["spec.containers[0].securityContext.runAsNonRoot"]},
        place | {"check": "runAsUser", "fields": ["spec.containers[0].securityContext.runAsUser"]},
        place
        | {
            "check": "seccompProfile_restricted",
            "fields": ["spec.containers[0].securityContext.seccompProfile.type"],
        },
    ]


def test_a_violation_is_named_in_the_condition() -> None:
    result = planned(world(pod(), declared=policy(mode="Observe")))
    assert condition(result, "Conforming") == ("False", "Violations")
    assert "Deployment/app in bpm: spec.containers[0].securityContext" in message(result, "Conforming")


def test_who_runs_by_the_image_alone_is_unknown_and_never_conforming() -> None:
    only = pod(context=GOOD, securityContext={"seccompProfile": {"type": "RuntimeDefault"}})
    result = planned(world(only, declared=policy(mode="Observe", podDefaults={"runAsNonRoot": True})))
    found = dict(result.status or {})
    assert found["pods"] == {"judged": 1, "conforming": 0, "violating": 0, "unknown": 1}
    assert "runAsUser" in found["unknown"][0]["reason"]
    assert condition(result, "Conforming") == ("Unknown", "ImageDecides")


def test_an_unknown_user_does_not_excuse_another_violation() -> None:
    found = status(pod(context={"privileged": True}), podDefaults={"runAsNonRoot": True})
    assert found["pods"]["violating"] == 1


@pytest.mark.parametrize(
    ("namespace", "spec", "judged"),
    [
        ("bpm", {}, 1),
        ("kube-system", {}, 0),
        (SYSTEM, {"namespaceSelector": {}}, 0),
        ("bpm", {"namespaceSelector": {"matchLabels": {"suite": "bi"}}}, 0),
        ("bpm", {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "bpm"}}}, 1),
        ("bpm", {"objectSelector": {"matchLabels": {"app": "app"}}}, 1),
        ("bpm", {"objectSelector": {"matchLabels": {"app": "other"}}}, 0),
    ],
)
def test_only_pods_that_are_meant_are_judged(namespace: str, spec: dict[str, Any], judged: int) -> None:
    assert status(pod(namespace=namespace), **spec)["pods"]["judged"] == judged


def test_lists_end_before_status_grows_too_long() -> None:
    pods = [pod(f"p-{number}") for number in range(100)]
    for number, item in enumerate(pods):
        item["metadata"]["ownerReferences"] = [{"kind": "StatefulSet", "name": f"s-{number:03}", "controller": True}]
    found = status(*pods)
    assert (len(found["violations"]), len(found["changes"])) == (64, 64)
    assert found["pods"]["violating"] == 100


WORKLOADS, REPLICAS = 1000, 10


def inventory() -> Inventory:
    """10,000 pods of 1,000 workloads under one policy."""
    others = (CUSTOM_RESOURCE_DEFINITION, CLUSTER_TRUST_BUNDLE, *ADMISSION, *WORKLOAD_KINDS.values())
    whole = (POD, NAMESPACE, HARDENING_POLICY, *others)
    indexes: tuple[Index, ...] = (OWNED, PODS, TEMPLATES)
    made = Inventory(Settings(namespace=SYSTEM), whole=whole, split=(SECRET, CONFIG_MAP), indexes=indexes)
    for resource in made.resources():
        made.listed(resource, "", manifests(resource), 1)
    return made


def manifests(resource: Any) -> list[dict[str, Any]]:
    if resource is NAMESPACE:
        return [versioned(namespace_manifest("bpm", suite="bpm"))]
    if resource is HARDENING_POLICY:
        return [versioned(policy(mode="Observe"))]
    if resource is not POD:
        return []
    return [one_of_many(workload, replica) for workload in range(WORKLOADS) for replica in range(REPLICAS)]


def one_of_many(workload: int, replica: int, version: int = 1, **status: Any) -> dict[str, Any]:
    item = pod(f"app-{workload}-{replica}", context={"runAsUser": workload})
    item["metadata"]["ownerReferences"][0]["name"] = f"app-{workload}-5d8"
    item["status"] |= status
    return versioned(item, version)


def versioned(item: dict[str, Any], version: int = 1) -> dict[str, Any]:
    metadata = {"uid": item["metadata"]["name"], "resourceVersion": str(version)}
    return item | {"metadata": item["metadata"] | metadata}


class Told:
    """Listens to an inventory, as the registry of reads does."""

    def __init__(self) -> None:
        self.keys: list[Any] = []

    def indexed(self, _: Index, keys: Any) -> None:
        self.keys += keys

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def test_a_change_of_one_pods_status_wakes_no_policy_and_a_change_of_its_spec_does() -> None:
    made = inventory()
    told: Any = Told()
    made.listener = told
    made.put(POD, one_of_many(7, 3, 2, podIP="10.0.0.7", conditions=[{"type": "Ready", "status": "True"}]))
    assert told.keys == []
    changed = one_of_many(7, 3, 3)
    changed["spec"]["hostNetwork"] = True
    made.put(POD, changed)
    assert told.keys == ["bpm"]


def test_a_policy_over_10000_pods_is_planned_again_within_half_a_second() -> None:
    made = inventory()

    def once() -> float:
        started = time.process_time()
        result = plan(SUBJECT, World(made, SUBJECT), NOW)
        assert dict(result.status or {})["pods"]["judged"] == WORKLOADS * REPLICAS
        return time.process_time() - started

    once()
    assert min(once() for _ in range(3)) < 0.5
