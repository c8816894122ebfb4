from __future__ import annotations

from typing import Any

import orjson
import pytest

from breakwater.hardening.facts import PODS, Facts, reduced, shape_of
from breakwater.hardening.standards import NEWEST, Level, Version, checks
from tests.standards.samples import by_standard
from tests.unit.hardening.scene import pod


def facts(manifest: dict[str, Any]) -> Facts:
    (found,) = PODS.facts(manifest).values()
    assert isinstance(found, Facts)
    return found


@pytest.mark.parametrize("version", [Version(0), Version(18), Version(24), Version(34), NEWEST], ids=str)
@pytest.mark.parametrize("level", list(Level))
def test_the_shape_of_a_pod_violates_what_the_pod_violates(level: Level, version: Version) -> None:
    samples = by_standard()[level, version]
    assert len(samples) > 20
    for sample in samples:
        shape = orjson.loads(orjson.dumps(shape_of(sample.pod)))
        for check in checks(level, version):
            assert check.violations(shape) == check.violations(sample.pod), (sample.name, check.id)


@pytest.mark.parametrize(
    "key",
    ["seccomp.security.alpha.kubernetes.io/pod", "container.seccomp.security.alpha.kubernetes.io/app"],
)
def test_annotations_that_old_wordings_judge_are_part_of_the_shape(key: str) -> None:
    whole = pod()
    whole["metadata"]["annotations"] = {key: "unconfined"}
    shape = orjson.loads(facts(dict(reduced(whole))).shape)
    (check,) = (check for check in checks(Level.BASELINE, Version(18)) if check.id == "seccompProfile_baseline")
    assert check.violations(shape) == (f"metadata.annotations[{key}]",)


def test_facts_are_the_same_of_what_was_reduced_while_decoding() -> None:
    whole = pod(context={"runAsUser": 0}, hostNetwork=True, volumes=[{"name": "v", "hostPath": {"path": "/"}}])
    whole["metadata"]["annotations"] = {
        "container.apparmor.security.beta.kubernetes.io/app": "unconfined",
        "other": "x",
    }
    assert facts(dict(reduced(whole))) == facts(whole)
    assert "path" not in str(reduced(whole))
    assert "other" not in str(reduced(whole))


def test_pods_of_one_workload_share_their_facts() -> None:
    one, other = pod("app-1"), pod("app-2")
    other["status"]["podIP"] = "10.0.0.1"
    assert facts(one) is facts(other)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "Deployment/app"),
        ({"labels": {"app": "app"}}, "ReplicaSet/app-5d8"),
        ({"ownerReferences": []}, "Pod/app-1"),
        ({"ownerReferences": [{"kind": "StatefulSet", "name": "db", "controller": True}]}, "StatefulSet/db"),
        ({"ownerReferences": [{"kind": "Node", "name": "n"}]}, "Pod/app-1"),
    ],
)
def test_what_people_wrote_is_named(change: dict[str, Any], expected: str) -> None:
    manifest = pod()
    manifest["metadata"] |= change
    assert facts(manifest).workload == expected


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_pods_that_have_ended_are_not_judged(phase: str) -> None:
    manifest = pod()
    manifest["status"]["phase"] = phase
    assert PODS.facts(manifest) == {}


def test_pods_that_are_being_deleted_are_not_judged() -> None:
    manifest = pod()
    manifest["metadata"]["deletionTimestamp"] = "2026-06-01T00:00:00Z"
    assert PODS.facts(dict(reduced(manifest))) == {}
